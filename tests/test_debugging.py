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
    """All steps are used: a history is NaN after the stop of a run, which `jax_debug_nans` takes for a mistake."""
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
