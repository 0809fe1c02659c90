"""Updates, reads and runs work under the modes in which JAX helps to find a mistake.

Strict promotion of types and of ranks is on in all tests (see `conftest`).
"""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import mostly_slow

import jaxtile as jt

MODES = {
    "without jit": jax.disable_jit,
    "NaN is an error": lambda: jax.debug_nans(True),
    "double precision": lambda: jax.enable_x64(True),
    "tracer leaks": jax.checking_leaks,
}
SHAPE, KEY = (2, 3), jr.key(0)


def tile_of(pulse):
    """Made under the mode: numbers have its precision."""
    device, half_select = jt.device.SoftBounds(dw_min=0.02), jt.half_select.ConstantRatio(kappa=20.0)
    return jt.init(jt.TileConfig(device, pulse, half_select=half_select), SHAPE, key=KEY)


def run(tile, method):
    """All steps are used: a history is NaN after the end of a run, which `jax_debug_nans` takes for a mistake."""
    return jt.program(tile, jnp.full(SHAPE, 0.2), method, key=KEY, max_steps=2, tolerance=0.0)


@pytest.mark.parametrize("name", mostly_slow([*MODES], "NaN is an error"))
def test_the_core_works_under(name):
    with MODES[name]():
        tile = tile_of(jt.pulse.StochasticCompressed(desired_bl=5))
        tile = jt.update(tile, jnp.ones((2, 3)), jnp.ones((2, 2)), learning_rate=0.01, key=KEY)
        reads = jt.forward(tile, jnp.ones((1, 3)), key=KEY), jt.backward(tile, jnp.ones((1, 2)), key=KEY)
        sol = run(tile, jt.SVD())
    for found in (tile.weight, *reads, sol.weight, *sol.history.values()):
        assert np.all(np.isfinite(found))


def test_a_gradient_meets_no_nan():
    """Also on the way: it keeps the states of a run, whose histories are not yet filled.

    Two steps of half the residual, sent on average and read exactly, leave a quarter of the target.
    """
    spreads = ("dw_min_dtod", "up_down_dtod", "w_max_dtod", "w_min_dtod")
    device, perfect = jt.device.ConstantStep(dw_min=0.02, **dict.fromkeys(spreads, 0.0)), jt.IOParameters(is_perfect=True)
    tile = jt.init(jt.TileConfig(device, jt.pulse.MeanField(), forward=perfect), SHAPE, key=KEY)
    target = jnp.asarray([[0.2, -0.1, 0.3], [0.0, 0.1, -0.2]])

    def error(scale):
        method = jt.GDP(learning_rate=0.5)
        sol = jt.program(tile, scale * target, method, key=KEY, max_steps=2, tolerance=0.0, record=("frobenius_error",))
        return sol.stats["frobenius_error"]

    with jax.debug_nans(True):
        value, slope = jax.value_and_grad(error)(1.0)
    np.testing.assert_allclose([value, slope], np.linalg.norm(target) / 4, rtol=1e-5)


def test_a_history_is_nan_after_the_end():
    """In whatever a run goes on from, too."""
    tile, target = tile_of(jt.pulse.StochasticCompressed(desired_bl=5)), jnp.full(SHAPE, 0.2)
    sol = jt.program(tile, target, jt.SVD(), key=KEY, max_steps=3, tolerance=1e3)
    assert int(sol.stats["steps"]) == 0
    for values in sol.history.values():
        np.testing.assert_array_equal(np.isnan(values), [False, True, True, True])
    longer = jt.program(sol, target, jt.SVD(), key=KEY, max_steps=3, tolerance=0.0)
    for values in longer.history.values():
        assert np.all(np.isfinite(values))
