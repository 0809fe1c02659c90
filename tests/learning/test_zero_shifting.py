"""Zero-shifting beside its closed form."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jaxtile as jt
from jaxtile.device import ConstantStep, SoftBoundsReference

KEY, SHAPE, STEP = jr.key(0), (5, 4), 0.02


def device(**numbers):
    spread = {"dw_min_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0}
    return SoftBoundsReference(dw_min=STEP, dw_min_std=0.0, up_down_dtod=0.2, w_max=1.0, w_min=-1.0, **spread | numbers)


@pytest.mark.parametrize("cell", [lambda one: one, lambda one: jt.learning.Transfer((one, one))])
def test_a_reference_moves_to_the_symmetry_point(cell):
    """A pulse leaves 1 - step of the distance from its bound, and so a pair q = (1 - up) (1 - down) of that from where they end."""
    tile = jt.init(jt.TileConfig(cell(device())), SHAPE, key=KEY)
    cells = getattr(tile.cells, "devices", (tile.cells,))[0]
    up, down = (np.asarray(step, np.float64) for step in (cells.step_up, cells.step_down))
    q = (1 - up) * (1 - down)
    end = (up - down - up * down) / (1 - q)  # the symmetry point, less about half a step
    after = jt.learning.zero_shift(tile, 60, key=KEY)
    shifted = getattr(after.cells, "devices", (after.cells,))[0]
    np.testing.assert_allclose(shifted.reference, end * (1 - q**30), atol=1e-5)
    np.testing.assert_allclose(shifted.w_max + shifted.reference, 1.0, atol=1e-6)
    assert not np.any(after.weight)
    assert float(after.tally.full) == 60
    np.testing.assert_allclose(end, (up - down) / (up + down), atol=0.02)


def test_bad_budgets_are_refused():
    tile = jt.init(jt.TileConfig(device()), SHAPE, key=KEY)
    with pytest.raises(ValueError, match="pulses=3 must be an even"):
        jt.learning.zero_shift(tile, 3, key=KEY)
    with pytest.raises(TypeError, match="has no reference to set"):
        jt.learning.zero_shift(jt.init(jt.TileConfig(ConstantStep()), SHAPE, key=KEY), 4, key=KEY)
    same = jt.learning.zero_shift(tile, 0, key=KEY)
    assert jnp.array_equal(same.cells.reference, tile.cells.reference)
