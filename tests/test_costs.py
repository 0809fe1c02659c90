"""Counts of a run, and what they cost."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import FLOAT, update, vectors

import jaxtile as jt

KEY = jr.key(0)


def exposure_target():
    """Rank 20, as in the table of `docs/explanation/accounting.md`: largest entry 1."""
    rng = np.random.default_rng(0)
    target = rng.standard_normal((300, 20)) @ rng.standard_normal((20, 500))
    return (target / np.abs(target).max()).astype(FLOAT)


def exposure_tile(half_select=None):
    device = jt.device.ConstantStep(w_max=9.0, w_min=-9.0, dw_min_std=0.0)
    half_select = jt.half_select.ConstantRatio() if half_select is None else half_select
    return jt.init(jt.TileConfig(device=device, half_select=half_select), (300, 500), key=KEY)


def one_pass(tally):
    """Half pulses per cell if every line sent its train once: n + m - 2 K. Each is sent in two of the four sub-phases."""
    return float(tally.row + tally.column) / 2 - 2 * float(tally.full)


def test_exposure_of_gdp_with_unit_vectors():
    """One pass over 500 unit vectors from weight zero, at a learning rate of 0.03: 4.545 full and 4637 half pulses per cell."""
    target, tile = exposure_target(), exposure_tile()
    after = jt.update(tile, jt.UnitVectors(jnp.arange(500), 500), -target.T, learning_rate=0.03, key=KEY)
    assert float(after.full_pulses) == pytest.approx(4.545, rel=5e-3)
    assert float(after.half_pulses) == pytest.approx(4637, rel=5e-3)
    assert one_pass(after.tally) == pytest.approx(2314, rel=5e-3)


def test_exposure_of_svd():
    """Twenty components, at 0.03: 16.13 full and 234 half pulses per cell."""
    u, s, v = np.linalg.svd(exposure_target(), full_matrices=False)
    root, tile = np.sqrt(s[:20, None]), exposure_tile()
    total = jax.vmap(lambda key: jt.update(tile, root * v[:20], -root * u.T[:20], learning_rate=0.03, key=key).tally)(
        jr.split(KEY, 4)
    )
    tally = jax.tree.map(jnp.mean, total)
    assert float(tally.full) == pytest.approx(16.13, rel=5e-3)
    assert float(tally.half) == pytest.approx(234, rel=5e-3)
    assert one_pass(tally) == pytest.approx(101, rel=5e-3)


def test_a_cell_is_in_one_of_four_states():
    """Full, half or idle in every driven sub-phase of every slot."""
    x, d = vectors("zeros")
    for half_select in (jt.half_select.ConstantRatio(), jt.half_select.ConstantRatio(phases="active", scheme="V/3")):
        tile = jt.count_pulses(jt.init(jt.TileConfig(half_select=half_select), (5, 7), key=KEY))
        tally = update(tile, x, d, 0.1, KEY).tally
        each = tally.each
        selected = each.full_up + each.full_down + each.half_up + each.half_down
        assert float(selected.max()) <= float(tally.phases)
        assert float(jnp.mean(each.row_up + each.row_down)) == pytest.approx(float(tally.row))
        assert float(jnp.mean(each.column_up + each.column_down)) == pytest.approx(float(tally.column))
        assert float(jnp.mean(selected)) == pytest.approx(float(tally.full + tally.half))


def test_trains_are_as_long_as_they_need_to_be():
    """BL management cuts a train of 31 slots to the 5 that one pair of lines needs, in four phases; with skipped phases, one."""
    one = jnp.ones((1, 1))
    for half_select, phases in ((None, 4), (jt.half_select.ConstantRatio(), 4), (jt.half_select.ConstantRatio(phases="active"), 1)):
        tile = jt.init(jt.TileConfig(half_select=half_select), (1, 1), key=KEY)
        tally = update(tile, one, one, 0.005, KEY).tally
        assert float(tally.phases) == 5 * phases
        assert float(tally.row) == float(tally.column) == 5 * max(1, phases / 2)


def test_the_default_counts_means_only():
    x, d = vectors("one-hot")
    tile = jt.init(jt.TileConfig(half_select=jt.half_select.ConstantRatio()), (5, 7), key=KEY)
    counted = jt.count_pulses(tile)
    assert tile.tally.each is None
    one, other = (update(t, x, d, 0.1, KEY) for t in (tile, counted))
    assert one.tally.each is None
    np.testing.assert_allclose(one.weight, other.weight, rtol=0, atol=1e-6)
    assert float(one.full_pulses) == pytest.approx(float(other.full_pulses), rel=1e-6)


def test_a_run_counts_its_reads_and_phases():
    target = 0.1 * jr.normal(KEY, (5, 7))
    tile = jt.count_pulses(jt.init(jt.TileConfig(half_select=jt.half_select.ConstantRatio()), (5, 7), key=KEY))
    for method, vectors_read in ((jt.GDP(batch_size=3), 3), (jt.SVD(solver="exact"), 7)):
        sol = jt.program(tile, target, method, key=KEY, max_steps=4, tolerance=0.0)
        assert sol.history["reads"].tolist() == [vectors_read * (n + 1) for n in range(5)]
        assert float(sol.stats["phases"]) == float(sol.history["phases"][-1]) > 0 == float(sol.history["phases"][0])
        assert float(sol.tile.tally.each.full_up.mean() + sol.tile.tally.each.full_down.mean()) == pytest.approx(
            float(sol.stats["full_pulses"]), rel=1e-5
        )
    again = jt.program(sol.tile, target, method, key=KEY, max_steps=4, tolerance=0.0)
    assert float(again.stats["reads"]) == 5 * 7
    assert float(again.tile.tally.reads) == 5 * 7 + float(sol.tile.tally.reads)


def test_time_and_energy():
    """By hand: V/2 a quarter and V/3 a ninth of the energy of a full pulse."""
    costs = jt.Costs(
        pulse_width=1.0, pulse_period=3.0, write_voltage=2.0, conductance=0.5, line_capacitance=0.1, read_time=7.0, read_voltage=1.0,
        conversion_energy=0.3,
    )  # fmt: skip
    counts = {"full_pulses": 2.0, "half_pulses": 8.0, "row_pulses": 5.0, "column_pulses": 6.0, "phases": 20.0, "reads": 3.0}
    counts = {name: jnp.asarray(count) for name, count in counts.items()}
    out, width = 4, 6
    assert float(costs.time(counts)) == pytest.approx(3 * 20 + 7 * 3)
    reads = 3 * (24 * 0.5 * 1.0 * 7 + out * 0.3)
    for scheme, n, weak in (("V/2", 2, 8.0), ("V/3", 3, 18.0)):
        tile = jt.init(jt.TileConfig(half_select=jt.half_select.Sinh(scheme=scheme)), (out, width), key=KEY)
        lines = (out * 5 + width * 6) * 0.1 * (2 / n) ** 2
        expected = 24 * 0.5 * 1.0 * (2.0 * 4 + weak * (2 / n) ** 2) + lines + reads
        assert float(costs.energy(counts, tile)) == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"Costs\.conductance=-1"):
        jt.Costs(conductance=-1.0)


PULSE, READ, THROUGHPUT, STATES = (
    5e-9,
    40e-9,
    0.7e12 / 4,
    {"dw_min": 1e-3, "up_down_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0},
)
TRAIN = jt.pulse.StochasticCompressed(desired_bl=5, update_bl_management=False)
PAIR = 2 * (jt.device.SoftBounds(**STATES),)
EVERY = {"transfer_every": 2.0, "units_in_mbatch": False, "transfer_lr": 100.0}  # each transfer writes
PER_SAMPLE = {  # digital operations by line of a square array; seconds of pulses and reads: Rasch et al. (2024), Table 1, n_s = 2
    "sgd": (jt.device.SoftBounds(**STATES), 2, 5 * PULSE),
    "ttv2": (jt.learning.ChoppedTransfer(PAIR, in_chop_prob=0.0, **EVERY), 2 + 1, 5 * PULSE + (READ + PULSE) / 2),
    "c-ttv2": (jt.learning.ChoppedTransfer(PAIR, **EVERY), 2 + 1, 5 * PULSE + (READ + PULSE) / 2),
    "agad": (jt.learning.DynamicTransfer(PAIR, in_chop_prob=0.5, **EVERY), 2 + 3, 5 * PULSE + (READ + PULSE) / 2),
}
PUBLISHED = {"sgd": 30.9, "ttv2": 56.3, "c-ttv2": 56.3, "agad": 62.1, "mp": 3024.5}  # ns, 512 x 512


@pytest.mark.parametrize("name", PER_SAMPLE)
def test_the_time_of_a_sample_is_that_of_rasch(name):
    """From the tally of a run and the digital operations of the device; and the published time of 512 x 512."""
    device, each, expected = PER_SAMPLE[name]
    x = jnp.ones((48, 6))
    tile = update(jt.init(jt.TileConfig(device, TRAIN), (6, 6), key=KEY), x, x, 0.1, KEY)
    tally = jax.tree.map(jnp.subtract, update(tile, x, x, 0.1, KEY).tally, tile.tally)  # beyond AGAD's first period
    costs = jt.Costs(pulse_width=PULSE / 4, pulse_period=PULSE / 4, read_time=READ)  # a slot has four sub-phases
    seconds = float(costs.time({"phases": tally.phases, "reads": tally.reads})) / 48
    assert seconds == pytest.approx(expected)
    assert float(tile.device.operations((6, 6), batch=4)) == 6 * each
    operations = float(tile.device.operations((512, 512), batch=4))
    assert round(1e9 * (seconds + operations / THROUGHPUT), 1) == PUBLISHED[name]


def test_the_time_of_mixed_precision():
    """Digital sums of all cells for each sample, and a pulse for each row after a batch of a hundred."""
    n, batch = 512, 100
    device = jt.learning.MixedPrecision(jt.device.SoftBounds(**STATES))
    operations = float(device.operations((n, n), batch))
    assert operations == n + 2 * n**2
    assert round(1e9 * (operations / THROUGHPUT + n * PULSE / batch), 1) == PUBLISHED["mp"]
    one = jt.pulse.StochasticCompressed(desired_bl=1)
    tile = jt.init(jt.TileConfig(device, one), (6, 6), key=KEY)
    x = jnp.ones((2, 6))
    tally = update(update(tile, x, x, 0.1, KEY), x, x, 0.1, KEY).tally
    assert float(tally.phases) == 4 * 6


def test_digital_operations_of_lines_that_are_read():
    """All cells of the lines that are read, as often as they are; nothing where no transfer is made."""
    device = jt.learning.ERider(PAIR, n_reads_per_transfer=3, transfer_columns=False)
    assert float(device.operations((5, 7), batch=10)) == pytest.approx(5 + 7 + 4 * 3 * 7 / 10)
    three = jt.learning.BufferedTransfer(3 * PAIR[:1], transfer_every_vec=[2.0, 8.0, 0.0], units_in_mbatch=False)
    assert float(three.operations((5, 7))) == pytest.approx(5 + 7 + 2 * 5 * (1 / 2 + 1 / 8))
    assert float(jt.learning.Transfer(PAIR).operations((5, 7))) == 5 + 7
    assert float(jt.device.WriteNoise(PAIR[0]).operations((5, 7))) == 5 + 7
