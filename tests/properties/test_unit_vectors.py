"""Unit vectors give what the same vectors give when they are written out, whatever the device."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from cases import DEVICES_OF_ALL_KINDS, ENTRIES, KAPPA, RATE, SHAPE, WEIGHTS, K, hardware, tile_of
from helpers import DEVICES, mostly_slow, update
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import jaxtile as jt

KEY = jr.key(4)
COLUMNS = st.permutations(range(SHAPE[1])).map(lambda columns: columns[:K])
ROWS = arrays.arrays(np.float32, (K, SHAPE[0]), elements=ENTRIES)


def both_ways(tile, columns, d, rate):
    """After unit vectors, and after the same vectors written out."""
    units = jt.UnitVectors(jnp.asarray(columns, jnp.int32), SHAPE[1])
    return update(tile, units, d, rate, KEY), update(tile, np.eye(SHAPE[1], dtype=np.float32)[columns], d, rate, KEY)


ONE_OF_A_KIND = [
    name for name in DEVICES_OF_ALL_KINDS if name not in DEVICES or name in ("constant", "soft bounds", "exp", "table")
]


@pytest.mark.parametrize("name", mostly_slow(ONE_OF_A_KIND, "table", "one-sided", "a user's own"))
@given(columns=COLUMNS, d=ROWS, weight=WEIGHTS, rate=RATE, std=st.floats(0.0, 0.5))
def test_of_any_device(name, columns, d, weight, rate, std):
    """Cycle noise and all."""
    tile = tile_of(hardware(name, half_select=0, dw_min_std=std), weight)
    at_once, in_turn = both_ways(tile, columns, d, rate)
    np.testing.assert_allclose(at_once.weight, in_turn.weight, rtol=0, atol=1e-6)
    np.testing.assert_allclose(at_once.full_pulses, in_turn.full_pulses, rtol=1e-6)


AWAY = {"w_max": 1e4, "w_min": -1e4}


@pytest.mark.parametrize("name", mostly_slow(["constant", "vector cell", "a user's own"], "constant"))
@given(columns=COLUMNS, d=ROWS, rate=RATE, kappa=KAPPA)
def test_half_selected_cells_included(name, columns, d, rate, kappa):
    """Where the order of pulses does not matter: steps do not depend on the weight, here by bounds that are far away."""
    tile = tile_of(hardware(name, kappa=kappa, half_select=1, **AWAY), jnp.zeros(SHAPE))
    at_once, in_turn = both_ways(tile, columns, d, rate)
    np.testing.assert_allclose(at_once.weight, in_turn.weight, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(at_once.half_pulses, in_turn.half_pulses, rtol=1e-6)
