"""The weight that a device with write noise holds, and the one that it shows."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_mean, assert_std, update

import jaxtile as jt

KEY = jr.key(0)
DW_MIN, STD = 0.01, 3.0
SHAPE = (64, 64)
EVEN = {"w_max_dtod": 0.0, "w_min_dtod": 0.0}


def tile_of(device, shape=SHAPE, **config):
    tile = jt.init(jt.TileConfig(device=device, **config), shape, key=KEY)
    return jt.set_weights(tile, 0.2 * jr.uniform(jr.key(1), shape, minval=-1.0))


def noisy(inner=None, **numbers):
    return jt.device.WriteNoise(
        jt.device.SoftBounds(dw_min=DW_MIN, **EVEN) if inner is None else inner, write_noise_std=STD, **numbers
    )


def driven(k=1):
    """Vectors that drive the upper half of the rows."""
    x, d = jr.uniform(jr.key(2), (k, 64), minval=0.5), jr.uniform(jr.key(3), (k, 64), minval=0.5)
    return x, d.at[:, 32:].set(0.0)


def test_pulses_move_the_persistent_weight_as_if_there_were_no_noise():
    x, d = driven()
    plain = update(tile_of(jt.device.SoftBounds(dw_min=DW_MIN, **EVEN)), x, d, 0.05, KEY)
    after = update(tile_of(noisy()), x, d, 0.05, KEY)
    np.testing.assert_allclose(after.state.persistent, plain.weight, rtol=0, atol=1e-6)


def test_only_touched_cells_get_new_noise():
    x, d = driven()
    config = {"pulse": jt.pulse.DeterministicImplicit()}
    before = jt.set_weights(tile_of(noisy(), **config), jnp.zeros(SHAPE), key=KEY)
    after = update(before, x, d, 0.5, jr.key(5))
    assert np.array_equal(after.weight[32:], before.weight[32:])
    fresh = np.asarray(after.state.noise[:32]).ravel()
    assert_mean(fresh, 0)
    assert_std(fresh, STD * DW_MIN)
    assert abs(np.corrcoef(fresh, np.asarray(before.state.noise[:32]).ravel())[0, 1]) < 4.5 / np.sqrt(fresh.size)


def test_setting_leaves_noise_if_asked_to():
    tile, w = tile_of(noisy()), jnp.full(SHAPE, 0.1)
    assert np.array_equal(jt.set_weights(tile, w).weight, w)
    left = np.asarray(jt.set_weights(tile, w, key=KEY).weight - 0.1).ravel()
    assert_std(left, STD * DW_MIN)
    assert np.array_equal(jt.set_weights(tile_of(noisy(apply_write_noise_on_set=False)), w, key=KEY).weight, w)


@pytest.mark.parametrize("law", [jt.decay, jt.diffuse, lambda tile, key: jt.reset(tile, jnp.arange(3), key=key)])
def test_upkeep_acts_on_the_persistent_weight_and_redraws_all(law):
    numbers = {"dw_min": DW_MIN, "lifetime": 10.0, "diffusion": 0.01}
    tile = tile_of(noisy(jt.device.SoftBounds(**numbers)))
    after = law(tile, key=KEY)
    np.testing.assert_array_equal(after.state.persistent, law(tile_of(jt.device.SoftBounds(**numbers)), key=KEY).weight)
    assert bool(jnp.all(after.state.noise != tile.state.noise))
    assert_std(np.asarray(after.state.noise).ravel(), STD * DW_MIN)


def test_decay_without_a_key_is_refused():
    with pytest.raises(ValueError, match="pass key="):
        jt.decay(tile_of(noisy()))


@pytest.mark.parametrize("order", ["aggregate", "slot"])
def test_half_pulses_renew_their_share(order):
    """N half pulses at 1 / kappa leave (1 - 1 / kappa)^N of the variance; the stationary spread is kept."""
    kappa, shape = 20.0, (256, 64)
    half_select = jt.half_select.ConstantRatio(kappa=kappa)
    inner = jt.device.ConstantStep(dw_min=DW_MIN, order=order)
    tile = tile_of(noisy(inner), shape, half_select=half_select, pulse=jt.pulse.MeanCount(desired_bl=4, update_bl_management=False))
    tile = jt.set_weights(tile, jnp.zeros(shape), key=KEY)
    x, d = jnp.zeros((1, 64)).at[0, 0].set(1.0), jnp.ones((1, 256))
    after = update(tile, x, d, DW_MIN * 4, jr.key(7))
    half_pulses = 2 * 4  # of its row, in both phases of the row's sign
    old, new = (np.asarray(t.state.noise[:, 1:]).ravel() for t in (tile, after))
    assert_std(new, STD * DW_MIN)
    assert_mean(old * new / (STD * DW_MIN) ** 2, (1 - 1 / kappa) ** (half_pulses / 2))


def test_at_infinite_kappa_nothing_is_renewed():
    x, d = driven(2)
    plain, endless = (update(tile_of(noisy(), half_select=half), x, d, 0.05, KEY).weight for half in (None, infinite()))
    np.testing.assert_allclose(endless, plain, atol=1e-6)


def infinite():
    return jt.half_select.ConstantRatio(kappa=jnp.inf)


def test_without_pulses_the_update_is_not_lost():
    """aihwkit takes the weight from the persistent one again, which the update has not reached."""
    tile = tile_of(noisy(), pulse=jt.pulse.NoneWithDevice())
    x, d = driven()
    after = update(tile, x, d, 0.05, KEY)
    change = after.state.persistent - tile.state.persistent
    np.testing.assert_allclose(change, -0.05 * d[0][:, None] * x, atol=1e-6)
    assert np.array_equal(after.weight[32:], tile.weight[32:])
    assert_std(np.asarray(after.state.noise[:32]).ravel(), STD * DW_MIN)


@pytest.mark.slow
def test_programming_in_lanes():
    target = 0.1 * jr.normal(jr.key(8), (5, 7))

    def error(std, pulse):
        device = jt.device.WriteNoise(jt.device.SoftBounds(dw_min=1e-3), write_noise_std=std)
        tile = jt.init(jt.TileConfig(device=device, pulse=pulse, half_select=jt.half_select.ConstantRatio()), (5, 7), key=KEY)
        return jt.program(tile, target, jt.SVD(), key=KEY, max_steps=20, tolerance=0.0, record=()).stats["frobenius_error"]

    errors = jax.jit(jax.vmap(lambda std: error(std, jt.pulse.StochasticCompressed())))(jnp.array([0.0, 100.0]))
    assert errors[1] > 2 * errors[0]


def test_gradients_are_finite():
    """Expected counts, full and half, some of which are none."""
    device, up = noisy(), jnp.array([[0.0, 1.5]])
    cells, state = device.fabricate((1, 2), key=KEY), device.start((1, 2))

    def read(device, size):
        return jnp.sum(device.weight(device.pulses(cells, state, jt.device.Burst(up, 0 * up, size, size))))

    gradients = jax.jit(jax.vmap(jax.grad(read, argnums=(0, 1)), in_axes=(None, 0)))(device, jnp.array([0.1, 1.0]))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))


@pytest.mark.usefixtures("unhooked")
def test_it_goes_around_one_pulsed_device():
    with pytest.raises(TypeError, match=r"WriteNoise\.device=Ideal\(\)"):
        jt.device.WriteNoise(jt.device.Ideal(), write_noise_std=1.0)
    with pytest.raises(ValueError, match="write_noise_std=-1"):
        jt.device.WriteNoise(jt.device.SoftBounds(), write_noise_std=-1.0)
    assert "write_noise_std=2" in repr(dataclasses.replace(noisy(), write_noise_std=2.0))
