"""`order="batch"`: all vectors of a call in one pass over the cells.

Constant steps away from bounds give the numbers of vector by vector, whose judge is `reference`. Elsewhere the error is bounded.
"""

import itertools
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
    STATE_DEPENDENT,
    assert_same_moments,
    lines_of,
    make_tile,
    mostly_slow,
    ratio,
    update,
    vectors,
)

import jaxtile as jt
from jaxtile.pulse.coincidences import _by_products, _by_slots, _by_words

KEY = jr.key(7)
ORDERS = ("aggregate", "batch")
AWAY = {"dw_min": 1e-3, "dw_min_std": 0.0, "up_down": 0.3, "w_max": 50, "w_min": -50, "fill": 0.01}
HALF = {
    "without": None,
    "all phases": ratio(7.0),
    "active phases, V/3": jt.half_select.ConstantRatio(kappa=7.0, row=0.5, up=1.5, scheme="V/3", phases="active"),
}
CASES = list(itertools.product(PULSES, HALF))


@pytest.mark.parametrize(("pulse", "half"), mostly_slow(CASES, ("compressed", "active phases, V/3"), ("mean count", "all phases")))
def test_constant_steps_are_those_of_vector_by_vector(pulse, half):
    """Also where steps up and down differ; and so is every count of pulses."""
    tiles = [jt.count_pulses(make_tile("constant", PULSES[pulse](), HALF[half], order=order, **AWAY)) for order in ORDERS]
    for kind in INPUTS:
        x, d = vectors(kind, seed=1)
        apart, together = (update(tile, x, d, 0.02, KEY) for tile in tiles)
        assert float(together.full_pulses) > 0.5
        np.testing.assert_allclose(together.weight, apart.weight, atol=1e-6, rtol=0)
        for one, other in zip(*(jax.tree.leaves(tile.tally) for tile in (apart, together)), strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(("slots", "k"), [(7, 40), (31, 5), (70, 5)])
def test_words_and_products_count_the_same(slots, k):
    """On a processor, by vectors or by slots, and on an accelerator; beside NumPy."""
    x, d = vectors("zeros", k=k)
    pulse = jt.pulse.StochasticCompressed(desired_bl=slots, update_bl_management=False)
    lines = [lines_of(pulse, 0.01, *pair, 0.5, jr.key(v)) for v, pair in enumerate(zip(x, d, strict=True))]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *lines)
    both = sum(np.asarray(one.coincidences()) * (np.asarray(one.directions()) != 0) for one in lines)
    net = sum(np.asarray(one.coincidences()) * np.asarray(one.directions()) for one in lines)
    assert both.max() > slots / 2
    in_slots = jax.jit(partial(_by_slots, longest=jnp.asarray(slots)))(stacked)
    for words in (jax.jit(_by_words)(stacked), jax.jit(_by_products)(stacked), in_slots):
        assert np.array_equal(words & 0xFFFF, (both - net) // 2)
        assert np.array_equal(words >> 16, (both + net) // 2)


@pytest.mark.parametrize("device", mostly_slow(DEVICES, "pow"))
def test_one_vector_and_unit_vectors_are_those_of_the_default(device):
    """Of one vector there is nothing to sum, and each unit vector drives a column of its own."""
    by_default, together = (make_tile(device, jt.pulse.StochasticCompressed(), order=order) for order in ORDERS)
    x, d = vectors("signed")
    for one, pair in ((x[0], d[0]), (jt.UnitVectors(jnp.arange(4), 7), d)):
        assert np.array_equal(update(by_default, one, pair, 0.1, KEY).weight, update(together, one, pair, 0.1, KEY).weight)


@pytest.mark.parametrize("device", mostly_slow(STATE_DEPENDENT, "pow, reference"))
def test_the_error_is_bounded_by_the_pulses_of_a_cell(device):
    """With N pulses of at most s, whose size changes by at most L of a change of the weight: L s N^2.

    Either order stays within N s of the start, so that a step is off by at most L N s from that at the start.
    """
    apart, together = (
        jt.count_pulses(make_tile(device, jt.pulse.StochasticCompressed(), order=order, dw_min=1e-3, dw_min_std=0.0, fill=0.5))
        for order in ORDERS
    )
    x, d = vectors("zeros", seed=3, k=16)
    one, other = (update(tile, x, d, 5e-3, KEY) for tile in (apart, together))
    n = np.asarray(other.tally.each.full_up + other.tally.each.full_down)
    start = np.asarray(apart.weight)
    largest = max(float(jnp.max(jnp.abs(apart.device.step(apart.cells, apart.weight, up=up)[0]))) for up in (True, False))
    reach = 1.5 * float(n.max()) * max(2e-3, largest)  # a table has steps of its own
    size, slope = np.zeros(2)
    for place, up in itertools.product(np.linspace(-reach, reach, 9), (True, False)):
        step, change = jax.jvp(
            lambda w, up=up: apart.device.step(apart.cells, w, up=up)[0], (start + place,), (np.ones_like(start),)
        )
        size, slope = np.maximum(size, np.abs(step)), np.maximum(slope, np.abs(change))
    assert n.mean() > 2
    error = np.abs(np.asarray(other.weight, np.float64) - np.asarray(one.weight))
    assert np.all(error <= slope * size * n**2 + 1e-6)
    assert np.any(np.asarray(one.weight) != start)


@pytest.mark.parametrize("device", mostly_slow(DEVICES, "soft bounds"))
def test_moments_are_those_of_vector_by_vector(device):
    """Mean, spread and covariance of two cells over 400 calls of eight vectors, with cycle noise of a step."""
    x, d = vectors("signed", seed=4, k=8)

    def ends(order):
        tile = make_tile(device, jt.pulse.StochasticCompressed(), ratio(20.0), order=order, dw_min=1e-3, dw_min_std=1.0, fill=0.5)
        runs = jax.vmap(lambda key: update(tile, x, d, 2e-3, key).weight)(jr.split(jr.key(3), 400))
        return {cell: np.asarray(runs[:, *cell]) for cell in ((0, 0), (0, 3), (3, 4))}

    # Both have the same trains for the same key: independent keys, as the test takes them, would only differ by more.
    assert_same_moments(*map(ends, ORDERS))


def test_what_acts_between_vectors_is_refused_by_name():
    step = jt.device.ConstantStep(order="batch")
    for policy in (jt.device.SingleSequential(), jt.device.SingleRandom()):
        with pytest.raises(ValueError, match=rf"{type(policy).__name__}.*order='aggregate'"):
            jt.TileConfig(device=jt.device.VectorCell((step, step), update_policy=policy))
    with pytest.raises(ValueError, match="order='batch' and of order='aggregate'"):
        jt.device.VectorCell((step, jt.device.ConstantStep()))


def test_a_step_is_lowered_for_accelerators_without_a_callback():
    tile = make_tile("soft bounds", jt.pulse.StochasticCompressed(), ratio(20.0), order="batch")
    arrays, rebuild = jax.tree.flatten(tile)

    def step(arrays, x, d, key):
        return jt.update(rebuild.unflatten(arrays), x, d, learning_rate=0.1, key=key).weight

    x, d = vectors("signed")
    exported = jax.export.export(jax.jit(step), platforms=("cpu", "cuda", "tpu"))(arrays, x, d, jr.key_data(jr.key(0)))
    calls = [line for line in exported.mlir_module().splitlines() if "custom_call" in line]
    assert not [line for line in calls if "callback" in line.split("loc(")[0]]


PLAIN = {name: value for name, value in AWAY.items() if name != "fill"}
REFRESH = jt.device.Refresh(upper_thres=0.002, lower_thres=0.0005, forward=jt.IOParameters(is_perfect=True))
AROUND = {
    "reference": lambda step: jt.device.ReferenceCell((step, step)),
    "vector": lambda step: jt.device.VectorCell((step, step), gamma_vec=[1.0, 0.5]),
    "one-sided, refreshed": lambda step: jt.device.OneSided(step, refresh=REFRESH),
    "drifting, write noise": lambda step: jt.device.Drifting(jt.device.WriteNoise(step), nu=0.1),
}


@pytest.mark.parametrize("name", mostly_slow(AROUND, "one-sided, refreshed"))
def test_what_is_around_devices_is_that_of_vector_by_vector(name):
    """Also a routine that acts at the end of a batch anyway; `before` is as often called, and its keys are the same."""
    x, d = vectors("signed", seed=5, k=8)
    tiles = []
    for order in ORDERS:
        device = AROUND[name](jt.device.ConstantStep(order=order, **PLAIN))
        tile = jt.init(jt.TileConfig(device=device, half_select=ratio(9.0)), SHAPE, key=jr.key(0))
        tiles.append(update(tile, x, d, 0.02, KEY))
    assert np.ptp(np.asarray(tiles[0].weight)) > 0.01
    for one, other in zip(*(jax.tree.leaves((tile.state, tile.tally)) for tile in tiles), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=2e-5)
