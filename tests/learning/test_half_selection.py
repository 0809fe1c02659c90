"""Half-selection under each algorithm: every array is disturbed by its own lines, as the judge in NumPy has it."""

import jax
import jax.random as jr
import numpy as np
import pytest
from helpers import mostly_slow
from reference.transfers import Array, buffered, chopped, e_rider, mixed_precision, transfer

import jaxtile as jt
from jaxtile import learning

OUT, WIDTH, VECTORS, RATE, FAST, G, KAPPA = 4, 3, 60, 0.173, 0.0513, 0.0137, 7.3
KEY, COUNTS = jr.key(0), jt.pulse.DeterministicImplicit()
ONE = jt.pulse.DeterministicImplicit(desired_bl=1, update_management=False, update_bl_management=False)
QUIET = dict.fromkeys(("dw_min_dtod", "up_down_dtod", "w_max_dtod", "w_min_dtod", "dw_min_std"), 0.0)
# Steps up are larger, so that half pulses do not cancel, of phase and counter-phase or of row and column.
STEP = jt.device.ConstantStep(**QUIET, dw_min=G, up_down=0.3, w_max=50.0, w_min=-50.0)
OWN = {"fast_lr": FAST, "scale_fast_lr": False, "units_in_mbatch": False, "transfer_forward": jt.IOParameters(is_perfect=True)}


def with_counts(kind, arrays=2, pulse=COUNTS, **numbers):
    return kind(arrays * (STEP,), transfer_update=pulse, **OWN | numbers)


# An algorithm, and what its judge makes of two arrays (three, one) and the vectors.
CASES = {
    "transfer": (
        with_counts(learning.Transfer, transfer_lr=1.713),
        lambda arrays, x, d: transfer(arrays, x, d, RATE, fast_lr=FAST, transfer_lr=1.713, every=[1]),
    ),
    "residual": (
        with_counts(learning.ResidualLearning, arrays=3, transfer_lr=1.713, transfer_every_vec=[2.0, 5.0, 0.0], warm_start=False),
        lambda arrays, x, d: transfer(arrays, x, d, RATE, fast_lr=FAST, transfer_lr=1.713, every=[2, 5]),
    ),
    "buffered": (
        with_counts(learning.BufferedTransfer, pulse=ONE, transfer_lr=1.713),
        lambda arrays, x, d: buffered(*arrays, x, d, fast_lr=FAST, rate=1.713 * RATE),
    ),
    "filtered": (
        with_counts(learning.FilteredTransfer, pulse=ONE, transfer_lr=1.713),
        lambda arrays, x, d: buffered(*arrays, x, d, fast_lr=FAST, rate=1.713 * RATE, filtered=True),
    ),
    "chopped": (
        with_counts(learning.ChoppedTransfer, pulse=ONE, transfer_lr=1.713, in_chop_prob=0.31, in_chop_random=False),
        lambda arrays, x, d: chopped(*arrays, x, d, fast_lr=FAST, scale=1.713 * RATE / G, period=4),
    ),
    "dynamic": (
        with_counts(learning.DynamicTransfer, pulse=ONE, transfer_lr=1.713, in_chop_prob=0.31),
        lambda arrays, x, d: chopped(*arrays, x, d, fast_lr=FAST, scale=1.713 * RATE / G, period=4, dynamic=True),
    ),
    "e-rider": (
        with_counts(learning.ERider, transfer_lr=0.713, in_chop_prob=1.0, tracking_rate=0.31),
        lambda arrays, x, d: e_rider(*arrays, x, d, RATE, fast_lr=FAST, transfer_lr=0.713, tracking_rate=0.31, turns=True, reads=1),
    ),
    "mixed": (
        learning.MixedPrecision(STEP, n_rows_per_transfer=3),
        lambda arrays, x, d: mixed_precision(*arrays, x, d, RATE, batch=VECTORS // 4, rows=3),
    ),
}


@jax.jit
def update(tile, x, d):
    return jt.update(tile, x, d, learning_rate=RATE, key=KEY)


@pytest.mark.parametrize("name", mostly_slow(CASES, "filtered"))
def test_each_array_is_disturbed_by_its_own_lines(name):
    device, judge = CASES[name]
    rng = np.random.default_rng(0)
    x, d = rng.uniform(-1, 1, (VECTORS, WIDTH)), rng.uniform(-1, 1, (VECTORS, OUT)) + 0.3
    tile = jt.init(jt.TileConfig(device, COUNTS, half_select=jt.half_select.ConstantRatio(kappa=KAPPA)), (OUT, WIDTH), key=KEY)
    after = tile
    for part in np.split(np.arange(VECTORS), 4):
        after = update(after, x[part], d[part])
    ours = getattr(after.state, "devices", None) or (after.state.device,)
    cells = getattr(tile.cells, "devices", (tile.cells,))[0]
    steps = {"up": float(cells.step_up[0, 0]), "down": float(cells.step_down[0, 0])}
    assert steps["up"] > 1.2 * steps["down"]
    ends = {}
    for kappa in (KAPPA, np.inf):
        arrays = [Array((OUT, WIDTH), G, 50.0, kappa=kappa, **steps) for _ in ours]
        judge(arrays, x, d)
        ends[kappa] = [array.weight for array in arrays]
    for got, array, alone in zip(ours, ends[KAPPA], ends[np.inf], strict=True):
        np.testing.assert_allclose(got, array, atol=3e-6)
        assert np.count_nonzero(array) > 5
        assert np.max(np.abs(array - alone)) > G
