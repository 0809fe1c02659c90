"""`update` as a whole: limits, batches, unit vectors, cycle noise, and what must not depend on what."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import (
    DEVICES,
    INPUTS,
    PULSES,
    SHAPE,
    assert_mean,
    assert_std,
    lines_of,
    make_tile,
    mostly_slow,
    random_tile,
    ratio,
    update,
    update_as_users_do,
    vectors,
)

import jaxtile as jt
from jaxtile._random import stream

KEY = jr.key(11)
AWAY = {"w_max": 50, "w_min": -50}  # bounds that are never met


def tile_of(device="constant", pulse="compressed", half_select=None, **numbers) -> jt.Tile:
    return make_tile(device, PULSES[pulse](), half_select, **numbers)


def equal(a: jt.Tile, b: jt.Tile) -> bool:
    return np.array_equal(a.weight, b.weight)


# Limits.


@pytest.mark.parametrize(
    ("device", "pulse"), mostly_slow([("constant", "compressed"), ("soft bounds", "mean count")], ("soft bounds", "mean count"))
)
def test_infinite_kappa_is_none(device, pulse):
    """Cycle noise and all: half-selection draws from streams of its own.

    A program compiled with half-selection may round a last bit otherwise.
    """
    for kind in ("zeros", "one-hot"):
        x, d = vectors(kind)
        without = update(tile_of(device, pulse), x, d, 0.1, KEY)
        infinite = update(tile_of(device, pulse, ratio(np.inf)), x, d, 0.1, KEY)
        np.testing.assert_allclose(infinite.weight, without.weight, rtol=0, atol=1e-6)
        assert 0 < float(infinite.full_pulses) == pytest.approx(float(without.full_pulses), rel=1e-6)
        assert float(infinite.half_pulses) > 0 == float(without.half_pulses)


@pytest.mark.parametrize("pulse", mostly_slow(PULSES, "compressed", "mean count", "mean field"))
def test_zero_disturbs_nothing(pulse):
    x, d = vectors("signed")
    tile = tile_of("constant", pulse, ratio(1.0))
    assert not equal(update(tile, x, d, 0.1, KEY), tile)
    for nothing in ((0 * x, d, 0.1), (x, 0 * d, 0.1), (x, d, 0.0)):
        after = update(tile, *nothing, KEY)
        assert equal(after, tile)
        assert float(after.full_pulses) == float(after.half_pulses) == 0


def test_a_silent_line_disturbs_the_cells_of_the_others_only():
    tile = tile_of(half_select=ratio(2.0), dw_min_std=0.0, up_down_dtod=0.0, fill=0.3)
    x, d = np.zeros(SHAPE[1], np.float32), np.zeros(SHAPE[0], np.float32)
    x[2], d[1] = 1, -1
    moved = np.asarray(update(tile, x, d, 0.05, KEY).weight - tile.weight)
    assert np.abs(moved).max() < 1e-6  # kappa 2: two half pulses undo each full one, and polarities cancel elsewhere
    tile = tile_of(half_select=ratio(2.0, "active"), dw_min_std=0.0, fill=0.3)
    moved = np.asarray(update(tile, x, d, 0.05, KEY).weight - tile.weight)
    seen = np.zeros(SHAPE, bool)
    seen[1, :], seen[:, 2] = True, True
    assert np.array_equal(moved != 0, seen)


@pytest.mark.parametrize("kind", INPUTS)
def test_gain_is_exact(kind):
    """1 - 2 / kappa with all phases driven, equal steps up and down, no cycle noise and no bound touched; whatever the signs."""
    x, d = vectors(kind)
    numbers = {"dw_min_std": 0.0, "up_down_dtod": 0.0, "fill": 0.001, **AWAY}
    start = tile_of(**numbers)
    moved = np.asarray(update(start, x, d, 0.1, KEY).weight - start.weight)
    assert np.abs(moved).max() > 0.05
    for kappa in (1.0, 2.0, 10.0, 1e3):
        half_select = ratio(kappa)
        disturbed = np.asarray(update(tile_of(half_select=half_select, **numbers), x, d, 0.1, KEY).weight - start.weight)
        np.testing.assert_allclose(disturbed, (1 - 2 / kappa) * moved, atol=2e-6)


def test_gain_is_lost_without_all_phases():
    """The contrast that makes the test above a test."""
    x, d = vectors("both one-signed")
    numbers = {"dw_min_std": 0.0, "up_down_dtod": 0.0, "fill": 0.001, **AWAY}
    start = tile_of(**numbers)
    moved = np.asarray(update(start, x, d, 0.1, KEY).weight - start.weight)
    active = np.asarray(update(tile_of(half_select=ratio(10.0, "active"), **numbers), x, d, 0.1, KEY).weight - start.weight)
    assert np.abs(active - 0.8 * moved).max() > 0.01


# Batches.


def test_batches_are_sequential():
    """Four steps of 0.1 up against a bound of 0.25 and one down end at 0.15 (aihwkit's example), not at 0.25."""
    none = {"dw_min_dtod": 0, "up_down_dtod": 0, "w_max_dtod": 0, "w_min_dtod": 0, "dw_min_std": 0}
    device = jt.device.ConstantStep(dw_min=0.1, w_max=0.25, w_min=-0.25, **none)
    d = np.array([[-1], [-1], [-1], [-1], [1]], np.float32)
    for pulse in ("compressed", "implicit"):
        tile = jt.init(jt.TileConfig(device=device, pulse=PULSES[pulse]()), (1, 1), key=jr.key(0))
        assert float(update(tile, np.ones((5, 1), np.float32), d, 0.1, KEY).weight[0, 0]) == pytest.approx(0.15)


def test_a_batch_is_its_vectors_sent_in_turn():
    """Vector v draws from fold_in(key, v); `send` executes what `encode` made of it."""
    tile = tile_of("soft bounds", half_select=ratio(10.0))
    x, d = vectors("zeros")
    whole, by_hand = update(tile, x, d, 0.1, KEY), tile
    for v in range(len(x)):
        lines = lines_of(tile.config.pulse, tile.device.granularity(), x[v], d[v], 0.1, stream(KEY, v))
        by_hand = jt.send(by_hand, lines, key=stream(KEY, v))
    np.testing.assert_allclose(by_hand.weight, whole.weight, rtol=0, atol=1e-6)
    assert float(by_hand.full_pulses) == pytest.approx(float(whole.full_pulses), rel=1e-6)
    assert float(by_hand.half_pulses) == pytest.approx(float(whole.half_pulses), rel=1e-6)


@pytest.mark.parametrize("pulse", ["no pulse", "none with device", "ideal"])
def test_types_without_pulses(pulse):
    """The outer products; with devices one after another, each clipped."""
    device = jt.device.Ideal() if pulse == "ideal" else jt.device.ConstantStep(w_max=0.3, w_min=-0.3)
    kind = {"no pulse": jt.pulse.NoPulse(), "none with device": jt.pulse.NoneWithDevice(), "ideal": jt.pulse.StochasticCompressed()}
    tile = jt.init(jt.TileConfig(device=device, pulse=kind[pulse]), SHAPE, key=jr.key(0))
    x, d = vectors("signed")
    expected = np.zeros(SHAPE)
    for v in range(len(x)):
        expected = expected - 0.5 * np.outer(d[v], x[v])
        if pulse == "none with device":
            expected = np.clip(expected, tile.cells.w_min, tile.cells.w_max)
    np.testing.assert_allclose(update(tile, x, d, 0.5, KEY).weight, expected, atol=1e-6)


def test_mean_field_moves_by_the_outer_product():
    """Unsaturated, constant step, no spread: exactly -lr d x, with half pulses 1 - 2 / kappa of it."""
    x, d = vectors("signed", k=1)
    for half_select, gain in ((None, 1.0), (ratio(10.0), 0.8)):
        tile = tile_of(pulse="mean field", half_select=half_select, dw_min_dtod=0.0, up_down_dtod=0.0, fill=0.1)
        moved = update(tile, x, d, 0.1, KEY).weight - tile.weight
        np.testing.assert_allclose(moved, -0.1 * gain * np.outer(d, x), atol=1e-6)


def test_stochastic_updates_have_the_right_mean():
    """-lr d x on average over keys, cycle noise and all."""
    x, d = vectors("signed", k=1)
    tile = tile_of(dw_min_dtod=0.0, up_down_dtod=0.0, fill=0.1)
    many = jax.jit(jax.vmap(lambda key: jt.update(tile, x, d, learning_rate=0.02, key=key).weight - tile.weight))
    assert_mean(many(jr.split(jr.key(0), 4000)), -0.02 * np.outer(d, x))


# Unit vectors.


def unit(columns, width=SHAPE[1]):
    units = jt.UnitVectors(jnp.asarray(columns, jnp.int32), width)
    return units, np.eye(width, dtype=np.float32)[list(columns)]


@pytest.mark.parametrize(
    ("device", "pulse"), mostly_slow([("constant", "compressed"), ("exp", "mean count")], ("exp", "mean count"))
)
def test_unit_vectors_are_the_scan(device, pulse):
    """Without half-selection; the very trains and cycle noise, in two programs, which agree to rounding."""
    units, dense = unit([4, 0, 6, 1])
    _, d = vectors("signed", seed=3)
    tile = tile_of(device, pulse)
    at_once, in_turn = update_as_users_do(tile, units, d, 0.2, KEY), update_as_users_do(tile, dense, d, 0.2, KEY)
    np.testing.assert_allclose(at_once.weight, in_turn.weight, rtol=0, atol=1e-6)
    assert not equal(at_once, tile)
    assert float(at_once.full_pulses) == pytest.approx(float(in_turn.full_pulses), rel=1e-6)


@pytest.mark.parametrize("policy", ["all", "active"])
def test_unit_vectors_with_half_selection(policy):
    """Exact for a constant step away from bounds and without cycle noise, and in the counts always."""
    _, d = vectors("zeros", seed=4)
    for columns in ([4, 0, 6, 1], [5, 3, 2, 6]):
        units, dense = unit(columns)
        for kappa in (2.0, 1e3):
            tile = tile_of(half_select=ratio(kappa, policy), dw_min=1e-3, dw_min_std=0.0, fill=0.001, **AWAY)
            at_once, in_turn = update(tile, units, d, 0.02, KEY), update(tile, dense, d, 0.02, KEY)
            np.testing.assert_allclose(at_once.weight, in_turn.weight, atol=1e-6, rtol=0)
            assert float(at_once.full_pulses) == pytest.approx(float(in_turn.full_pulses), rel=1e-6)
            assert float(at_once.half_pulses) == pytest.approx(float(in_turn.half_pulses), rel=1e-6)


def test_unit_vectors_at_a_bound():
    """What one pass over the tile gives up: the half pulses that follow a column's own are summed before they are clipped.

    Rows go down twice, against a lower bound at zero, and then up twice, five pulses each, and kappa is 2. In turn, column 0 loses
    the disturbance of vector 1 to the bound and keeps that of 2 and 3: 2 x 2.5 steps. At once, it keeps the sum: 2.5 steps less.
    """
    none = {"dw_min_dtod": 0, "up_down_dtod": 0, "w_max_dtod": 0, "dw_min_std": 0, "w_min": 0, "dw_min": 0.01, "fill": 0}
    units, dense = unit([0, 1, 2, 3])
    tile = tile_of(half_select=ratio(2.0, "active"), **none)
    d = np.array([[1], [1], [-1], [-1]], np.float32) * np.ones(SHAPE[0], np.float32)
    in_turn, at_once = update(tile, dense, d, 0.05, KEY), update(tile, units, d, 0.05, KEY)
    np.testing.assert_allclose(in_turn.weight[:, 0], 0.05, atol=1e-6)
    np.testing.assert_allclose(at_once.weight[:, 0], 0.025, atol=1e-6)


# Cycle noise.


@pytest.mark.parametrize("order", mostly_slow(["aggregate", "slot"], "aggregate"))
def test_moments_of_cycle_noise(order):
    """31 full pulses down and 62 half pulses up at each of 48 x 48 cells: mean and variance are sums of those of the pulses."""
    shape, kappa, sigma = (48, 48), 4.0, 0.3
    tile = tile_of(half_select=ratio(kappa), shape=shape, order=order, dw_min=1e-3, dw_min_std=sigma, up_down_dtod=0.0, **AWAY)
    one = np.ones(48, np.float32)
    after = update(tile, one, one, 0.031, KEY)
    assert float(after.full_pulses) == pytest.approx(31)
    assert float(after.half_pulses) == pytest.approx(62)
    tile = jt.set_weights(tile, jnp.zeros(shape))
    steps = np.asarray(update(tile, one, one, 0.031, KEY).weight, np.float64) / np.asarray(tile.cells.step_up)
    assert_mean(steps.ravel(), -31 + 62 / kappa)
    assert_std(steps.ravel(), sigma * np.sqrt(31 + 62 / kappa**2))


def test_changing_kappa_leaves_all_else_alone():
    """The chip, the trains and the normals of the cycle noise: half pulses shift a constant step and widen its noise, no more.

    The shift goes as 1 / kappa, and noise of a cell with K full and H half pulses grows by sqrt(1 + H / (K kappa^2)).
    """
    x, d = vectors("signed", seed=6, k=1)

    def after(kappa, sigma):
        half_select = None if kappa is None else ratio(kappa)
        tile = tile_of(half_select=half_select, dw_min_std=sigma, up_down_dtod=0.0, fill=0.001, **AWAY)
        after = update(jt.count_pulses(tile), x, d, 0.1, KEY)
        return np.asarray(after.weight, np.float64), after.tally.each, tile.cells

    mean = {kappa: after(kappa, 0.0)[0] for kappa in (None, 2.0, 20.0)}
    assert np.abs(mean[2.0] - mean[None]).max() > 0.01
    np.testing.assert_allclose(2 * (mean[2.0] - mean[None]), 20 * (mean[20.0] - mean[None]), atol=5e-6)
    full = None
    for kappa in (None, 2.0, 20.0):
        weight, each, cells = after(kappa, 0.3)
        noise, selected = weight - mean[kappa], np.asarray(each.full_up + each.full_down)
        half = np.asarray(each.half_up + each.half_down)
        if kappa is None:
            chip, without, full = cells, noise, selected
            continue
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), cells, chip)
        assert np.array_equal(selected, full)
        grown = np.sqrt(1 + half / np.maximum(full, 1) / kappa**2)
        np.testing.assert_allclose(noise[full > 0], (without * grown)[full > 0], atol=2e-6)
        assert np.count_nonzero(full) > 10


def test_a_vmapped_lane_is_the_single_run():
    x, d = vectors("zeros")
    tile = tile_of("soft bounds", half_select=ratio(10.0))
    keys = jr.split(KEY, 3)
    lanes = jax.jit(jax.vmap(lambda key: jt.update(tile, x, d, learning_rate=0.1, key=key)))(keys)
    for lane in range(3):
        np.testing.assert_allclose(lanes.weight[lane], update(tile, x, d, 0.1, keys[lane]).weight, atol=1e-6)


# Aggregation.


@pytest.mark.parametrize(
    ("device", "rms", "largest"), mostly_slow([("soft bounds", 0.5, 2.5), ("exp", 0.3, 5.0)], ("exp", 0.3, 5.0))
)
def test_aggregate_error_is_bounded(device, rms, largest):
    """In steps, dense and one-hot, without cycle noise, at kappa 10; a tenth of it at kappa 100. See `docs/explanation/aggregate.md`.

    In the median over seven chips: the error of one depends on its most extreme cell.
    """
    shape = (12, 12)
    _, d = vectors("signed", shape=shape, k=12)
    dense, _ = vectors("signed", seed=1, shape=shape, k=12)
    units, one_hot = unit(range(12), 12)
    numbers = {"dw_min": 1e-3, "dw_min_std": 0.0}
    for at_once, in_turn in ((dense, dense), (units, one_hot))[: 1 if device == "exp" else 2]:  # compiling takes long
        for kappa in (10.0, 100.0):
            found = []
            for chip in range(7):
                after = {}
                for order, x in (("slot", in_turn), ("aggregate", at_once)):
                    config = jt.TileConfig(device=DEVICES[device](order=order, **numbers), half_select=ratio(kappa))
                    after[order] = np.asarray(update(random_tile(config, shape, chip), x, d, 0.031, KEY).weight, np.float64)
                error = (after["aggregate"] - after["slot"]) / 1e-3
                found.append((np.sqrt(np.mean(error**2)), np.abs(error).max()))
            assert np.all(np.median(found, axis=0) <= np.array([rms, largest]) * 10 / kappa)


def test_a_batch_of_nothing_sends_nothing():
    tile = jt.init(jt.TileConfig(), (2, 3), key=jax.random.key(0))
    for x in (jnp.zeros((0, 3)), jt.UnitVectors(jnp.zeros(0, int), 3)):
        after = jt.update(tile, x, jnp.zeros((0, 2)), learning_rate=0.1, key=jax.random.key(1))
        assert float(after.full_pulses) == 0
        assert np.all(np.asarray(after.weight) == 0)
