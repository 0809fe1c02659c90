"""Properties of every update: of nothing, of lines in another order, of up and down, and of a batch in parts."""

import dataclasses

import jax
import jax.random as jr
import numpy as np
import pytest
from cases import DEVICES_OF_ALL_KINDS, DW_MIN, KAPPA, RATE, SHAPE, WEIGHTS, K, hardware, pairs, tile_of
from helpers import assert_same_moments, lines_of, mostly_slow, update
from hypothesis import given
from hypothesis import strategies as st

import jaxtile as jt

KEY = jr.key(3)
QUICK = ("soft bounds, reference", "table", "write noise", "one-sided", "a user's own")
every_kind = pytest.mark.parametrize("name", mostly_slow(DEVICES_OF_ALL_KINDS, *QUICK))


@every_kind
@given(vectors=pairs(), weight=WEIGHTS, rate=RATE, dw_min=DW_MIN, kappa=KAPPA)
def test_lines_without_a_value_move_nothing(name, vectors, weight, rate, dw_min, kappa):
    """A cell of two such lines stays, bit for bit; one of a single such line does, too, if nothing is half selected."""
    x, d = vectors
    tile = tile_of(hardware(name, dw_min=dw_min, kappa=kappa), weight)
    after = update(tile, x, d, rate, KEY)
    silent_x, silent_d = np.all(x == 0, axis=0), np.all(d == 0, axis=0)
    both = np.logical_or if tile.config.half_select is None else np.logical_and
    idle = both.outer(silent_d, silent_x)
    assert np.all(np.isfinite(after.weight))
    np.testing.assert_array_equal(np.asarray(after.weight)[idle], np.asarray(tile.weight)[idle])
    for nothing in ((0 * x, d, rate), (x, 0 * d, rate), (x, d, 0.0)):
        after = update(tile, *nothing, KEY)
        np.testing.assert_array_equal(after.weight, tile.weight)
        assert float(after.full_pulses) == float(after.half_pulses) == 0


@every_kind
@given(
    vectors=pairs(),
    weight=WEIGHTS,
    rate=RATE,
    kappa=KAPPA,
    rows=st.permutations(range(SHAPE[0])),
    columns=st.permutations(range(SHAPE[1])),
)
def test_lines_in_another_order_are_cells_in_another_order(name, vectors, weight, rate, kappa, rows, columns):
    x, d = vectors
    config = hardware(name, kappa=kappa)
    after = update(tile_of(config, weight), x, d, rate, KEY).weight
    moved = update(tile_of(config, weight[rows][:, columns]), x[:, columns], d[:, rows], rate, KEY).weight
    np.testing.assert_allclose(moved, np.asarray(after)[rows][:, columns], rtol=0, atol=1e-6)


@every_kind
@given(vectors=pairs(), weight=WEIGHTS, rate=RATE, kappa=KAPPA, up_down=st.floats(-0.5, 0.5))
def test_the_negative_of_d_moves_mirrored_devices_the_other_way(name, vectors, weight, rate, kappa, up_down):
    x, d = vectors
    config = hardware(name, kappa=kappa, up_down=up_down, w_max=0.7)
    after = update(tile_of(config, weight), x, d, rate, KEY)
    opposite = mirrored(config)
    same_pulses = rate * float(opposite.device.granularity() / config.device.granularity())  # some plan with the steps of one way
    other = update(tile_of(opposite, -weight), x, -d, same_pulses, KEY)
    np.testing.assert_allclose(other.weight, -after.weight, rtol=0, atol=1e-6)
    np.testing.assert_allclose(other.full_pulses, after.full_pulses, rtol=1e-6)
    np.testing.assert_allclose(other.half_pulses, after.half_pulses, rtol=1e-6)


COUNTING = {
    "devices take turns": ("vector cell, in turn", {}),
    "half pulses are remembered": ("table", {"half_select": 3}),
    "steps depend on the weight": ("exp", {}),
}


@pytest.mark.parametrize("name", COUNTING)
@given(vectors=pairs(), weight=WEIGHTS, rate=RATE, kappa=KAPPA, first=st.integers(1, K - 1))
def test_a_batch_in_two_calls_is_the_batch(name, vectors, weight, rate, kappa, first):
    """A tile keeps from call to call what it counts or remembers from vector to vector; nothing is drawn here."""
    x, d = vectors
    kind, options = COUNTING[name]
    tile = tile_of(hardware(kind, kappa=kappa, **options), weight)
    whole = update(tile, x, d, rate, KEY)
    parts = update(update(tile, x[:first], d[:first], rate, KEY), x[first:], d[first:], rate, KEY)
    for part, one in zip(jax.tree.leaves(parts.state), jax.tree.leaves(whole.state), strict=True):
        np.testing.assert_allclose(part, one, rtol=0, atol=1e-7)
    np.testing.assert_allclose(parts.full_pulses, whole.full_pulses, rtol=1e-6)
    np.testing.assert_allclose(parts.half_pulses, whole.half_pulses, rtol=1e-6)


@given(vectors=pairs(), weight=WEIGHTS, rate=RATE, kappa=KAPPA, std=st.floats(0.0, 0.5))
def test_vectors_that_are_drawn_by_their_number_are_the_batch(vectors, weight, rate, kappa, std):
    """Vector v of a batch draws from `fold_in(key, v)`: sent one by one, in as many calls, it is the same with the same number."""
    x, d = vectors
    device = DEVICES_OF_ALL_KINDS["soft bounds"](dw_min=0.01, dw_min_std=std)
    tile = tile_of(jt.TileConfig(device=device, half_select=jt.half_select.ConstantRatio(kappa=kappa)), weight)
    whole, parts = update(tile, x, d, rate, KEY), tile
    for v in range(K):
        key = jr.fold_in(KEY, v)
        parts = jt.send(parts, lines_of(tile.config.pulse, tile.device.granularity(), x[v], d[v], rate, key), key=key)
    np.testing.assert_allclose(parts.weight, whole.weight, rtol=0, atol=1e-6)
    np.testing.assert_allclose(parts.full_pulses, whole.full_pulses, rtol=1e-6)


# In law: with trains, cycle noise, and spread from device to device.


@jax.jit
def ends_of_many(config, weight, x, d, key):
    """The weights of many chips after an update, each with trains of its own."""

    def one(key):
        chip_key, run_key = jr.split(key)
        tile = jt.set_weights(jt.init(config, SHAPE, key=chip_key), weight)
        return jt.update(tile, x, d, learning_rate=0.1, key=run_key).weight

    return jax.vmap(one)(jr.split(key, 2000))


def cells_by_name(weights):
    return {f"{i}, {j}": np.asarray(weights[:, i, j]) for i, j in np.ndindex(SHAPE)}


def test_other_orders_and_signs_are_the_same_in_law():
    rng = np.random.default_rng(0)
    weight = rng.uniform(-0.3, 0.3, SHAPE).astype(np.float32)
    x, d = rng.uniform(-1, 1, (K, SHAPE[1])).astype(np.float32), rng.uniform(-1, 1, (K, SHAPE[0])).astype(np.float32)
    device = jt.device.SoftBounds(dw_min=0.01, up_down=0.2, w_max=0.7)
    config = jt.TileConfig(device=device, half_select=jt.half_select.ConstantRatio(kappa=10.0))
    ends = cells_by_name(ends_of_many(config, weight, x, d, jr.key(0)))

    rows, columns = rng.permutation(SHAPE[0]), rng.permutation(SHAPE[1])
    moved = ends_of_many(config, weight[rows][:, columns], x[:, columns], d[:, rows], jr.key(1))
    assert_same_moments(ends, cells_by_name(moved[:, np.argsort(rows)][:, :, np.argsort(columns)]))
    assert_same_moments(ends, cells_by_name(-ends_of_many(mirrored(config), -weight, x, -d, jr.key(2))))
    with pytest.raises(AssertionError, match="standard errors"):
        assert_same_moments(ends, cells_by_name(moved))


NEGATED = {"up_down", "pow_up_down", "reference_mean", "b"}
REVERSED = {"piecewise_up": "piecewise_down", "up": "down", "up_noise": "down_noise"}


def mirrored(node):
    """A configuration whose devices step up as the given ones step down at the negated weight."""
    if isinstance(node, tuple):
        return tuple(map(mirrored, node))
    if isinstance(node, jt.device.OneSided) or not isinstance(node, jt.TileConfig | jt.device.AbstractDevice):
        return node  # the two devices of a one-sided pair change places
    old = {field.name: getattr(node, field.name) for field in dataclasses.fields(node)}
    new = {name: mirrored(value) for name, value in old.items()}
    new |= {name: -old[name] for name in NEGATED & old.keys()}
    if "w_max" in old:
        new |= {"w_max": -old["w_min"], "w_min": -old["w_max"]}
    for up, down in [(name, f"{name[:-2]}down") for name in old if name.endswith("_up")]:
        new |= {up: old[down], down: old[up]} if down in old else {}
    if "state" in old:  # a table
        new |= {"state": -old["state"][::-1]}
    for up, down in REVERSED.items():
        if isinstance(node, jt.device.AbstractDevice) and up in old:
            new |= {up: old[down][::-1], down: old[up][::-1]}
    return dataclasses.replace(node, **new)
