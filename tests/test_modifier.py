"""Modified copies of weights, clipping, remapping and input ranges, against their equations."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_mean, assert_std

import jaxtile as jt
from jaxtile import digital, modifier

KEY, FLOAT = jr.key(0), jnp.result_type(float)  # in either precision
MODIFIERS = {
    "drop": modifier.DropConnect(pdrop=0.3),
    "discretize": modifier.Discretize(res=0.1),
    "discretize, add": modifier.DiscretizeAddNormal(res=0.1, std_dev=0.1),
    "dorefa": modifier.DoReFa(res=0.1),
    "add": modifier.AddNormal(std_dev=0.1),
    "mult": modifier.MultNormal(std_dev=0.1),
    "poly": modifier.Poly(std_dev=2.0),
    "prog": modifier.ProgNoise(std_dev=60.0),
    "pcm": modifier.PCMNoise(pcm_t_inference=1e4),
}


def weights(shape=(6, 8)):
    return np.random.default_rng(0).uniform(-0.8, 0.8, shape).astype(FLOAT)


@pytest.mark.parametrize("name", MODIFIERS)
def test_gradients_pass_straight_through(name):
    weight, tangent = jnp.asarray(weights()), jnp.asarray(weights()[::-1].copy())
    _, pull = jax.vjp(lambda w: MODIFIERS[name](w, key=KEY), weight)
    np.testing.assert_array_equal(pull(tangent)[0], tangent)
    kept = jt.modifier.AddNormal(std_dev=1.0, copy_last_column=True)(weight, key=KEY)
    np.testing.assert_array_equal(kept[:, -1], weight[:, -1])


def test_every_number_of_a_modifier_can_be_swept():
    def one(modify):
        return modify(jnp.asarray(weights()), key=KEY)

    for modify in MODIFIERS.values():
        several = jax.tree.map(lambda leaf: jnp.stack([leaf, 1.1 * leaf]), modify)
        together = jax.jit(jax.vmap(one))(several)
        np.testing.assert_allclose(together[0], one(modify), atol=1e-5)
        assert not np.allclose(together[1], together[0])


def test_polynomial_noise():
    levels = np.repeat(np.array([-0.8, 0.0, 0.4], FLOAT)[:, None], 20000, axis=1)
    got = np.asarray(modifier.Poly(std_dev=0.5, coeffs=(0.1, 0.2, -0.1))(jnp.asarray(levels), key=KEY), np.float64)
    for row, level in zip(got, levels[:, 0], strict=True):
        r = abs(level) / 0.8
        assert_mean(row, level)
        assert_std(row, 0.5 * 0.8 * (0.1 + 0.2 * r - 0.1 * r**2))
    positive = np.asarray(modifier.ProgNoise(std_dev=60.0)(jnp.asarray(levels), key=KEY))
    assert (positive[0] <= 0).all()
    assert (positive[1:] >= 0).all()


def test_phase_change_memory():
    """Programming noise, then drift and read noise, each as it stands in the equation; zeros stay zero, and some are stuck."""
    levels = jnp.asarray(np.repeat(np.array([1.0, 0.0, 0.6, -0.6], FLOAT)[:, None], 20000, axis=1))
    programmed = np.asarray(modifier.PCMNoise()(levels, key=KEY), np.float64)
    for row, r, sign in ((0, 1.0, 1), (2, 0.6, 1), (3, 0.6, -1)):
        assert_mean(programmed[row], sign * r)
        assert_std(programmed[row], (0.26348 + 1.965 * r - 1.1731 * r**2) / 25)
    assert not programmed[1].any()
    aged = np.asarray(modifier.PCMNoise(pcm_t_inference=1e6)(levels, key=KEY), np.float64) - programmed
    nu = max(-0.0125 * np.log(1.0) - 0.0059, 0.008)
    xi = np.random.default_rng(1).normal(size=(2, 20000))
    decay = (1e6 / 20 + 1) ** -abs(nu * xi[0]) - 1 + 0.0088 * np.sqrt(np.log(1e6 / 500e-9)) * xi[1]
    np.testing.assert_allclose(aged[0].std(), decay.std(), rtol=0.06)
    np.testing.assert_allclose(aged[0].mean(), decay.mean(), rtol=0.06)
    stuck = np.asarray(modifier.PCMNoise(std_dev=0.0, pcm_prob_at_reset=0.1, pcm_prob_at_gmax=0.2)(levels, key=KEY))
    assert_mean(stuck[3] == 0, 0.1)
    assert_mean(stuck[3] == -1, 0.2)


def test_a_copy_for_each_vector():
    """The option `per_batch_sample` of aihwkit."""
    config = jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse(), forward=jt.IOParameters(is_perfect=True))
    tile = jt.set_weights(jt.init(config, (6, 8), key=KEY), weights())
    x, keys, noisy = np.ones((3, 8), FLOAT), jr.split(KEY, 3), MODIFIERS["add"]

    def one(v, key):
        return jt.forward(jt.read_as(tile, noisy(tile.weight, key=key)), v, key=key)

    y = jax.jit(jax.vmap(one))(x, keys)
    for v in range(3):
        np.testing.assert_allclose(y[v], noisy(tile.weight, key=keys[v]).sum(axis=1), atol=1e-5)
    assert not np.allclose(y[0], y[1])


def test_clipping():
    weight = jnp.asarray(weights())
    for clip, limit in (
        (digital.FixedValue(fixed_value=0.3), 0.3),
        (digital.LayerGaussian(sigma=1.0), np.std(weights(), ddof=1)),
        (digital.LayerGaussian(sigma=1.0, fixed_value=0.2), 0.2),
        (digital.AverageChannelMax(), np.abs(weights()).max(1).mean()),
    ):
        np.testing.assert_allclose(clip(weight), np.clip(weights(), -limit, limit), rtol=1e-5)


def test_mapping_and_remapping_keep_the_product():
    weight = weights() * np.arange(1, 7, dtype=FLOAT)[:, None]
    weight[2] = 0
    for columnwise in (False, True):
        mapped, scales = digital.map_weights(jnp.asarray(weight), 0.6, columnwise=columnwise)
        np.testing.assert_allclose(mapped * scales[:, None], weight, rtol=1e-6)
        largest = np.abs(mapped).max(axis=1)
        np.testing.assert_allclose(largest[[0, 1, 3, 4, 5]] if columnwise else largest.max(), 0.6, rtol=1e-5)
        for remap in (
            digital.LayerwiseSymmetric(remapped_wmax=0.9),
            digital.ChannelwiseSymmetric(remapped_wmax=0.9),
            digital.ChannelwiseSymmetric(max_scale_range=1.5, max_scale_ref=0.1),
        ):
            again, new = remap(mapped * 0.5, scales)
            np.testing.assert_allclose(again * new[:, None], weight * 0.5, rtol=1e-5)
    assert np.abs(digital.LayerwiseSymmetric(remapped_wmax=0.9)(mapped, scales)[0]).max() == pytest.approx(0.9)


def test_ranges_follow_the_data_and_then_the_gradient():
    found = digital.InputRange(init_from_data=2)
    x = np.random.default_rng(0).normal(size=(3, 50)).astype(FLOAT)
    stds = x.std(axis=1, ddof=1)
    for n in range(3):
        found = found.observe(jnp.asarray(x[n]))
        assert float(found.input_range) == pytest.approx(3 * stds[: min(n, 1) + 1].mean(), rel=1e-5)
    assert float(found.updates) == 2
    for broken in (np.nan, np.inf):
        batch = jnp.asarray(x[0]).at[7].set(broken)
        assert eqx.tree_equal(digital.InputRange().observe(batch), digital.InputRange()), "a broken batch is passed over"
    # Clipped inputs whose gradient wants them larger widen the range; few clipped ones let it decay.
    clipping, idle = digital.InputRange(input_range=0.5, decay=0.0), digital.InputRange(input_range=10.0, decay=0.01)

    def own(rule, sign):
        """The gradient less that of the division."""
        loss, x = (lambda r: sign * jnp.sum(r.scaled(x) * r.input_range)), jnp.array([2.0, 0.1, -2.0])
        return float(jax.grad(loss)(rule).input_range)

    assert own(clipping, -1.0) == pytest.approx(-0.5)  # one input at the upper bound
    assert own(clipping, 1.0) == pytest.approx(-0.5)  # and one at the lower
    assert own(idle, 1.0) == pytest.approx(0.01 * 10)
