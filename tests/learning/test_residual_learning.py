"""Residual learning, its warm start, and E-RIDER, beside NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_mean, mostly_slow
from reference.transfers import Array, e_rider, transfer

import jaxtile as jt
from jaxtile.device import ConstantStep
from jaxtile.learning import ERider, Lines, ResidualLearning, Tracking, has_plateau, next_stage

OUT, WIDTH, VECTORS, RATE, G = 4, 3, 90, 0.173, 0.0137
KEY, COUNTS = jr.key(0), jt.pulse.DeterministicImplicit()
QUIET = dict.fromkeys(("dw_min_dtod", "up_down_dtod", "w_max_dtod", "w_min_dtod", "dw_min_std"), 0.0)
STEP = ConstantStep(**QUIET, dw_min=G, w_max=2.0, w_min=-2.0)
OWN = {"fast_lr": 0.0513, "scale_fast_lr": False, "units_in_mbatch": False, "transfer_update": COUNTS}
OWN |= {"transfer_forward": jt.IOParameters(is_perfect=True)}


@jax.jit
def update(tile, x, d):
    return jt.update(tile, x, d, learning_rate=RATE, key=jr.key(1))


def start(device):
    return jt.init(jt.TileConfig(device, COUNTS), (OUT, WIDTH), key=KEY)


def vectors():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (VECTORS, WIDTH)), rng.uniform(-1, 1, (VECTORS, OUT)) + 0.3


def test_a_warm_start_begins_with_the_last_array():
    """Thirty vectors in each of two stages, and thirty with each array read into the next."""
    x, d = vectors()
    device = ResidualLearning(3 * (STEP,), gamma=0.3, transfer_every_vec=[2.0, 7.0, 0.0], transfer_lr=1.713, **OWN)
    tile, moved = start(device), []
    for part in range(3):
        tile = update(tile, x[30 * part : 30 * part + 30], d[30 * part : 30 * part + 30])
        moved.append([np.any(array) for array in tile.state.devices])
        tile = next_stage({"tiles": [tile]})["tiles"][0]
    arrays = [Array((OUT, WIDTH), G, 2.0) for _ in range(3)]
    stages = {0: [(0, 2)], 1: [(0, 1)], 2: [(0, 1), (1, 2)]}
    transfer(arrays, x, d, RATE, fast_lr=0.0513, transfer_lr=1.713, every=[2, 7], routes=lambda v: stages[(v - 1) // 30])
    for ours, theirs in zip(tile.state.devices, arrays, strict=True):
        np.testing.assert_allclose(ours, theirs.weight, atol=3e-6)
    assert moved == [[True, False, True], [True, True, True], [True, True, True]]
    assert int(tile.state.memory) == 2
    a, b, c = tile.state.devices
    np.testing.assert_allclose(tile.weight, 0.09 * a + 0.3 * b + c, atol=1e-6)


def test_without_a_warm_start_it_is_a_transfer():
    device = ResidualLearning(3 * (STEP,), gamma=0.3, warm_start=False, **OWN)
    assert device.routines == jt.learning.Transfer(3 * (STEP,), gamma=0.3, **OWN).routines
    memory = device.remember((WIDTH, OUT))
    assert all(device.is_open(memory, *route) for route in device.routes)
    other = start(jt.learning.Transfer((STEP, STEP)))
    assert next_stage(other) is other


@pytest.mark.parametrize(
    ("losses", "stage", "plateau"),
    [
        ([1.0], 0, False),
        ([1.0, 0.9], 0, False),
        ([1.0, 0.9, 0.95], 3, True),
        ([1.0, 0.9, 0.95, 0.8], 3, False),
        ([1.0, 0.9, 0.95, 0.8, 0.85], 4, False),
        ([1.0, 0.9, 0.95, 0.8, 0.85, 0.7], 4, True),
        ([1.0, 1.1, 0.9, 0.8, 0.85, 0.7, 0.6], 4, False),
    ],
)
def test_a_stage_ends_once_its_losses_have_stopped_to_fall(losses, stage, plateau):
    assert has_plateau(losses, stage) is plateau


@pytest.mark.parametrize("turns", mostly_slow((True, False), True))
def test_the_reference_of_e_rider_follows_what_is_read(turns):
    x, d = vectors()
    numbers = {"transfer_lr": 0.713, "tracking_rate": 0.31}
    device = ERider((STEP, STEP), in_chop_prob=float(turns), gamma=0.4, n_reads_per_transfer=2, **numbers, **OWN)
    after = update(start(device), x, d)
    fast, slow = Array((OUT, WIDTH), G, 2.0), Array((OUT, WIDTH), G, 2.0)
    mean, past, sign = e_rider(fast, slow, x, d, RATE, fast_lr=0.0513, turns=turns, reads=2, **numbers)
    memory = after.state.memory
    np.testing.assert_allclose(after.state.devices[0], fast.weight, atol=3e-6)
    np.testing.assert_allclose(after.state.devices[1], slow.weight, atol=3e-6)
    np.testing.assert_allclose(memory.reference.mean.T, mean, atol=2e-5)
    np.testing.assert_allclose(memory.reference.past.T, past, atol=2e-5)
    np.testing.assert_array_equal(np.where(memory.turned, -1, 1), sign)
    np.testing.assert_allclose(after.weight, slow.weight + 0.4 * sign * (fast.weight - past), atol=2e-5)
    assert np.count_nonzero(slow.weight) > 5


def test_e_rider_by_rows_is_e_rider_of_the_transpose():
    device = ERider((STEP, STEP), transfer_columns=False, gamma=0.5)
    state = device.start((OUT, WIDTH))
    turned = jnp.array([True, False, True, False])
    fast, past = jr.normal(KEY, (2, OUT, WIDTH))
    memory = Tracking(dataclasses.replace(state.memory.reference, past=past), turned)
    state = dataclasses.replace(state, devices=(fast, state.devices[1]), memory=memory)
    np.testing.assert_allclose(device.weight(state), 0.5 * np.where(turned, -1, 1)[:, None] * (fast - past), rtol=1e-6)
    vector = jt.device.Vector(jnp.ones(WIDTH), jnp.ones(OUT), jnp.asarray(0.1), 1, COUNTS)
    _, sent = device.send(memory, vector)
    np.testing.assert_array_equal(sent.d, np.where(turned, -1, 1))
    np.testing.assert_array_equal(sent.x, 1)


def test_signs_of_e_rider_turn_by_chance():
    device = ERider((STEP, STEP), in_chop_prob=0.3)
    lines = Lines(0, jnp.array([0, 1]), jnp.ones((2, OUT)), jnp.asarray(1.0), (WIDTH, OUT))
    memory = jax.vmap(lambda key: device.carry(device.remember((WIDTH, OUT)), lines, key=key)[0])(jr.split(KEY, 2000))
    assert_mean(np.asarray(memory.turned[:, 0], float), 0.3)
    np.testing.assert_array_equal(memory.turned[:, 0], memory.turned[:, 1])  # lines that are read together
    np.testing.assert_array_equal(memory.reference.past[:, 0, 0] != 0, memory.turned[:, 0])
    assert not np.any(memory.turned[:, 2])


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ERider(3 * (STEP,)), "holds 3 devices"),
        (lambda: ERider(in_chop_prob=1.5), "in_chop_prob=1.5 is out of range"),
        (lambda: ResidualLearning(gamma=0.0), "gamma=0 is out of range"),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_bad_numbers_are_refused_by_name(build, words):
    with pytest.raises(ValueError, match=words):
        build()
