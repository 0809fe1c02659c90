"""`update` against the plain NumPy simulator: counts bit by bit, weights to 1e-6."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import (
    COUNT_PULSES,
    DEVICES,
    INPUTS,
    SHAPE,
    TRAIN_PULSES,
    lines_of,
    make_tile,
    mostly_slow,
    ratio,
    update,
    update_as_users_do,
    vectors,
)
from reference.simulator import Crossbar, disturb_of, unpack

import jaxtile as jt
from jaxtile._random import Draws, Source, cell_index, stream
from jaxtile.half_select.phases import exposure

KAPPAS = (1.0, 10.0, 1e3, np.inf)
POLICIES = ("all", "active")
KEY = jr.key(7)
exposure_of = jax.jit(exposure, static_argnames="skip_inactive")


quiet_tile = partial(make_tile, dw_min_std=0.0)


def simulate(tile: jt.Tile, x, d, learning_rate: float, key) -> tuple[Crossbar, list]:
    """Send a batch to the simulator: the very lines, and the very cycle noise, that `update` draws."""
    half_select, sent = tile.config.half_select, []
    law = () if half_select is None else (disturb_of(half_select, tile.chip.half_cells), half_select.phases, half_select.scheme)
    crossbar = Crossbar(tile, *law)
    for v in range(x.shape[0]):
        vector_key = stream(key, v)
        lines = lines_of(tile.config.pulse, tile.device.granularity(), x[v], d[v], learning_rate, vector_key)
        sent.append(lines)
        signs = np.asarray(lines.x_sign), np.asarray(lines.d_sign)
        assert np.array_equal(signs[0], np.sign(x[v]))
        assert np.array_equal(signs[1], np.sign(d[v]))
        if isinstance(lines, jt.pulse.Trains):
            bits = unpack(np.asarray(lines.x_words), lines.n_slots), unpack(np.asarray(lines.d_words), lines.n_slots)
            crossbar.send_trains(*bits, *signs, *normals_of(tile, vector_key), chances_of(tile, vector_key), int(lines.length))
        else:
            counts = (np.asarray(c) for c in (lines.x_count, lines.d_count, lines.coincidence))
            crossbar.send_counts(*counts, *signs, int(lines.length))
    return crossbar, sent


def normals_of(tile: jt.Tile, vector_key):
    """The cycle noise of `order="slot"`: one normal for each cell, slot and, for half pulses, sub-phase."""
    if float(tile.device.dw_min_std) == 0:
        return None, None
    full_xi, half_xi = (np.asarray(xi) for xi in _normals(vector_key, tile.config.pulse.desired_bl))
    return lambda t: full_xi[t], lambda t, p: half_xi[4 * t + p]


def chances_of(tile: jt.Tile, vector_key):
    """The numbers by which stochastic half pulses are decided: one for each cell, slot, sub-phase and direction."""
    if not isinstance(tile.config.half_select, jt.half_select.Stochastic):
        return None
    up, down = (np.asarray(u) for u in _chances(vector_key, tile.config.pulse.desired_bl))
    return lambda t, p, way: (up if way == "up" else down)[4 * t + p]


@partial(jax.jit, static_argnums=1)
def _chances(vector_key, slots: int):
    half = Draws(stream(vector_key, Source.HALF), cell_index(SHAPE[0], jnp.arange(SHAPE[1]), SHAPE[1]))

    def draw(tag):
        return [half.fold(tag).fold(Source.CHANCE).fold(way).uniform(jnp.float32) for way in (0, 1)]

    return jax.vmap(draw)(jnp.arange(4 * slots))


@partial(jax.jit, static_argnums=1)
def _normals(vector_key, slots: int):
    index = cell_index(SHAPE[0], jnp.arange(SHAPE[1]), SHAPE[1])
    cycle, half = (Draws(stream(vector_key, source), index) for source in (Source.CYCLE, Source.HALF))
    draw = jax.vmap(lambda draws, tag: draws.fold(tag).normal(jnp.float32), in_axes=(None, 0))
    return draw(cycle, jnp.arange(slots)), draw(half, jnp.arange(4 * slots))


def check_counts(tile: jt.Tile, after: jt.Tile, crossbar: Crossbar, sent: list) -> None:
    """The tile's mean counts, and the sums of `exposure`, are those of the simulator exactly."""
    full, half = (sum(count.values()) for count in (crossbar.full, crossbar.half))
    assert float(after.full_pulses) == pytest.approx(full.mean(), rel=1e-5)
    assert float(after.half_pulses) == pytest.approx(half.mean(), rel=1e-5)
    both = {"up": 0, "down": 0}
    disturbed = {"up": 0, "down": 0}
    policy = tile.config.half_select.phases
    for lines in sent:
        seen = exposure_of(lines, skip_inactive=policy == "active")
        for way in ("up", "down"):
            both[way] = both[way] + np.asarray(getattr(seen, way).full)
            disturbed[way] = disturbed[way] + np.asarray(getattr(seen, way).half)
    for way in ("up", "down"):
        assert np.array_equal(both[way], crossbar.full[way])
        assert np.array_equal(disturbed[way], crossbar.half[way])


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("policy", mostly_slow(POLICIES, "active"))
def test_constant_step_in_one_go(policy, kind):
    """The default mode, away from bounds: exact, whatever kappa is."""
    x, d = vectors(kind, seed=1)
    for kappa in KAPPAS:
        tile = quiet_tile(
            "constant", jt.pulse.StochasticCompressed(), ratio(kappa, policy), dw_min=1e-3, w_max=50, w_min=-50, fill=0.01
        )
        after = update_as_users_do(tile, x, d, 0.02, KEY)
        crossbar, sent = simulate(tile, x, d, 0.02, KEY)
        assert crossbar.full["up"].sum() + crossbar.full["down"].sum() > 50
        np.testing.assert_allclose(after.weight, crossbar.weight, atol=1e-6, rtol=0)
        check_counts(tile, after, crossbar, sent)


def fades(tile: jt.Tile) -> bool:
    """True if nominal steps are much smaller at a bound, in either direction, than at zero."""
    device = tile.device
    cells = device.fabricate((1, 1), key=None)

    def size(at, up):
        return float(device.step(cells, at, up=up)[0][0, 0])

    nowhere = jnp.zeros((1, 1))
    return any(size(bound, up) < 0.4 * size(nowhere, up) for bound, up in ((cells.w_max, True), (cells.w_min, False)))


# Each structure is compiled once, so devices take turns with the policies; the counts do not depend on the device.
IN_SLOTS = [("constant", "active"), *((device, POLICIES[n % 2]) for n, device in enumerate(DEVICES))]


@pytest.mark.parametrize(("device", "policy"), mostly_slow(IN_SLOTS, ("exp", "all")))
def test_slot_order_is_exact(device, policy):
    """Every device, anywhere in its range and against its bounds, with the very cycle noise of the tile."""
    clips = 0
    for kind, kappa, sigma in zip(INPUTS, (3.0, 1.0, 10.0, 3.0, 1.5), (0.0, 0.3, 0.0, 0.3, 1.0), strict=True):
        pulse = jt.pulse.StochasticCompressed()
        tile = make_tile(device, pulse, ratio(kappa, policy), order="slot", dw_min_std=sigma, dw_min=0.03, fill=0.99)
        x, d = vectors(kind, seed=2)
        after = update(tile, x, d, 0.3, KEY)
        crossbar, sent = simulate(tile, x, d, 0.3, KEY)
        np.testing.assert_allclose(after.weight, crossbar.weight, atol=1e-6, rtol=0)
        check_counts(tile, after, crossbar, sent)
        clips += crossbar.clips
    # Without cells at their bounds this would not judge the clip after each pulse. Some steps (nearly) vanish before them.
    assert clips > 0 or fades(tile)


@pytest.mark.parametrize("order", mostly_slow(["aggregate", "slot", "batch"], "aggregate", "batch"))
def test_long_trains_take_several_words(order):
    pulse = jt.pulse.StochasticCompressed(desired_bl=70)
    tile = quiet_tile("constant", pulse, ratio(10.0), order=order, dw_min=1e-4, w_max=50, w_min=-50, fill=0.001)
    x, d = vectors("zeros", seed=3)
    after = update(tile, x, d, 0.02, KEY)
    crossbar, sent = simulate(tile, x, d, 0.02, KEY)
    assert sent[0].x_words.shape[1] == 3
    assert max(int(np.max(np.asarray(lines.coincidences()))) for lines in sent) > 32
    pulses = np.max(sum(crossbar.full.values()) + sum(crossbar.half.values()))
    rounding = pulses * np.spacing(np.abs(crossbar.weight).max().astype(np.float32)) / 2  # of as many sums, one after another
    assert rounding < 1e-5
    np.testing.assert_allclose(after.weight, crossbar.weight, atol=rounding, rtol=0)
    check_counts(tile, after, crossbar, sent)


@pytest.mark.parametrize("name", TRAIN_PULSES)
def test_without_half_selection(name):
    tile = quiet_tile("constant", TRAIN_PULSES[name](), dw_min=1e-3, w_max=50, w_min=-50, fill=0.01)
    x, d = vectors("zeros", seed=4)
    after = update(tile, x, d, 0.02, KEY)
    crossbar, _ = simulate(tile, x, d, 0.02, KEY)
    np.testing.assert_allclose(after.weight, crossbar.weight, atol=1e-6, rtol=0)
    assert float(after.full_pulses) == pytest.approx(sum(crossbar.full.values()).mean(), rel=1e-6)
    assert float(after.half_pulses) == 0


COUNTS = [
    ("mean count", "constant", "all"),
    ("mean count", "soft bounds", "active"),
    ("implicit", "constant", "active"),
    ("implicit", "soft bounds", "all"),
]


@pytest.mark.parametrize(("name", "device", "policy"), mostly_slow(COUNTS, COUNTS[1], COUNTS[2]))
def test_counts_have_no_slots(name, device, policy):
    """Mean count and deterministic implicit: full pulses first, then half pulses phase by phase."""
    numbers = {"dw_min": 1e-3, "w_max": 50, "w_min": -50, "fill": 0.01} if device == "constant" else {"order": "slot"}
    for kind in INPUTS:
        x, d = vectors(kind, seed=5)
        tile = quiet_tile(device, COUNT_PULSES[name](), ratio(10.0, policy), **numbers)
        rate = 20 * float(tile.device.dw_min)
        after = update(tile, x, d, rate, KEY)
        crossbar, sent = simulate(tile, x, d, rate, KEY)
        np.testing.assert_allclose(after.weight, crossbar.weight, atol=1e-6, rtol=0)
        check_counts(tile, after, crossbar, sent)
