"""Buffers, signs, references and sums of algorithms, beside NumPy and closed forms; `tests/bridge` has them beside aihwkit."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_mean, mostly_slow
from reference.transfers import Array, chopped, mixed_precision

import jaxtile as jt
from jaxtile.device import ConstantStep, OneSided, Refresh, SoftBounds, Vector
from jaxtile.learning import BufferedTransfer, ChoppedTransfer, DynamicTransfer, Lines, MixedPrecision

OUT, WIDTH, VECTORS, RATE = 4, 3, 90, 0.173
G = 0.0137
KEY = jr.key(0)
PERFECT = jt.IOParameters(is_perfect=True)
COUNTS = jt.pulse.DeterministicImplicit()
ONE = jt.pulse.DeterministicImplicit(desired_bl=1, update_management=False, update_bl_management=False)
QUIET = ("dw_min_dtod", "up_down_dtod", "w_max_dtod", "w_min_dtod", "dw_min_std")
STEP = ConstantStep(**dict.fromkeys(QUIET, 0.0) | {"dw_min": G, "w_max": 2.0, "w_min": -2.0})
OWN = {"fast_lr": 0.0513, "scale_fast_lr": False, "units_in_mbatch": False, "transfer_forward": PERFECT, "transfer_update": ONE}
ALGORITHMS = {
    "buffered": lambda **own: BufferedTransfer((STEP, STEP), **OWN | {"transfer_lr": 17.13} | own),
    "chopped": lambda **own: ChoppedTransfer((STEP, STEP), **OWN | {"transfer_lr": 1.713, "in_chop_random": False} | own),
    "dynamic": lambda **own: DynamicTransfer((STEP, STEP), **OWN | {"transfer_lr": 1.713, "in_chop_prob": 0.31} | own),
    "mixed": lambda **own: MixedPrecision(STEP, **own),
}


def tile_of(device, **config):
    return jt.init(jt.TileConfig(device, COUNTS, **config), (OUT, WIDTH), key=KEY)


@jax.jit
def update(tile, x, d):
    return jt.update(tile, x, d, learning_rate=RATE, key=jr.key(1))


def batch(n=VECTORS):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (n, WIDTH)), rng.uniform(-1, 1, (n, OUT)) + 0.3


@pytest.mark.parametrize("name", mostly_slow(("chopped", "dynamic"), "dynamic"))
def test_signs_buffers_and_references(name):
    x, d = batch()
    after = update(tile_of(ALGORITHMS[name](auto_granularity=7.3)), x, d)
    fast, slow = Array((OUT, WIDTH), G, 2.0), Array((OUT, WIDTH), G, 2.0)
    chance = {"chopped": 0.1, "dynamic": 0.31}[name]
    scale = 1.713 * RATE / (G * 7.3 / WIDTH)
    buffer = chopped(fast, slow, x, d, fast_lr=0.0513, scale=scale, period=max(np.ceil(1 / chance), 2), dynamic=name == "dynamic")
    np.testing.assert_allclose(after.state.devices[0], fast.weight, atol=3e-6)
    np.testing.assert_allclose(after.weight, slow.weight, atol=1e-6)
    np.testing.assert_allclose(after.state.memory.buffer.T, buffer, atol=2e-5)
    assert np.count_nonzero(slow.weight) > 5


def test_a_sum_is_written_in_whole_steps():
    x, d = batch()
    tile = tile_of(MixedPrecision(STEP, n_rows_per_transfer=3))
    written = Array((OUT, WIDTH), G, 2.0)
    step = jax.jit(lambda tile, x, d: jt.update(tile, x, d, learning_rate=0.0173, key=KEY))
    for part_x, part_d in zip(x.reshape(30, 3, WIDTH), d.reshape(30, 3, OUT), strict=True):
        tile = step(tile, part_x, part_d)
    chi = mixed_precision(written, x, d, 0.0173, batch=3, rows=3)
    np.testing.assert_allclose(tile.weight, written.weight, atol=1e-6)
    np.testing.assert_allclose(tile.state.chi, chi, atol=1e-6)
    assert np.count_nonzero(tile.weight) > 8


@pytest.mark.parametrize("name", mostly_slow(ALGORITHMS, "dynamic"))
def test_a_new_weight_forgets(name):
    """Buffers, means, signs and sums of earlier training, which aihwkit keeps but for the last."""
    after = update(tile_of(ALGORITHMS[name]()), *batch(20))
    tile = jt.set_weights(after, jnp.full((OUT, WIDTH), 0.1))
    np.testing.assert_allclose(tile.weight, 0.1, rtol=1e-6)
    fresh = jt.set_weights(tile_of(ALGORITHMS[name]()), jnp.full((OUT, WIDTH), 0.1))
    jax.tree.map(np.testing.assert_array_equal, tile.state, fresh.state)


def test_a_fast_array_counts_with_its_signs_undone():
    cell = ChoppedTransfer((STEP, STEP), gamma=0.5)
    state = cell.start((OUT, WIDTH))
    lines, across = jnp.array([True, False, False]), jnp.array([False, True, False, True])
    memory = dataclasses.replace(state.memory, lines=lines, across=across)
    fast, slow = jr.normal(KEY, (2, OUT, WIDTH))
    state = dataclasses.replace(state, devices=(fast, slow), memory=memory)
    signs = np.outer([1, -1, 1, -1], [-1, 1, 1])
    np.testing.assert_allclose(cell.weight(state), slow + 0.5 * signs * fast, rtol=1e-6)


def test_a_negative_period_is_counted_in_states():
    """A tenth of 146 states, for three columns; and the first array alone is read."""
    cell = ALGORITHMS["chopped"](transfer_every=-0.1)
    assert int(cell.every(0, (WIDTH, OUT), 5)) == round(4 / G * 0.1 / 3)
    assert len(cell.routines) == 2


def test_signs_turn_by_chance_or_together():
    cell = ChoppedTransfer((STEP, STEP), in_chop_prob=0.3, out_chop_prob=0.2)
    lines = Lines(0, jnp.array([WIDTH - 1]), jnp.zeros((1, OUT)), jnp.asarray(1.0), (WIDTH, OUT))
    memory = jax.vmap(lambda key: cell.carry(cell.remember((WIDTH, OUT)), lines, key=key)[0])(jr.split(KEY, 2000))
    assert_mean(np.asarray(memory.lines[:, -1], float), 0.3)
    assert_mean(np.asarray(memory.across[:, 0], float), 0.2)
    assert not np.any(memory.lines[:, :-1])
    never = ChoppedTransfer((STEP, STEP), in_chop_prob=0.0, in_chop_random=False)
    assert not bool(never.ends_period(never.remember((WIDTH, OUT))))


def test_the_first_rate_follows_the_largest_entries():
    cell = ChoppedTransfer((STEP, STEP), auto_scale=True, fast_lr=0.5, auto_momentum=0.9)
    memory = cell.remember((WIDTH, OUT))
    rates = []
    for largest in (2.0, 1.0):
        vector = Vector(jnp.array([largest, 0.0, 0.1]), jnp.array([0.0, -0.5, 0.1, 0.0]), jnp.asarray(0.1), 2, COUNTS)
        memory, sent = cell.send(memory, vector)
        rates.append(float(sent.learning_rate))
    np.testing.assert_allclose(rates, [0.5 * 31 * G / (m * 0.5) for m in (2.0, 0.95 * 2.0 + 0.05)], rtol=1e-5)


def test_one_vector_alone_is_rounded():
    """aihwkit writes beyond its array where only one of the two has levels."""
    cell = MixedPrecision(STEP, n_x_bins=4, stoc_round_x=False)
    vector = Vector(jnp.array([1.0, 0.3, -0.2]), jnp.array([0.5, 0.1, 0.0, -0.3]), jnp.asarray(0.1), 1, COUNTS)
    state, sent = cell.routines[0].before(cell, None, cell.start((OUT, WIDTH)), vector, key=KEY)
    assert sent is None
    np.testing.assert_allclose(state.chi, 0.1 * np.outer(vector.d, [1.0, 0.5, 0.0]), rtol=1e-6)
    drawn = MixedPrecision(STEP, n_x_bins=4)
    chi = jax.vmap(lambda key: drawn.routines[0].before(drawn, None, drawn.start((OUT, WIDTH)), vector, key=key)[0].chi)(
        jr.split(KEY, 2000)
    )
    assert_mean(np.asarray(chi[:, 0]), 0.1 * 0.5 * np.asarray(vector.x))


def test_mixed_precision_writes_pairs_that_are_refreshed():
    """The routines of the device inside act between the rows that are written."""
    pair = OneSided(SoftBounds(dw_min=0.02, w_min=0.0), refresh=Refresh(forward=PERFECT))
    tile = jt.init(jt.TileConfig(MixedPrecision(pair)), (2, 3), key=KEY)
    for n in range(3):
        tile = jt.update(tile, np.ones((2, 3)), -np.ones((2, 2)), learning_rate=0.1, key=jr.key(n))
    assert int(tile.state.device.turn) == 4
    assert np.all(np.asarray(tile.weight) > 0.1)


@pytest.mark.slow
def test_several_steps_of_a_buffer_are_written_on_average():
    """Trains that are managed write three steps as three pulses; others as BL q min(3 q, 1), where q is the root of 1 / BL."""
    column, n = jnp.array([0.0, 1.0, 0.0]), jnp.array([0.0, -3.0, 1.0, 0.0])

    def written(key, managed):
        pulse = jt.pulse.StochasticCompressed(desired_bl=3, update_bl_management=False, update_management=managed)
        return pulse.encode(column, n, learning_rate=G, granularity=G, key=key).coincidences()[:, 1]

    for managed, mean in ((True, 3.0), (False, 3.0**0.5)):
        sent = jax.vmap(partial(written, managed=managed))(jr.split(KEY, 500))
        assert_mean(np.asarray(sent[:, 1], float), mean)
        assert_mean(np.asarray(sent[:, 2], float), 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["buffered", "chopped", "dynamic"])
def test_in_one_pass_transfers_come_at_the_end(name):
    """Of a batch that one transfer ends the order changes nothing but the pass."""
    x, d = batch(6)
    states = []
    for order in ("aggregate", "batch"):
        one = dataclasses.replace(STEP, order=order)
        tile = tile_of(dataclasses.replace(ALGORITHMS[name](units_in_mbatch=True), devices=(one, one)))
        for _ in range(4):
            tile = update(tile, x, d)
        states.append(tile.state)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), *states)
    assert np.count_nonzero(states[0].devices[0]) > 6


@pytest.mark.parametrize("order", mostly_slow(("aggregate", "batch"), "batch"))
def test_a_sum_in_one_pass_holds_the_whole_batch(order):
    """Its transfer comes with the first vector of a batch, and in one pass after all of them."""
    x, d = batch()
    tile = tile_of(MixedPrecision(dataclasses.replace(STEP, order=order), n_rows_per_transfer=3))
    for part_x, part_d in zip(x.reshape(-1, 6, WIDTH), d.reshape(-1, 6, OUT), strict=True):
        tile = update(tile, part_x, part_d)
    ends = {}
    for together in (False, True):
        written = Array((OUT, WIDTH), G, 2.0)
        ends[together] = (mixed_precision(written, x, d, RATE, batch=6, rows=3, together=together), written.weight)
    chi, weight = ends[order == "batch"]
    np.testing.assert_allclose(tile.state.chi, chi, atol=2e-6)
    np.testing.assert_allclose(tile.weight, weight, atol=2e-6)
    assert np.max(np.abs(ends[True][1] - ends[False][1])) > 5 * G


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ChoppedTransfer(3 * (STEP,)), "holds 3 devices"),
        (lambda: ChoppedTransfer(n_reads_per_transfer=2), "reads one line a transfer"),
        (lambda: DynamicTransfer(no_self_transfer=False), "no_self_transfer"),
        (lambda: DynamicTransfer(in_chop_prob=0.0), "in_chop_prob=0 is out of range"),
        (lambda: BufferedTransfer(thres_scale=0.0), "thres_scale=0 is out of range"),
        (lambda: BufferedTransfer(transfer_every_vec=[1.0, 1.0]), "end transfer_every_vec in 0"),
        (lambda: MixedPrecision(n_rows_per_transfer=0), "n_rows_per_transfer=0"),
        (lambda: MixedPrecision(n_x_bins=1), "n_x_bins=1"),
        (lambda: MixedPrecision(ChoppedTransfer()), "an algorithm of its own"),
        (lambda: jt.TileConfig(MixedPrecision(), jt.pulse.NoneWithDevice()), "NoneWithDevice"),
        (lambda: jt.learning.build("ttv9", STEP), "algorithm='ttv9' is unknown"),
        (lambda: jt.learning.build("sgd", STEP, gamma=1.0), "has no gamma"),
        (lambda: jt.learning.preset("agad", "pcm"), "device='pcm' has no preset"),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_bad_numbers_are_refused_by_name(build, words):
    with pytest.raises((TypeError, ValueError), match=words):
        build()
