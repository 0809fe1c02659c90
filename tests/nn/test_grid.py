"""A matrix over many tiles: blocks as aihwkit cuts them, and each verb tile by tile."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import jaxtile as jt
from jaxtile.nn.grid import Blocks, Grid, backward, forward
from jaxtile.nn.training.quantities import OF_TILES, Epoch

KEY = jr.key(6)
PERFECT = jt.IOParameters(is_perfect=True)
EVEN = jt.device.ConstantStep(dw_min=0.01, w_max_dtod=0.0, w_min_dtod=0.0)
CONFIG = jt.TileConfig(EVEN, forward=PERFECT, backward=PERFECT, half_select=jt.half_select.ConstantRatio(kappa=20.0))
NOISY = jt.TileConfig(EVEN)
W = jnp.asarray(np.random.default_rng(0).uniform(-0.5, 0.5, (7, 10)), float)
X = jnp.asarray(np.random.default_rng(1).normal(size=(4, 10)), float)
D = jnp.asarray(np.random.default_rng(2).normal(size=(4, 7)), float)
ROWS, COLUMNS = Blocks.of(7, 4, balanced=True), Blocks.of(10, 4, balanced=True)


@pytest.mark.parametrize("lines", [1, 5, 12, 13])
@pytest.mark.parametrize("most", [1, 3, 4, 20])
def test_lines_are_cut_as_aihwkit_cuts_them(lines, most):
    arrays = pytest.importorskip("aihwkit.simulator.tiles.array")
    sizes = arrays.TileModuleArray.get_split_sizes(None, lines, most)
    blocks = Blocks.of(lines, most, balanced=True)
    assert (list(blocks.sizes), blocks.lines) == (list(sizes), max(sizes))
    full = Blocks.of(lines, most, balanced=False)
    assert sum(full.sizes) == lines
    assert set(full.sizes[:-1]) <= {most}
    x = jnp.arange(2.0 * lines).reshape(2, lines)
    for cut in (blocks, full):
        np.testing.assert_array_equal(cut.join(cut.split(x)), x)
        assert cut.split(x).shape == (len(cut.sizes), 2, cut.lines)


def grid(config, weight=W):
    return Grid.of(partial(jt.init, config), ROWS, COLUMNS, key=KEY).change(jt.set_weights, weight=weight)


def alone(grid, r, c):
    """One tile of a grid."""
    return jax.tree.map(lambda leaf: leaf[r, c], grid.tiles)


def blocks_of(lines, x):
    """[block, ..., lines of a tile] by slices, padded with zeros."""
    ends = np.cumsum((0, *lines.sizes))
    parts = [x[..., a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]
    return [np.pad(part, [(0, 0)] * (part.ndim - 1) + [(0, lines.lines - part.shape[-1])]) for part in parts]


def test_cells_that_are_not_connected_do_not_count_as_saturated():
    """They begin at zero, which is a bound of devices that hold no negative weight."""
    unipolar = jt.device.ConstantStep(w_min=0.0, w_max=1.0, w_max_dtod=0.0, w_min_dtod=0.0)
    weight = np.abs(np.asarray(W))
    weight[2:4, 1:5] = [[0.0, 1.0, 0.5, 0.995], [0.009, 1.0, 0.02, 0.98]]
    held = grid(jt.TileConfig(unipolar), jnp.asarray(weight))
    share = OF_TILES["saturated"].measure(Epoch(held, held))
    assert float(share) == pytest.approx(np.mean((weight <= 0.01) | (weight >= 0.99)))


def test_perfect_reads_are_those_of_the_matrix():
    held = grid(CONFIG)
    assert held.shape == (7, 10)
    np.testing.assert_allclose(held.weight, W, atol=1e-7)
    np.testing.assert_allclose(forward(held, X, key=KEY), X @ W.T, atol=1e-5)
    np.testing.assert_allclose(backward(held, D, key=KEY), D @ W, atol=1e-5)


def test_each_tile_reads_by_itself():
    """Each block through the converters and the noise of its own tile, and the sums of a row are digital."""
    held = grid(NOISY)
    keys = jr.split(KEY, (2, 3))
    columns = blocks_of(COLUMNS, X)
    rows = [sum(jt.forward(alone(held, r, c), columns[c], key=keys[r, c]) for c in range(3)) for r in range(2)]
    expected = np.concatenate([row[:, :size] for row, size in zip(rows, ROWS.sizes, strict=True)], axis=1)
    np.testing.assert_allclose(forward(held, X, key=KEY), expected, atol=1e-5)


def test_each_tile_is_pulsed_by_itself():
    """With the half-selected cells of its own lines."""
    held, keys = grid(CONFIG), jr.split(KEY, (2, 3))
    after = held.change(jt.update, options={"learning_rate": 0.05}, x=X, d=D, key=KEY)
    columns, rows = blocks_of(COLUMNS, X), blocks_of(ROWS, D)
    for r, c in ((0, 0), (1, 2)):
        expected = jt.update(alone(held, r, c), columns[c], rows[r], learning_rate=0.05, key=keys[r, c])
        np.testing.assert_allclose(alone(after, r, c).weight, expected.weight, atol=1e-6)
        assert float(alone(after, r, c).half_pulses) == pytest.approx(float(expected.half_pulses))
    assert float(after.full_pulses) > 0


class Net(eqx.Module):
    first: eqx.Module
    second: eqx.Module

    def __call__(self, x, *, key=None):
        return self.second(jnp.tanh(self.first(x, key=key)), key=key)


def net():
    k0, k1 = jr.split(KEY)
    return Net(eqx.nn.Linear(10, 7, key=k0), eqx.nn.Linear(7, 3, key=k1))


def loss(model, x, y, *, key=None):
    return jnp.mean((model(x, key=key) - y) ** 2)


def test_a_converted_network_on_grids_is_the_same_and_has_the_same_gradients():
    plain = net()
    chip = jt.nn.convert(plain, {".*": CONFIG}, max_shape=(4, 4), key=KEY)
    assert isinstance(chip.first.tile, Grid)
    assert chip.first.tile.tiles.weight.shape == (2, 3, 4, 4)
    np.testing.assert_allclose(chip(X), jax.vmap(plain)(X), atol=1e-5)
    value, grads = jt.nn.value_and_grad(loss)(chip, X, D[:, :3])
    expected, own = eqx.filter_value_and_grad(lambda model: jnp.mean((jax.vmap(model)(X) - D[:, :3]) ** 2))(plain)
    assert value == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_allclose(grads.first.tile.dense / chip.first.mapping_scales[:, None], own.first.weight, atol=1e-5)
    found = jt.nn.summary(chip)
    assert (found.tiles, found.cells) == (6 + 2, 6 * 16 + 2 * 12)
    assert found.utilisation == pytest.approx((70 + 21) / 120)
    back = jt.nn.to_digital(chip)
    np.testing.assert_allclose(back.first.weight, plain.first.weight, atol=1e-6)


@pytest.mark.slow
def test_a_network_on_grids_is_trained():
    chip = jt.nn.convert(net(), {".*": CONFIG}, max_shape=(4, 4), key=KEY)
    y = jnp.zeros((4, 3))
    run = jt.train(chip, loss, (X, y), jt.nn.Optimizer(0.5, optax.sgd(0.1)), key=KEY, epochs=4, batch_size=2)
    assert run.history["loss"][-1] < 0.7 * run.history["loss"][0]
    assert float(run.history["first.pulses"][0]) > 0


def test_programming_and_time_go_tile_by_tile():
    chip = jt.nn.convert(net(), {"first": CONFIG}, max_shape=(4, 4), key=KEY)
    programmed, record = jt.nn.program(chip, jt.SVD(), key=KEY, max_steps=5, tolerance=0.0, with_record=True)
    assert record["first"].history["read_error"].shape == (2, 3, 6)
    key = jr.fold_in(KEY, 0)
    tile = jt.init(CONFIG, (4, 4), key=jr.split(jr.fold_in(key, 0), (2, 3))[1, 2])
    target = jnp.pad(chip.first.target[4:, 7:], ((0, 1), (0, 1)))
    expected = jt.program(tile, target, jt.SVD(), key=jr.split(jr.fold_in(key, 1), (2, 3))[1, 2], max_steps=5, tolerance=0.0)
    np.testing.assert_allclose(alone(programmed.first.tile, 1, 2).weight, expected.weight, atol=1e-5)

    written = jt.nn.apply_programming_noise(chip, jt.noise.PCM(), key=KEY)
    old = jt.nn.drift(written, 1e6, key=KEY)
    mended = jt.nn.compensate(old, written, key=KEY)
    errors = [float(jnp.linalg.norm(model.first(X, key=KEY) - chip.first(X, key=KEY))) for model in (old, mended)]
    assert errors[1] < errors[0]


def test_a_large_grid_goes_row_by_row_in_the_memory_of_a_row(monkeypatch):
    """Programmed so, each tile is as if alone, in at most one and a half times what has to be there, by XLA's account."""
    monkeypatch.setattr("jaxtile.nn.grid._MOST", 2**11)  # a row of eight tiles
    config = jt.TileConfig(jt.device.SoftBounds())
    rule, target = jt.nn.Rule(config, max_shape=(16, 16)), jr.uniform(KEY, (128, 128), float, -0.5, 0.5)
    layer = rule.place(target, key=KEY)
    options = {"max_steps": 3, "tolerance": 0.0, "record": ("read_error",), "throw": False}

    @jax.jit
    def run(layer, key):
        _, record = jt.nn.program(layer, jt.ProgramVerify(), key=key, start="reset", with_record=True, **options)
        return record["model"].tile.now, record["model"].history

    compiled = run.lower(layer, KEY).compile()
    now, history = compiled(layer, KEY)
    one = jt.set_weights(alone(layer.tile, 5, 6), jnp.zeros((16, 16)))
    block, own = layer.target[80:96, 96:112], jr.split(jr.fold_in(jr.fold_in(KEY, 0), 1), (8, 8))[5, 6]
    expected = jt.program(one, block, jt.ProgramVerify(), key=own, **options)
    np.testing.assert_allclose(now.state[5, 6], expected.tile.now.state, atol=1e-5)

    memory = compiled.memory_analysis()
    if memory is not None:
        taken = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
        needed = [layer.tile.tiles.chip, layer.tile.now, layer.target, history, layer.tile.weight]  # the last: as much noise
        assert taken < 1.5 * sum(leaf.nbytes for leaf in jax.tree.leaves(eqx.filter(needed, eqx.is_array)))


def test_a_large_grid_is_read_and_pulsed_as_a_small_one(monkeypatch):
    """Also outside of a program, where what does not change is returned without a copy."""
    held = grid(NOISY)

    def changed():
        after = held.change(jt.update, options={"learning_rate": 0.1}, x=X, d=D, key=KEY)
        gradient = jax.grad(lambda x: jnp.sum(forward(held, x, key=KEY) ** 2))(X)
        return after, (forward(held, X, key=KEY), backward(held, D, key=KEY), after.weight, gradient)

    _, expected = changed()
    monkeypatch.setattr("jaxtile.nn.grid._MOST", 1)  # tile by tile
    after, found = changed()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert after.cells.step_up is held.cells.step_up


def test_tiles_that_are_full_but_for_the_last():
    rule = jt.nn.Rule(CONFIG, max_shape=(4, 4), balanced=False)
    chip = jt.nn.convert(net(), {"first": rule}, key=KEY)
    assert chip.first.tile.columns == Blocks((4, 4, 2), 4)
    np.testing.assert_allclose(chip.first(X), jax.vmap(net().first)(X), atol=1e-5)
