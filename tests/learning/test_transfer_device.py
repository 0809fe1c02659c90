"""Transfer beside NumPy, and that the rest of the library takes an algorithm as it takes a device."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from helpers import FLOAT, mostly_slow
from reference.transfers import Array, transfer

import jaxtile as jt
from jaxtile.device import ConstantStep
from jaxtile.learning import (
    BufferedTransfer,
    ChoppedTransfer,
    DynamicTransfer,
    ERider,
    FilteredTransfer,
    MixedPrecision,
    ResidualLearning,
    Transfer,
)

OUT, WIDTH, VECTORS, RATE = 4, 3, 90, 0.173
G = 0.0137  # incommensurate, so that no product falls on a threshold
KEY = jr.key(0)
PERFECT = jt.IOParameters(is_perfect=True)
COUNTS = jt.pulse.DeterministicImplicit()
QUIET = ("dw_min_dtod", "up_down_dtod", "w_max_dtod", "w_min_dtod", "dw_min_std")


def step(dw_min=G, **numbers):
    return ConstantStep(**dict.fromkeys(QUIET, 0.0) | {"dw_min": dw_min, "w_max": 2.0, "w_min": -2.0} | numbers)


def algorithm(devices=None, **numbers):
    own = {"fast_lr": 0.0513, "scale_fast_lr": False, "transfer_lr": 1.713, "transfer_every": 2.0, "units_in_mbatch": False}
    reads = {"transfer_forward": PERFECT, "transfer_update": COUNTS}
    return Transfer((step(), step()) if devices is None else devices, **reads | own | numbers)


def tile_of(device, **config):
    return jt.init(jt.TileConfig(device=device, pulse=COUNTS, **config), (OUT, WIDTH), key=KEY)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (VECTORS, WIDTH)).astype(FLOAT), (rng.uniform(-1, 1, (VECTORS, OUT)) + 0.3).astype(FLOAT)


@jax.jit
def update(tile, x, d):
    return jt.update(tile, x, d, learning_rate=RATE, key=jr.key(1))


def by_numpy(batch, steps=(G, G), **how):
    arrays = [Array((OUT, WIDTH), one, 2.0) for one in steps]
    transfer(arrays, *batch, RATE, **{"fast_lr": 0.0513, "transfer_lr": 1.713, "every": [2]} | how)
    return [array.weight for array in arrays]


def test_lines_of_the_fast_array_are_added_to_the_slow_one(batch):
    after = update(tile_of(algorithm()), *batch)
    fast, slow = by_numpy(batch)
    np.testing.assert_allclose(after.state.devices[0], fast, atol=3e-6)
    np.testing.assert_allclose(after.weight, slow, atol=1e-6)
    assert np.count_nonzero(slow) > 5


def test_rows_of_three_arrays_of_other_steps(batch):
    device = algorithm((step(), *2 * (step(0.0291),)), transfer_columns=False, n_reads_per_transfer=2, transfer_lr=7.13)
    after = update(tile_of(device), *batch)
    arrays = by_numpy(batch, (G, 0.0291, 0.0291), columns=False, reads=2, transfer_lr=7.13, every=[2, 3])
    for ours, theirs in zip(after.state.devices, arrays, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=3e-6)
    assert np.count_nonzero(arrays[2])


def test_arrays_that_count_are_part_of_the_weight(batch):
    """Also where the factors of all but the last sum up to zero, which aihwkit takes for none."""
    state = update(tile_of(algorithm(3 * (step(),), gamma_vec=[0.5, -0.5, 1.0])), *batch)
    a, b, c = state.state.devices
    np.testing.assert_allclose(state.weight, 0.5 * a - 0.5 * b + c, atol=1e-6)
    np.testing.assert_allclose(tile_of(algorithm(3 * (step(),), gamma=0.3)).device.gammas, [0.09, 0.3, 1.0], rtol=1e-6)


def test_a_weight_is_put_into_the_last_array_and_all_starts_anew(batch):
    after = update(tile_of(algorithm(gamma_vec=[0.5, 2.0])), *batch)
    tile = jt.set_weights(after, jnp.full((OUT, WIDTH), 0.1))
    np.testing.assert_allclose(tile.weight, 0.1, rtol=1e-6)
    fast, slow = tile.state.devices
    assert not np.any(fast)
    np.testing.assert_allclose(slow, 0.05, rtol=1e-6)
    assert int(tile.state.turn) == 0
    assert int(after.state.turn) == VECTORS


def test_updates_count_as_vectors_or_as_batches(batch):
    """Every second update of five vectors, in a transfer of ten; a rate of zero counts nothing."""
    x, d = (one.reshape(-1, 5, one.shape[1]) for one in batch)
    tile = tile_of(algorithm(units_in_mbatch=True))
    step = jax.jit(partial(jt.update, learning_rate=RATE, key=KEY))
    for part_x, part_d in zip(x, d, strict=True):
        tile = step(tile, part_x, part_d)
    np.testing.assert_allclose(tile.weight, by_numpy(batch, every=[10])[1], atol=1e-6)
    idle = jt.update(tile, x[0], d[0], learning_rate=0.0, key=KEY)
    jax.tree.map(np.testing.assert_array_equal, idle.state, tile.state)


@pytest.mark.slow  # `test_half_selection` has the judge
def test_each_array_is_disturbed_by_its_own_lines_only(batch):
    """The slow array moves at the first transfer, and its rows and columns are those of the line that is written."""
    x, d = batch
    tile = tile_of(algorithm(transfer_every=9.0, transfer_lr=17.13), half_select=jt.half_select.ConstantRatio(kappa=5.0))
    before, after = update(tile, x[:8], d[:8]), update(tile, x[:9], d[:9])
    assert not np.any(before.weight)
    assert np.count_nonzero(before.state.devices[0]) > 6
    assert np.count_nonzero(after.weight[:, 0]) >= 2
    alone = update(tile_of(algorithm(transfer_every=9.0, transfer_lr=17.13)), x[:9], d[:9])
    assert not np.allclose(after.weight, alone.weight)


def test_numbers_are_leaves_and_lanes_are_runs(batch):
    tile = tile_of(algorithm())

    def final(transfer_lr, every):
        numbers = (transfer_lr, every)
        where = lambda tile: (tile.config.device.transfer_lr, tile.config.device.transfer_every)  # noqa: E731
        return update(eqx.tree_at(where, tile, numbers), *batch).weight

    weights = jax.jit(jax.vmap(final))(jnp.asarray([1.713, 0.9]), jnp.asarray([2.0, 3.0]))
    for got, how in zip(weights, ({}, {"transfer_lr": 0.9, "every": [3]}), strict=True):
        np.testing.assert_allclose(got, by_numpy(batch, **how)[1], atol=1e-6)


def test_a_controller_counts_steps_of_the_weight():
    """Those of the last array, whatever the first one's are."""
    sheet = jt.Datasheet.of(jt.TileConfig(algorithm((step(), step(0.0291)), gamma_vec=[0.3, 0.5])), (OUT, WIDTH))
    np.testing.assert_allclose([sheet.dw_min, sheet.gamma], [0.5 * 0.0291, 0.5], rtol=1e-6)


def test_a_column_is_reset_once_it_was_read(batch):
    """aihwkit resets all columns of a block after the first of them, so that the others are lost."""
    x, d = batch
    device = algorithm(n_reads_per_transfer=2, with_reset_prob=1.0, transfer_every=4.0, transfer_lr=17.13)
    tile = tile_of(dataclasses.replace(device, devices=(step(reset_std=0.0), step())))
    after, whole = update(tile, x[:4], d[:4]), update(tile_of(algorithm(transfer_every=4.0, transfer_lr=17.13)), x[:4], d[:4])
    assert not np.any(after.state.devices[0][:, :2])
    np.testing.assert_array_equal(after.state.devices[0][:, 2], whole.state.devices[0][:, 2])
    assert np.count_nonzero(after.weight[:, 1]) > 1


def test_in_one_pass_all_that_fell_due_read_what_the_batch_left(batch):
    """Three transfers in a batch of six vectors, done in turn at its end; vector by vector each comes at its own."""
    x, d = batch
    summed = tuple(step(order="batch") for _ in range(2))
    tile, numbers = tile_of(algorithm(summed, transfer_lr=7.13)), {"transfer_lr": 7.13}
    for n in range(0, VECTORS, 6):
        tile = update(tile, x[n : n + 6], d[n : n + 6])
    fast, slow = by_numpy(batch, together=6, **numbers)
    np.testing.assert_allclose(tile.state.devices[0], fast, atol=3e-6)
    np.testing.assert_allclose(tile.weight, slow, atol=3e-6)
    in_turn = by_numpy(batch, **numbers)
    np.testing.assert_allclose(fast, in_turn[0], atol=3e-6)
    assert np.max(np.abs(slow - in_turn[1])) > 2 * G


def test_a_reset_is_that_of_the_first_array(batch):
    """Whose columns the lines are, as aihwkit has it; the weight stays."""
    tile = update(tile_of(dataclasses.replace(algorithm(), devices=(step(reset_std=0.0), step()))), *batch)
    after = jt.reset(tile, [0, 2], key=KEY)
    np.testing.assert_array_equal(after.weight, tile.weight)
    fast = tile.state.devices[0]
    np.testing.assert_array_equal(after.state.devices[0], fast.at[:, jnp.array([0, 2])].set(0.0))
    assert np.count_nonzero(fast) > 6


def test_a_period_below_a_vector_is_one_vector():
    """Where aihwkit rounds it to none, and never transfers."""
    assert int(algorithm(transfer_every=0.3).every(0, (WIDTH, OUT), 1)) == 1
    assert int(algorithm(transfer_every=0.0).every(0, (WIDTH, OUT), 1)) == 0
    few = algorithm(3 * (step(),), transfer_every=1.0, n_reads_per_transfer=9, transfer_columns=False)
    assert int(few.every(1, (9, 3), 1)) == 1  # a third of a vector


def test_lines_are_chosen_at_random():
    tile = tile_of(algorithm(random_selection=True, transfer_every=1.0, transfer_lr=170.0))
    x, d = np.ones((1, WIDTH), FLOAT), -np.ones((1, OUT), FLOAT)
    weights = jax.jit(jax.vmap(lambda key: jt.update(tile, x, d, learning_rate=RATE, key=key).weight))(jr.split(KEY, 300))
    chosen = np.all(np.asarray(weights) > 0, axis=1)
    assert np.all(chosen.sum(axis=1) == 1)
    assert np.all(np.abs(chosen.sum(axis=0) - 100) < 4.5 * np.sqrt(300 * 2 / 9))


ONE = ConstantStep(dw_min=0.01)
TUNED = {"fast_lr": 0.3, "transfer_lr": 0.5, "units_in_mbatch": False}
ALGORITHMS = {
    "transfer": Transfer((ONE, ONE), **TUNED),
    "buffered": BufferedTransfer((ONE, ONE), **TUNED | {"transfer_lr": 5.0}),
    "filtered": FilteredTransfer((ONE, ONE), **TUNED | {"transfer_lr": 0.5, "scale_transfer_lr": False}),
    "chopped": ChoppedTransfer((ONE, ONE), **TUNED | {"transfer_lr": 1.0}),
    "dynamic": DynamicTransfer((ONE, ONE), **TUNED | {"transfer_lr": 1.0}),
    "mixed": MixedPrecision(ONE),
    "residual": ResidualLearning((ONE, ONE, ONE), gamma=0.3, **TUNED),
    "e-rider": ERider((ONE, ONE), **TUNED),
}


@pytest.mark.parametrize("name", mostly_slow(ALGORITHMS))
def test_lanes_of_all_numbers_are_runs(name, batch):
    """Every number of an algorithm and of its devices differs from lane to lane, under one compilation."""
    x, d = (one[:12] for one in batch)

    def numbers(factor):
        device = ALGORITHMS[name]
        return jax.tree.map(lambda leaf: leaf * factor if eqx.is_inexact_array(leaf) else leaf, device)

    def run(device):
        tile = jt.init(jt.TileConfig(device, COUNTS), (OUT, WIDTH), key=KEY)
        return [leaf.astype(FLOAT) for leaf in jax.tree.leaves(update(tile, x, d).state)]

    runs = [numbers(factor) for factor in (1.0, 0.83)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves) if eqx.is_array(leaves[0]) else leaves[0], *runs)
    lanes = eqx.filter_vmap(run)(stacked)
    for lane, device in enumerate(runs):
        for many, alone in zip(lanes, run(device), strict=True):
            np.testing.assert_allclose(many[lane], alone, atol=1e-5)
    assert np.max(np.abs(lanes[0][0] - lanes[0][1])) > 0


@pytest.mark.parametrize("name", mostly_slow(ALGORITHMS, "transfer"))
def test_the_library_takes_an_algorithm_for_a_device(name, tmp_path):
    """Programs, files, sweeps over its numbers and chips, and networks; under half-selection."""
    config = jt.TileConfig(device=ALGORITHMS[name], half_select=jt.half_select.ConstantRatio(kappa=100.0))
    target = jt.targets.low_rank((5, 4), 2, spectral_norm=0.5, key=KEY)
    sol = jt.program(jt.init(config, (5, 4), key=KEY), target, jt.GDP(), key=KEY, max_steps=60, record=("read_error",))
    error = sol.history["read_error"]
    assert float(jnp.min(error)) < 0.8 * float(error[0])
    jt.save(tmp_path / "tile", sol.tile)
    jax.tree.map(np.testing.assert_array_equal, jt.load(tmp_path / "tile"), sol.tile)

    def moved(tile, target, key):
        """One update is as little to compile as what depends on a number of the algorithm can be."""
        return {"weight": jt.update(tile, target[0], target[:, 0], learning_rate=1.0, key=key).weight}

    data = jt.sweep(moved, config, target, key=KEY, over={"device.transfer_lr": [0.5, 2.0]}, chips=2)
    assert dict(data.sizes) | {"device.transfer_lr": 2} == dict(data.sizes)
    model = jt.nn.Linear(4, 5, config, key=KEY)
    x, y = jr.normal(KEY, (20, 4)), jr.normal(jr.key(1), (20, 5))

    def loss(model, x, y, *, key):
        return jnp.mean((model(x, key=key) - y) ** 2)

    run = jt.train(model, loss, (x, y), jt.nn.Optimizer(0.1, optax.sgd(0.1)), key=KEY, epochs=1, batch_size=5)
    assert np.isfinite(run.history["loss"]).all()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Transfer((step(),)), "holds 1 device"),
        (lambda: Transfer(transfer_every=-1.0), "transfer_every=-1 is out of range"),
        (lambda: Transfer(gamma_vec=[1.0]), r"gamma_vec has shape \(1,\)"),
        (lambda: Transfer(gamma_vec=[1.0, 0.0]), "ends in 0, but weights are put into the last array"),
        (lambda: Transfer(transfer_columns=False, with_reset_prob=0.5), "resets columns"),
        (lambda: Transfer(transfer_forward=jt.IOParameters(out_noise_std=0.1)), "drawn once for each tile"),
        (lambda: Transfer(transfer_update=jt.pulse.NoPulse()), r"NoPulse\(\) sends no pulses"),
        (lambda: Transfer(n_reads_per_transfer=0), "n_reads_per_transfer=0"),
        (lambda: jt.TileConfig(Transfer(), jt.pulse.NoneWithDevice()), "NoneWithDevice"),
        (lambda: jt.TileConfig(Transfer(), half_select=jt.half_select.Accumulation()), "Accumulation"),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_bad_numbers_are_refused_by_name(build, words):
    with pytest.raises((TypeError, ValueError), match=words):
        build()
