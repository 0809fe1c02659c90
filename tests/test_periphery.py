"""The analog matrix-vector product against a transcription, one vector at a time and in single precision."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import FLOAT, assert_mean, assert_std

import jaxtile as jt

OUT, IN = 6, 9
KEY = jr.key(0)

IO = {
    "defaults": {},
    "coarse": {"inp_res": 0.1, "out_res": 0.05},
    "steps given as numbers": {"inp_res": 20.0, "out_res": 50.0},
    "no converters": {"inp_res": 0.0, "out_res": -1.0},
    "narrow output": {"out_bound": 0.7},
    "narrow input": {"inp_bound": 0.5, "noise_management": None},
    "no management": {"noise_management": None, "bound_management": None, "out_bound": 0.7},
    "impatient": {"out_bound": 0.05, "bound_management": jt.periphery.Iterative(max_bm_factor=3.0)},
}

forward = jax.jit(lambda tile, x, key=KEY: jt.forward(tile, x, key=key))
backward = jax.jit(lambda tile, d, key=KEY: jt.backward(tile, d, key=key))


def tile_of(weight, **fields) -> jt.Tile:
    io = jt.IOParameters(**{"out_noise": 0.0, **fields})
    config = jt.TileConfig(device=jt.device.Ideal(), pulse=jt.pulse.NoPulse(), forward=io, backward=io)
    return jt.set_weights(jt.init(config, np.shape(weight), key=KEY), weight)


def transcription(weight, x, *, manage_bounds=True, **fields) -> tuple[np.ndarray, int]:
    """One vector through DAC, array and ADC; and in how many passes."""
    io = jt.IOParameters(**fields)
    inp_bound, out_bound = FLOAT(io.inp_bound), FLOAT(io.out_bound)

    def step(res, bound):
        res = FLOAT(res)
        return max(FLOAT(1) / res if res > 1 else res, FLOAT(0)) * 2 * bound

    def quantise(v, s):
        return np.rint(v / s) * s if s > 0 else v

    s_in, s_out = step(io.inp_res, inp_bound), step(io.out_res, out_bound)
    alpha = FLOAT(1) if io.noise_management is None else np.abs(x).max()
    if alpha == 0:
        return np.zeros(len(weight), FLOAT), 0
    k, passes = 1, 0
    while True:
        passes += 1
        scale = FLOAT(1) / alpha / FLOAT(k)
        u = np.clip(quantise(x * scale, s_in), -inp_bound, inp_bound)
        y = quantise((weight.astype(np.float64) @ u).astype(FLOAT), s_out)
        clipped = (np.abs(y) > out_bound).any()
        y = np.clip(y, -out_bound, out_bound)
        management = io.bound_management if manage_bounds else None
        if management is None or not clipped or k > float(management.max_bm_factor):
            break
        if s_in > 0 and k > float(management.max_bm_res) / s_in:
            break
        k *= 2
    return y / scale, passes


def data(seed=0, k=40):
    rng = np.random.default_rng(seed)
    weight = rng.uniform(-0.6, 0.6, (OUT, IN)).astype(FLOAT)
    x = (rng.normal(size=(k, IN)) * 10 ** rng.uniform(-2, 1, (k, 1))).astype(FLOAT)
    x[3] = 0
    return weight, x


def close_but_for_ties(got, expected, out_step):
    """Equal to rounding; a sum of products in another order may tip a value over the edge of one step of the ADC."""
    off = np.abs(np.asarray(got) - expected)
    same = off <= 2e-6 * (np.abs(expected) + np.abs(expected).max(axis=-1, keepdims=True))
    assert same.mean() > 0.99
    assert (same | (off <= 1.01 * out_step)).all()


def test_a_read_of_nan_is_nan():
    tile = jt.set_weights(jt.init(jt.TileConfig(), (3, 4), key=jr.key(0)), jnp.full((3, 4), 0.1))
    assert jnp.isnan(jt.forward(tile, jnp.array([1.0, jnp.nan, 0.0, 0.0]), key=jr.key(1))).all()
    assert jnp.isfinite(jt.forward(tile, jnp.ones(4), key=jr.key(1))).all()


@pytest.mark.parametrize("name", IO)
def test_forward(name):
    weight, x = data()
    expected, passes = (np.array(v) for v in zip(*(transcription(weight, v, **IO[name]) for v in x), strict=True))
    io = jt.IOParameters(**IO[name])
    res = float(io.out_res)
    step = max(1 / res if res > 1 else res, 0) * 2 * float(io.out_bound)
    alpha = 1 if io.noise_management is None else np.abs(x).max(axis=1, keepdims=True)
    close_but_for_ties(forward(tile_of(weight, **IO[name]), x), expected, step * alpha * 2.0 ** (passes[:, None] - 1))
    assert not np.asarray(forward(tile_of(weight, **IO[name]), x))[3].any()
    if name == "narrow output":
        assert len(set(passes)) > 2  # decided for each vector


def test_backward_reads_the_transpose_and_never_manages_bounds():
    weight, _ = data()
    d = np.random.default_rng(1).normal(size=(30, OUT)).astype(FLOAT)
    fields = {"out_bound": 0.7}
    expected = np.array([transcription(weight.T, v, manage_bounds=False, **fields)[0] for v in d])
    got = np.asarray(backward(tile_of(weight, **fields), d))
    close_but_for_ties(got, expected, 0.7 * 2 / 510 * np.abs(d).max(axis=1, keepdims=True))
    assert (np.abs(got) <= 0.7 * np.abs(d).max(axis=1, keepdims=True) * (1 + 1e-6)).all()
    exact = d @ weight
    assert (np.abs(exact) > 0.8 * np.abs(d).max(axis=1, keepdims=True)).any()  # bounds were met


@pytest.mark.parametrize(("fields", "passes"), [
    ({}, 5),  # k = 1, 2, 4, 8, 16: the step of the DAC allows 15.75
    ({"inp_res": 0.0}, 11),  # k up to 1024
])  # fmt: skip
def test_bound_management_gives_up(fields, passes):
    """An output that no reduction brings into range ends clipped at the last one."""
    weight = np.full((1, 4), 1e6, FLOAT)
    y = float(forward(tile_of(weight, **fields), np.ones((1, 4), FLOAT))[0, 0])
    assert transcription(weight, np.ones(4, FLOAT), **fields)[1] == passes
    assert y == pytest.approx(12 * 2 ** (passes - 1))


def test_bound_management_is_for_each_vector():
    """One clipped vector costs the others no resolution."""
    weight, x = data()
    x = x[[0, 1, 2]] / np.abs(x[[0, 1, 2]]).max(axis=1, keepdims=True)
    x[1] = np.sign(weight[0])
    tile = tile_of(weight, out_bound=2.0)
    together = np.asarray(forward(tile, x))
    assert abs(together[1, 0]) > 2.0  # it was clipped, and read again
    for v in range(3):
        np.testing.assert_allclose(together[v], np.asarray(forward(tile, x[v])), atol=1e-6)


def test_quantisation_grids():
    """Inputs lie on the DAC's grid, 63 levels on either side of zero; outputs on the ADC's, 255 on either side."""
    x = np.stack([np.linspace(-1, 1, 1001), np.ones(1001)], axis=1).astype(FLOAT)  # the second entry fixes the scale
    levels = np.asarray(forward(tile_of(np.array([[1, 0]], FLOAT), out_res=0.0), x)) * 63
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-4)
    assert len(np.unique(np.round(levels))) == 127
    # In single precision the ADC's last level lies one bit above its bound of 12, and counts as clipped (in aihwkit too).
    weight = np.linspace(-11.9, 11.9, 5001, dtype=FLOAT)[:, None]
    levels = np.asarray(forward(tile_of(weight, inp_res=0.0), np.ones((1, 1), FLOAT))) * 255 / 12
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-3)
    assert len(np.unique(np.round(levels))) == 507


def test_converters_without_a_range_have_no_steps():
    weight, x = data()
    fields = {"inp_bound": jnp.inf, "out_bound": jnp.inf}
    np.testing.assert_allclose(forward(tile_of(weight, **fields), x), x.astype(np.float64) @ weight.T, rtol=1e-5, atol=1e-5)


def test_perfect_reads_are_exact():
    weight, x = data()
    got = forward(tile_of(weight, is_perfect=True, out_noise=1.0), x)
    np.testing.assert_allclose(got, x.astype(np.float64) @ weight.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("x", "weight", "k"), [(0.5, 0.0, 1), (1.0, 40.0, 4)])
def test_output_noise(x, weight, k):
    """0.06 alpha k, where alpha comes from noise management and k from bound management; mean zero, anew for each output."""
    tile = tile_of(np.full((500, 1), weight, FLOAT), out_noise=0.06, inp_res=0.0, out_res=0.0)
    y = np.asarray(forward(tile, np.full((40, 1), x, FLOAT)), np.float64)
    assert_mean(y.ravel(), weight * x)
    assert_std(y.ravel(), 0.06 * x * k)
    assert not np.array_equal(y, forward(tile, np.full((40, 1), x, FLOAT), jr.key(1)))
    assert np.array_equal(y, forward(tile, np.full((40, 1), x, FLOAT)))


def test_zeros_read_exactly_zero():
    """Without noise too, in either direction."""
    tile = tile_of(data()[0], out_noise=1.0)
    assert not np.asarray(forward(tile, np.zeros((2, IN), FLOAT))).any()
    assert not np.asarray(backward(tile, np.zeros((2, OUT), FLOAT))).any()


def _sum_of_outputs(tile, weight, x):
    return jnp.sum(jt.forward(tile.with_state(weight), x, key=KEY))


def test_gradients_pass_straight_through():
    """Converters round; their gradient is that of what they round, and zero where they clip."""
    weight, x = data()
    x = 0.9 * x[0] / np.abs(x[0]).max()
    gradient = jax.jit(jax.grad(_sum_of_outputs, argnums=(1, 2)))
    unmanaged = {"noise_management": None, "bound_management": None}
    of_weight, of_x = gradient(tile_of(weight, **unmanaged), weight, x)
    np.testing.assert_allclose(of_weight, np.ones((OUT, 1)) * np.rint(x * 63) / 63, atol=1e-6)
    np.testing.assert_allclose(of_x, weight.sum(0), atol=1e-5)
    # Through noise management, whose scale depends on x too, and the loop of bound management.
    of_weight, of_x = gradient(tile_of(weight, inp_res=0.0, out_res=0.0), weight, x)
    np.testing.assert_allclose(of_weight, np.ones((OUT, 1)) * x, atol=1e-6)
    np.testing.assert_allclose(of_x, weight.sum(0), atol=1e-5)
    # Clipped at the ADC.
    narrow = tile_of(weight, out_bound=1e-3, **unmanaged)
    assert not any(np.asarray(g).any() for g in gradient(narrow, weight, x))


def test_vectors_of_any_leading_shape():
    weight, x = data(k=6)
    tile = tile_of(weight)
    flat = forward(tile, x)
    np.testing.assert_allclose(forward(tile, x.reshape(2, 3, IN)).reshape(6, OUT), flat, atol=1e-6)
    units = jt.UnitVectors(jnp.array([2, 0]), IN)
    np.testing.assert_allclose(forward(tile, units), forward(tile, np.eye(IN, dtype=FLOAT)[[2, 0]]), atol=1e-6)
