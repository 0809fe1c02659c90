"""Properties of every read: nothing in gives nothing out, and lines in another order are outputs in another order."""

import jax
import jax.random as jr
import numpy as np
import pytest
from cases import SHAPE, WEIGHTS, pairs
from hypothesis import given
from hypothesis import strategies as st

import jaxtile as jt
from jaxtile import periphery

KEY = jr.key(5)
PLAIN = {
    "one pass": {},
    "two passes": {"mv_type": periphery.PosNegSeparate(), "inp_asymmetry": 0.05, "out_asymmetry": 0.05},
    "bit by bit": {"mv_type": periphery.BitWise(), "noise_management": periphery.AbsMaxNPSum()},
    "clipped": {"out_bound": 0.7, "bound_management": periphery.IterativeWorstCase()},
}
NOISY = {
    "defaults": {},
    "output lines": {
        "v_offset": periphery.VoltageOffset(v_offset_std=0.1, r_series=0.01),
        "out_nonlinearity": periphery.OutputNonlinearity(out_nonlinearity=0.1, out_nonlinearity_std=0.3),
        "w_noise": periphery.PCMRead(w_noise=0.01),
        "ir_drop": periphery.IRDrop(),
    },
}


@jax.jit
def both_ways(tile, x, d):
    return jt.forward(tile, x, key=KEY), jt.backward(tile, d, key=KEY)


def tile_of(weight, **fields):
    io = jt.IOParameters(**fields)
    config = jt.TileConfig(device=jt.device.Ideal(), pulse=jt.pulse.NoPulse(), forward=io, backward=io)
    return jt.set_weights(jt.init(config, SHAPE, key=KEY), weight)


@pytest.mark.parametrize("name", NOISY)
@given(vectors=pairs(), weight=WEIGHTS, silent=st.sets(st.integers(0, 2), min_size=1))
def test_a_vector_of_zeros_reads_as_zeros(name, vectors, weight, silent):
    """Beside others that do not, and through noise: management leaves such a vector out."""
    x, d = vectors
    silent = sorted(silent)
    x[silent], d[silent] = 0, 0
    for y in both_ways(tile_of(weight, **NOISY[name]), x, d):
        assert np.all(np.isfinite(y))
        np.testing.assert_array_equal(y[np.asarray(silent)], 0)


@pytest.mark.parametrize("name", PLAIN)
@given(vectors=pairs(), weight=WEIGHTS, rows=st.permutations(range(SHAPE[0])), columns=st.permutations(range(SHAPE[1])))
def test_lines_in_another_order_are_outputs_in_another_order(name, vectors, weight, rows, columns):
    """Without steps of the ADC, which would make a step of a rounding error."""
    x, d = vectors
    fields = {"out_noise": None, "out_res": 0.0} | PLAIN[name]
    y, e = both_ways(tile_of(weight, **fields), x, d)
    moved_y, moved_e = both_ways(tile_of(weight[rows][:, columns], **fields), x[:, columns], d[:, rows])
    np.testing.assert_allclose(moved_y, y[:, np.asarray(rows)], rtol=0, atol=1e-5)
    np.testing.assert_allclose(moved_e, e[:, np.asarray(columns)], rtol=0, atol=1e-5)
