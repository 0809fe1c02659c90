"""Disturb models against the plain simulator, closed forms and their limits."""

import dataclasses
import itertools
from functools import partial
from math import erf, sqrt

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import INPUTS, SHAPE, assert_mean, assert_std, lines_of, mostly_slow, random_tile, update, vectors
from reference.simulator import Crossbar, unpack
from reference.test_against_simulator import check_counts, quiet_tile, simulate

import jaxtile as jt
from jaxtile._random import Draws, cell_index
from jaxtile.half_select import Accumulation, ConstantRatio, Sinh, Stochastic, Threshold
from jaxtile.half_select.stochastic import _binomial

KEY = jr.key(7)
AWAY = {"dw_min": 1e-3, "w_max": 50, "w_min": -50, "fill": 0.01}
APART = {"row": 0.5, "column": 2.0, "up": 1.5, "down": 0.7}
MODELS = {
    "ratio, V/3": ConstantRatio(kappa=5.0, scheme="V/3", phases="active"),
    "ratio, spread": ConstantRatio(kappa=5.0, kappa_dtod=0.4),
    "ratio, apart": ConstantRatio(kappa=6.0, **APART, phases="active"),
    "ratio, apart, V/3": ConstantRatio(kappa=6.0, **APART, scheme="V/3"),
    "sinh": Sinh(v_0=0.3, phases="active"),
    "sinh, V/3": Sinh(v_0=0.4, scheme="V/3"),
    "threshold": Threshold(voltage=2.0, alpha=1.5),
    "threshold, V/3": Threshold(voltage=2.5, alpha=1.5, scheme="V/3", phases="active"),
    "stochastic": Stochastic(kappa=5.0),
    "stochastic, V/3": Stochastic(kappa=5.0, scheme="V/3", phases="active"),
    "accumulation": Accumulation(dead_band=3.0, kappa=2.0, phases="active"),
    "accumulation, V/3": Accumulation(dead_band=3.0, kappa=2.0, scheme="V/3"),
}
# Compiling takes long: what differs in numbers only is checked in one of the two orders.
IN_SLOTS = [name for name in MODELS if name not in ("ratio, spread", "threshold")]
SUMMED = ("ratio, spread", "ratio, apart", "ratio, apart, V/3", "sinh", "threshold", "threshold, V/3")
SLOTS = jt.pulse.StochasticCompressed(desired_bl=9)


# Against the simulator.


def test_every_model_meets_it_under_both_policies_and_both_schemes():
    members = {vars(jt.half_select)[name] for name in jt.half_select.__all__} - {jt.half_select.AbstractHalfSelect}
    kinds = {member for member in members if isinstance(member, type) and issubclass(member, jt.half_select.AbstractHalfSelect)}
    met = [MODELS[name] for name in {*IN_SLOTS, *SUMMED}]
    assert {(type(model), model.phases) for model in met} == set(itertools.product(kinds, ("all", "active")))
    assert {(type(model), model.scheme) for model in met} == set(itertools.product(kinds, ("V/2", "V/3")))


@pytest.mark.parametrize("name", mostly_slow(IN_SLOTS, "sinh", "accumulation, V/3"))
def test_slot_order_is_exact(name):
    """Anywhere in the range and against the bounds, with the very cycle noise and luck of the tile."""
    device = "soft bounds" if name in ("sinh", "threshold, V/3", "accumulation") else "constant"
    for kind, sigma in zip(INPUTS, (0.0, 0.3, 0.0, 0.3, 1.0), strict=True):
        sigma = 0.0 if "apart" in name else sigma  # there half pulses of row, column and neither draw from streams of their own
        tile = quiet_tile(device, SLOTS, MODELS[name], order="slot", dw_min=0.03, dw_min_std=sigma, fill=0.99)
        x, d = vectors(kind, seed=2)
        after = update(tile, x, d, 0.2, KEY)
        crossbar, sent = simulate(tile, x, d, 0.2, KEY)
        rounding = 4e-6 if tile.config.half_select.scheme == "V/3" else 1e-6  # once a pulse, of which there are 4 x 4 x 9 there
        np.testing.assert_allclose(after.weight, crossbar.weight, atol=rounding, rtol=0)
        check_counts(tile, after, crossbar, sent)


@pytest.mark.parametrize("name", mostly_slow(SUMMED, "ratio, apart, V/3"))
def test_aggregate_is_exact_for_constant_steps(name):
    """Away from bounds and without cycle noise; trains, and unit vectors all at once."""
    for kind in ("zeros", "one-hot"):
        tile = jt.count_pulses(quiet_tile("constant", SLOTS, MODELS[name], **AWAY))
        x, d = vectors(kind, seed=1)
        crossbar, sent = simulate(tile, x, d, 0.02, KEY)
        sendings = [x] if kind == "zeros" else [x, jt.UnitVectors(jnp.asarray(np.argmax(x, axis=1)), SHAPE[1])]
        for sending in sendings:
            after = update(tile, sending, d, 0.02, KEY)
            np.testing.assert_allclose(after.weight, crossbar.weight, atol=1e-6, rtol=0)
            check_counts(tile, after, crossbar, sent)
            each = after.tally.each
            for way in ("up", "down"):
                for counted in ("full", "half", "row", "column"):
                    assert np.array_equal(getattr(each, f"{counted}_{way}"), getattr(crossbar, counted)[way]), (counted, way)


@pytest.mark.parametrize("name", mostly_slow(["ratio, apart, V/3", "accumulation"], "accumulation"))
def test_counts_have_no_slots(name):
    for kind in INPUTS:
        x, d = vectors(kind, seed=5)
        tile = quiet_tile("soft bounds", jt.pulse.MeanCount(desired_bl=9), MODELS[name], order="slot")
        after = update(tile, x, d, 0.1, KEY)
        crossbar, sent = simulate(tile, x, d, 0.1, KEY)
        np.testing.assert_allclose(after.weight, crossbar.weight, atol=1e-6, rtol=0)
        check_counts(tile, after, crossbar, sent)


def test_aggregated_accumulation_is_off_by_the_half_pulses_of_a_slot():
    """Within a slot the counter goes up and down by two; the aggregate knows the net only."""
    half_select = Accumulation(dead_band=4.0, kappa=2.0)
    tile = quiet_tile("constant", SLOTS, half_select, **AWAY)
    x, d = vectors("signed", seed=3, k=12)
    after = update(tile, x, d, 0.02, KEY)
    crossbar, _ = simulate(tile, x, d, 0.02, KEY)
    off = np.abs(np.asarray(after.weight, np.float64) - crossbar.weight) / np.asarray(tile.cells.step_up)
    moved = np.abs(crossbar.weight - np.asarray(tile.weight)) / np.asarray(tile.cells.step_up)
    assert off.max() <= 2 / 2.0 + 0.05  # and the imbalance of up and down steps
    assert moved.max() > 5


def test_stochastic_half_pulses_are_binomial():
    shape = (60, 60)
    draws = Draws(jr.key(1), cell_index(60, jnp.arange(60), 60))
    count = jax.jit(lambda n, p: _binomial(jnp.full(shape, n), p, draws))
    for n, p in ((1.0, 0.3), (40.0, 0.1), (700.0, 0.02), (5.0, 1.0), (9.0, 0.0), (0.0, 0.5)):
        got = np.asarray(count(n, jnp.asarray(p))).ravel()
        assert_mean(got, n * p)
        assert_std(got, np.sqrt(n * p * (1 - p)))


def test_stochastic_spread():
    """A row line pulses 20 times, in a phase of either direction: of 20 half pulses each, 20 / kappa are steps."""
    shape, kappa, sigma = (1, 4000), 4.0, 0.5
    device = jt.device.ConstantStep(dw_min_std=sigma, dw_min_dtod=0, up_down_dtod=0, w_max=9, w_min=-9, w_max_dtod=0, w_min_dtod=0)
    for half_select in (Stochastic(kappa=kappa), Stochastic(kappa=kappa, phases="active")):
        tile = jt.init(jt.TileConfig(device=device, half_select=half_select), shape, key=KEY)
        on = jnp.ones((1, 20), bool)
        lines = jt.pulse.Trains.from_bits(jnp.zeros((shape[1], 20), bool), on, jnp.ones(shape[1], int), jnp.ones(1, int))
        steps = np.asarray(jt.send(tile, lines, key=KEY).weight, np.float64).ravel() / 1e-3
        both = 2 if half_select.phases == "all" else 1
        assert_mean(steps, 0.0 if both == 2 else -20 / kappa)
        assert_std(steps, np.sqrt(both * 20 / kappa * (1 - 1 / kappa + sigma**2)))


@pytest.mark.parametrize("scheme", ["V/2", "V/3"])
@pytest.mark.parametrize("phases", mostly_slow(["all", "active"], "active"))
def test_aggregated_stochastic_half_pulses_beside_coincidences(phases, scheme):
    """Trains with coincidences, sent with many keys: the simulator says what each cell sees, and so its mean and its spread."""
    kappa, sigma = 5.0, 0.3
    tile = quiet_tile("constant", SLOTS, Stochastic(kappa=kappa, phases=phases, scheme=scheme), **AWAY, dw_min_std=sigma)
    many = jax.jit(jax.vmap(lambda lines, key: jt.send(tile, lines, key=key).weight, in_axes=(None, 0)))
    for kind in ("signed", "one-signed x"):  # of which one leaves two phases inactive
        x, d = vectors(kind, seed=3, k=1)
        lines = lines_of(SLOTS, tile.device.granularity(), x[0], d[0], 0.02, KEY)
        crossbar = Crossbar(tile, lambda *_: 1 / kappa, phases, scheme)
        bits = (unpack(np.asarray(words), SLOTS.desired_bl) for words in (lines.x_words, lines.d_words))
        crossbar.send_trains(*bits, np.asarray(lines.x_sign), np.asarray(lines.d_sign), length=int(lines.length))
        assert sum(count.sum() for count in crossbar.full.values()) > 20
        variance = 0
        for way, step in (("up", tile.cells.step_up), ("down", tile.cells.step_down)):
            weak = crossbar.half[way] + crossbar.idle[way]
            steps = crossbar.full[way] * sigma**2 + weak / kappa * (1 - 1 / kappa + sigma**2)
            variance = variance + steps * np.asarray(step, np.float64) ** 2
        moved = np.asarray(many(lines, jr.split(KEY, 300)), np.float64) - np.asarray(tile.weight, np.float64)
        assert_mean(moved, crossbar.weight - np.asarray(tile.weight))
        assert_std(moved, np.sqrt(variance))


# Limits.


def symmetric(half_select, **config):
    device = jt.device.ConstantStep(dw_min_std=0.0, up_down_dtod=0.0, w_max=50, w_min=-50)
    return random_tile(jt.TileConfig(device=device, half_select=half_select, **config), fill=0.001)


IMMUNE = {
    "stochastic": Stochastic(kappa=np.inf),
    "sinh": Sinh(voltage=50.0, v_0=1.0),
    "threshold": Threshold(voltage=1.9, threshold_dtod=0.0),
    "accumulation": Accumulation(dead_band=1e4),
    "ratio, V/3": ConstantRatio(kappa=np.inf, scheme="V/3"),
}


@pytest.mark.parametrize("name", mostly_slow(IMMUNE, "stochastic"))
def test_immune_cells_see_nothing_but_full_pulses(name):
    x, d = vectors("zeros")
    chip = jt.TileConfig(half_select=IMMUNE[name])
    without, immune = (random_tile(config) for config in (jt.TileConfig(), chip))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), without.cells, immune.cells)
    np.testing.assert_allclose(update(immune, x, d, 0.1, KEY).weight, update(without, x, d, 0.1, KEY).weight, rtol=0, atol=1e-6)


def test_stochastic_at_kappa_1_is_a_full_step_each():
    x, d = vectors("signed")
    certain, ratio = (update(symmetric(kind(kappa=1.0)), x, d, 0.1, KEY).weight for kind in (Stochastic, ConstantRatio))
    np.testing.assert_allclose(certain, ratio, atol=1e-6)


GAINS = {
    "ratio, V/3": ConstantRatio(kappa=10.0, scheme="V/3"),
    "ratio, apart": ConstantRatio(kappa=10.0, row=0.5, column=4.0),
    "ratio, apart, V/3": ConstantRatio(kappa=10.0, row=0.5, column=4.0, scheme="V/3"),
    "sinh": Sinh(v_0=0.3),
    "sinh, V/3": Sinh(v_0=0.3, scheme="V/3"),
}


@pytest.mark.parametrize("name", mostly_slow(GAINS, "ratio, apart, V/3", "sinh"))
def test_gain_is_exact(name):
    """With all phases driven, equal steps up and down, no cycle noise and no bound touched."""
    half_select = GAINS[name]
    for kind in ("zeros", "both one-signed"):
        x, d = vectors(kind)
        start, disturbed = symmetric(None), symmetric(half_select)
        moved = np.asarray(update(start, x, d, 0.1, KEY).weight - start.weight)
        got = np.asarray(update(disturbed, x, d, 0.1, KEY).weight - start.weight)
        np.testing.assert_allclose(got, float(half_select.gain()) * moved, atol=2e-6)
        assert np.abs(moved).max() > 0.03


def test_sinh_law():
    """Both schemes from one device: kappa by the ratio of rates, V/3 far above V/2."""
    for kappa, third in ((10.0, 22.0), (100.0, 465.0), (1e3, 1.0e4), (1e4, 2.2e5)):
        u = 2 * np.arccosh(kappa / 2)
        two, three = (Sinh(voltage=u, v_0=1.0, scheme=scheme).kappa for scheme in ("V/2", "V/3"))
        assert float(two) == pytest.approx(np.sinh(u) / np.sinh(u / 2), rel=1e-5) == pytest.approx(kappa)
        assert float(three) == pytest.approx(np.sinh(u) / np.sinh(u / 3), rel=1e-5) == pytest.approx(third, rel=0.05)


# Fabrication.


@pytest.mark.parametrize(("scheme", "n"), [("V/2", 2), ("V/3", 3)])
def test_the_share_of_cells_above_their_threshold(scheme, n):
    for voltage in (1.25, 2.0):
        half_select = Threshold(voltage=voltage, scheme=scheme)
        cells = half_select.fabricate((200, 200), key=KEY)
        exposed = np.asarray(half_select.size(cells) > 0).ravel()
        assert_mean(exposed, (1 + erf((voltage / n - 1) / 0.26 / sqrt(2))) / 2)
        assert np.asarray(half_select.size(cells)).max() <= (1 + 1e-6) / n  # a share of two sums that are rounded


def test_spread_of_kappa():
    cells = np.log(np.asarray(ConstantRatio(kappa_dtod=0.4).fabricate((60, 60), key=KEY), np.float64)).ravel()
    assert_mean(cells, 0.0)
    assert_std(cells, 0.4)


# Use.


def test_models_cost_what_they_need():
    """No cells and no memory where nothing differs or is remembered."""
    for name, half_select in MODELS.items():
        cells, memory = half_select.fabricate((2, 3), key=KEY), half_select.start((2, 3))
        assert (cells is not None) == ("spread" in name or "threshold" in name)
        assert (memory is not None) == half_select.remembers == name.startswith("accumulation")


@pytest.mark.parametrize("name", mostly_slow(["threshold", "accumulation"], "accumulation"))
def test_programming_in_lanes(name):
    """Cells and memory go with the loop, a chip for each lane."""
    target = 0.1 * jr.normal(jr.key(8), SHAPE)
    config = jt.TileConfig(half_select=MODELS[name])

    def run(key):
        tile = jt.init(config, SHAPE, key=key)
        return jt.program(tile, target, jt.GDP(batch_size=3), key=key, max_steps=3, record=(), tolerance=0.0)

    keys = jr.split(KEY, 2)
    lanes = jax.jit(jax.vmap(run))(keys)
    assert lanes.weight.shape == (2, *SHAPE)
    assert np.all(np.asarray(lanes.stats["half_pulses"]) > 0)
    assert not np.array_equal(lanes.weight[0], lanes.weight[1])
    if name == "accumulation":
        assert np.any(np.asarray(lanes.tile.now.half_memory) != 0)


@pytest.mark.parametrize("name", mostly_slow(["ratio, apart, V/3", "sinh", "threshold", "stochastic", "accumulation"], "sinh"))
def test_mean_field_is_differentiable(name):
    x, d = vectors("zeros")

    @jax.jit
    @jax.grad
    def slope(half_select):
        tile = jt.init(jt.TileConfig(half_select=half_select, pulse=jt.pulse.MeanField()), SHAPE, key=KEY)
        return jnp.sum(jt.update(tile, x, d, learning_rate=0.1, key=KEY).weight ** 2)

    slopes = jax.tree.leaves(slope(MODELS[name]))
    assert all(bool(jnp.isfinite(leaf)) for leaf in slopes)
    assert all(float(leaf) != 0 for leaf in slopes)


def test_stochastic_mean_field_is_the_constant_ratio():
    x, d = vectors("signed")
    tiles = (symmetric(kind(kappa=10.0), pulse=jt.pulse.MeanField()) for kind in (Stochastic, ConstantRatio))
    expected, ratio = (update(tile, x, d, 0.1, KEY).weight for tile in tiles)
    np.testing.assert_allclose(expected, ratio, atol=1e-6)


def test_a_band_holds_what_is_driven_back_and_forth():
    """The line terms of all four phases cancel within every slot; only coincidences go one way, two half pulses against the cell."""
    x, d = np.ones((1, SHAPE[1]), np.float32), np.ones((1, SHAPE[0]), np.float32)
    start, held, free = (symmetric(model) for model in (None, Accumulation(dead_band=20.0, kappa=1.0), ConstantRatio(kappa=1.0)))
    full, banded, ratio = (np.asarray(update(tile, x, d, 5e-3, KEY).weight - start.weight) for tile in (start, held, free))
    np.testing.assert_allclose(banded, full, atol=1e-6)  # 5 coincidences, 10 half pulses
    np.testing.assert_allclose(ratio, -full, atol=1e-6)


def test_fractions_of_a_traced_band_are_cut_off():
    x, d = vectors("signed")

    def after(dead_band):
        return update(symmetric(Accumulation(dead_band=dead_band, kappa=1.0)), x, d, 0.02, KEY).weight

    two, three = after(2.0), after(3.0)
    np.testing.assert_allclose(jax.jit(after)(2.9), two, atol=1e-7)
    assert np.max(np.abs(three - two)) > 1e-4


def test_replacing_numbers_keeps_the_chip():
    """Draws of fabrication are the tile's; the numbers that act later are the configuration's."""
    model = partial(dataclasses.replace, MODELS["threshold"])
    one, two = (jt.init(jt.TileConfig(half_select=model(voltage=v)), (3, 4), key=KEY) for v in (1.0, 2.0))
    assert np.array_equal(one.chip.half_cells, two.chip.half_cells)
