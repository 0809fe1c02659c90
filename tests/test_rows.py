"""Few rows that pulse, which are pulsed alone: the same as a pass over all cells."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import DEVICES, make_tile, mostly_slow, update

import jaxtile as jt
from jaxtile.device import Vector
from jaxtile.pulse.coincidences import sum_of_trains
from jaxtile.updating.batch import send_batch
from jaxtile.updating.execution import encode
from jaxtile.updating.in_turn import encode_all
from jaxtile.updating.rows import Rows, _pulse_all, pulse_rows

KEY, SHAPE, PULSE = jr.key(5), (40, 9), jt.pulse.StochasticCompressed(desired_bl=7)


def pairs(rows: int, k: int = 4):
    """Vectors of which each drives so many of the rows; one drives no column."""
    rng = np.random.default_rng(rows)
    x, d = rng.uniform(0, 1, (k, SHAPE[1])), rng.normal(size=(k, SHAPE[0]))
    x[:, ::3], x[1] = 0, 0
    for vector in d:
        vector[rng.permutation(SHAPE[0])[rows:]] = 0
    return jnp.asarray(x, float), jnp.asarray(d, float)


@pytest.mark.parametrize("rows", [0, 1, 5, SHAPE[0]])
def test_all_vectors_are_those_of_slot_by_slot(rows):
    """The judge goes through all cells in each slot; steps are constant, and away from bounds. So one pass is exact, too."""
    away = {"dw_min": 1e-3, "dw_min_std": 0.0, "w_max": 50, "w_min": -50, "fill": 0.01, "shape": SHAPE}
    tiles = [jt.count_pulses(make_tile("constant", PULSE, order=order, **away)) for order in ("slot", "aggregate", "batch")]
    one, *others = (update(tile, *pairs(rows), 0.02, KEY) for tile in tiles)
    for other in others:
        np.testing.assert_allclose(other.weight, one.weight, atol=1e-6, rtol=0)
        for mine, exact in zip(jax.tree.leaves(other.tally), jax.tree.leaves(one.tally), strict=True):
            np.testing.assert_allclose(mine, exact, rtol=1e-5, atol=1e-5)
    assert (float(one.full_pulses) > 0) == (rows > 0)


@pytest.mark.parametrize("device", mostly_slow(DEVICES, "soft bounds"))
def test_each_device_is_that_of_a_pass_over_all_cells(device):
    """With the same cycle noise, also where lanes have few rows, none and all of them."""
    tile = make_tile(device, PULSE, shape=SHAPE, fill=0.5)
    x, d = (jnp.stack(parts) for parts in zip(*(tuple(part[0] for part in pairs(rows)) for rows in (3, 0, 12)), strict=True))

    def moved(pulse, x, d, key):
        lines = encode(tile.config, Vector(x, d, jnp.asarray(0.1), 1, PULSE), key)
        return pulse(tile.config, tile.chip, tile.state, lines, Rows.of(lines), key)

    keys = jr.split(KEY, 3)
    every = jax.jit(jax.vmap(lambda *lane: moved(_pulse_all, *lane)))(x, d, keys)
    few = jax.jit(jax.vmap(lambda *lane: moved(pulse_rows, *lane)))(x, d, keys)
    for one, other in zip(jax.tree.leaves(every), jax.tree.leaves(few), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6, rtol=1e-6)
    assert np.any(np.asarray(jax.tree.leaves(every)[0][0]) != np.asarray(jax.tree.leaves(tile.state)[0]))


@pytest.mark.parametrize("device", mostly_slow(DEVICES, "soft bounds"))
def test_one_pass_by_rows_is_that_over_all_cells(device):
    """The sums of four vectors, with the same cycle noise; lanes have few rows, none and all of them."""
    tile = make_tile(device, PULSE, shape=SHAPE, fill=0.5, order="batch")
    x, d = (jnp.stack(parts) for parts in zip(*(pairs(rows) for rows in (2, 0, 12)), strict=True))

    def moved(pulse, x, d, key):
        vectors = jax.vmap(lambda x, d: Vector(x, d, jnp.asarray(0.1), 4, PULSE))(x, d)
        sums = sum_of_trains(encode_all(tile.config, vectors, key)[1])
        return pulse(tile.config, tile.chip, tile.state, sums, Rows.where(sums.of_rows() > 0), key)

    keys = jr.split(KEY, 3)
    every, few = (
        jax.jit(jax.vmap(lambda *lane, pulse=pulse: moved(pulse, *lane)))(x, d, keys) for pulse in (_pulse_all, pulse_rows)
    )
    for one, other in zip(jax.tree.leaves(every), jax.tree.leaves(few), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6, rtol=1e-6)
    assert np.any(np.asarray(jax.tree.leaves(every)[0][0]) != np.asarray(jax.tree.leaves(tile.state)[0]))


@pytest.mark.parametrize("device", mostly_slow(DEVICES, "soft bounds"))
def test_vectors_that_drive_a_row_each_are_sent_at_once(device):
    """The same trains and cycle noise as one after another, each in its own pass over the tile."""
    tile = jt.count_pulses(make_tile(device, PULSE, shape=SHAPE, fill=0.5))
    rows = jnp.array([7, 39, 0, 21])
    x, units = pairs(1)[0], jt.UnitVectors(rows, SHAPE[0])

    def sent(d):
        return send_batch(tile.config, tile.chip, tile.now.recounted(), x, d, jnp.asarray(0.1), KEY)

    at_once, in_turn = jax.jit(lambda: sent(units))(), jax.jit(lambda: sent(units.dense(float)))()
    for one, other in zip(jax.tree.leaves(at_once), jax.tree.leaves(in_turn), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6, rtol=1e-6)
    moved = np.asarray(jax.tree.leaves(at_once.state)[0] != jax.tree.leaves(tile.state)[0]).any(axis=1)
    assert set(np.flatnonzero(moved)) == {0, 7, 21}  # the second vector drives no column


def test_weights_keep_their_slope():
    """A constant step moves the end of a weight as its start: forwards and in reverse."""
    tile = make_tile("constant", PULSE, shape=SHAPE, w_max=50, w_min=-50, fill=0.01)
    x, d = pairs(4)

    def end(state):
        return jnp.sum(update(tile.with_state(state), x, d, 0.02, KEY).weight ** 2)

    exact = 2 * np.asarray(update(tile, x, d, 0.02, KEY).weight)
    np.testing.assert_allclose(jax.grad(end)(tile.state), exact, rtol=1e-5)
    assert float(jax.jvp(end, (tile.state,), (jnp.ones(SHAPE),))[1]) == pytest.approx(np.sum(exact, dtype=np.float64), rel=1e-4)
