"""Ways to hold a weight, each beside the same written out in NumPy: one device, an offset, bits in slices."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import mostly_slow

import jaxtile as jt
from jaxtile.nn.grid import backward, forward

KEY = jr.key(6)
PERFECT = jt.IOParameters(is_perfect=True)
EVEN = jt.device.ConstantStep(dw_min=0.001, w_max_dtod=0.0, w_min_dtod=0.0)
CONFIG = jt.TileConfig(EVEN, forward=PERFECT, backward=PERFECT)
UNIPOLAR = jt.TileConfig(jt.device.ConstantStep(w_min=0.0, w_max_dtod=0.0, w_min_dtod=0.0), forward=PERFECT, backward=PERFECT)
H = jt.nn.holding
HOLDINGS = {
    "one device": H.OneDevice(),
    "offset column": H.OffsetColumn(),
    "digital offset": H.DigitalOffset(),
    "slices": H.BitSlices((3, 2, 3)),
    "slices with an offset column": H.OffsetColumn(H.BitSlices((4, 4))),
    "slices with a digital offset": H.DigitalOffset(H.BitSlices((2, 6))),
}
LEVELS = {"slices": 255, "slices with an offset column": 127, "slices with a digital offset": 127}
W = np.random.default_rng(0).uniform(-1, 1, (5, 7)).astype(np.float32)
X = np.random.default_rng(1).normal(size=(4, 7)).astype(np.float32)
D = np.random.default_rng(2).normal(size=(4, 5)).astype(np.float32)


def placed(holding, config=CONFIG, most=None, weight=W):
    rule = jt.nn.Rule(config, max_shape=most, mapping=jt.nn.Mapping(holding=holding))
    return rule.place(jnp.asarray(weight), key=KEY)


@pytest.mark.parametrize("most", [None, (3, 4)])
@pytest.mark.parametrize("name", HOLDINGS)
def test_a_matrix_is_held_to_its_levels_and_read_both_ways(name, most):
    """Rounded to the levels of either sign that the slices have together, and not at all without slices."""
    layer, levels = placed(HOLDINGS[name], most=most), LEVELS.get(name)
    largest = np.abs(W).max()
    expected = W if levels is None else np.round(W / largest * levels) / levels * largest
    held = np.asarray(layer.tile.weight) * np.asarray(layer.mapping_scales)[:, None]
    np.testing.assert_allclose(held, expected, atol=2e-6)
    assert layer.tile.shape == W.shape
    np.testing.assert_allclose(layer(jnp.asarray(X)), X @ expected.T, atol=2e-5)
    back = backward(layer.tile, jnp.asarray(D) * layer.mapping_scales[None], key=KEY)
    np.testing.assert_allclose(back, D @ expected, atol=2e-5)
    np.testing.assert_allclose(layer.to_digital().weight, expected, atol=2e-6)


def test_slices_hold_the_bits_of_the_code():
    """The most significant first, each as a part of the range of its devices, with the sign of the weight."""
    layer = placed(H.BitSlices((3, 2, 3)))
    code = np.round(np.abs(W) / np.abs(W).max() * 255).astype(int)
    parts = np.stack([code // 32 / 7, code // 8 % 4 / 3, code % 8 / 7]) * np.sign(W) * 0.6
    np.testing.assert_allclose(layer.tile.tiles.weight, parts, atol=1e-6)
    assert (layer.tile.count, jt.nn.summary(jt.nn.Sequential([layer])).tiles) == (3, 3)


def test_the_offset_is_one_more_line_above_zero():
    """Codes of weights stand above zero; the last line holds the code of zero."""
    tiles = placed(H.OffsetColumn()).tile.tiles
    rows = np.concatenate([0.3 + 0.3 * W / np.abs(W).max(), np.full((1, 7), 0.3)])
    np.testing.assert_allclose(tiles.weight, rows, atol=1e-6)
    sliced = placed(H.OffsetColumn(H.BitSlices((4, 4)))).tile.tiles
    code = np.concatenate([128 + np.round(127 * W / np.abs(W).max()), np.full((1, 7), 128)]).astype(int)
    np.testing.assert_allclose(sliced.weight, np.stack([code // 16, code % 16]) / 15 * 0.6, atol=1e-6)


@pytest.mark.parametrize("name", ["offset column", "slices", "slices with an offset column"])
def test_each_tile_has_converters_of_its_own(name):
    """Few bits: the sum of what each tile reads through its own, not the matrix through one."""
    coarse = jt.IOParameters(inp_res=1 / 14, out_res=1 / 62, out_noise=0.0)
    config = jt.TileConfig(EVEN, forward=coarse, backward=coarse)
    layer = placed(HOLDINGS[name], config)
    held, x = layer.tile, jnp.asarray(X)
    tiles = (
        [held.tiles]
        if name == "offset column"
        else [jax.tree.map(lambda leaf, n=n: leaf[n], held.tiles) for n in range(held.count)]
    )
    read = np.stack([jt.forward(tile, x, key=KEY) for tile in tiles])
    if name == "slices":
        expected = np.tensordot(np.array([7 * 32, 3 * 8, 7]) / 255, read, 1)
    else:
        places = [1.0] if name == "offset column" else np.array([15 * 16, 15]) / 255
        total = np.tensordot(places, read, 1)
        expected = total[:, :-1] - total[:, -1:]
    np.testing.assert_allclose(forward(held, x, key=KEY), expected, atol=1e-5)
    assert np.abs(expected - X @ np.asarray(held.weight).T).max() > 0.01


@pytest.mark.parametrize("name", mostly_slow(HOLDINGS, "offset column"))
def test_each_tile_is_programmed_and_drifts_by_itself(name):
    """Each of the tiles by its own share of the target, from its own key."""
    model = jt.nn.Sequential([placed(HOLDINGS[name])])
    programmed, record = jt.nn.program(model, jt.SVD(), key=KEY, max_steps=40, tolerance=0.0, with_record=True)
    (layer,), (solution,) = programmed.layers, record.values()
    assert solution.stats["full_pulses"].shape == layer.tile.now.tally.full.shape
    apart = jnp.linalg.norm(layer.tile.weight - model.layers[0].tile.weight)
    assert apart < 0.5 * jnp.linalg.norm(layer.tile.weight)
    if name == "offset column":  # the tile alone, with one more line of the target
        chip_key, run_key = (jr.fold_in(jr.fold_in(KEY, 0), n) for n in (0, 1))
        rows = jnp.concatenate([model.layers[0].target + 0.3, jnp.full((1, 7), 0.3)])
        alone = jt.program(jt.init(CONFIG, (6, 7), key=chip_key), rows, jt.SVD(), key=run_key, max_steps=40, tolerance=0.0)
        np.testing.assert_allclose(layer.tile.tiles.weight, alone.weight, atol=1e-5)
    written = jt.nn.apply_programming_noise(model, jt.noise.PCM(), key=KEY)
    old = jt.nn.drift(written, 1e6, key=KEY)
    tiles, key = written.layers[0].tile.tiles, jr.fold_in(KEY, 0)
    if tiles.weight.ndim == 2:
        expected = jt.drift(tiles, 1e6, key=key).weight
    else:
        each = [jax.tree.map(lambda leaf, n=n: leaf[n], tiles) for n in range(layer.tile.count)]
        expected = [jt.drift(tile, 1e6, key=own).weight for tile, own in zip(each, jr.split(key, len(each)), strict=True)]
    np.testing.assert_allclose(old.layers[0].tile.tiles.weight, expected, atol=1e-6)


def test_pulses_of_a_row_leave_the_offset_where_it_was():
    """An update moves the matrix by -lr d x, as of one device; half-selection disturbs the line of the offset as well."""
    tile = placed(H.OffsetColumn()).tile
    fine = {"learning_rate": 0.01, "x": jnp.asarray(X), "d": jnp.asarray(D), "key": KEY}
    after = tile.change(jt.update, options={"learning_rate": fine["learning_rate"]}, x=fine["x"], d=fine["d"], key=KEY)
    np.testing.assert_array_equal(after.tiles.weight[-1], tile.tiles.weight[-1])
    alone = jt.update(tile.tiles, fine["x"], np.pad(D, [(0, 0), (0, 1)]), learning_rate=0.01, key=KEY)
    np.testing.assert_array_equal(after.tiles.weight, alone.weight)
    poor = jt.TileConfig(EVEN, forward=PERFECT, half_select=jt.half_select.ConstantRatio(kappa=5.0))
    disturbed = placed(H.OffsetColumn(), poor).tile
    disturbed = disturbed.change(jt.update, options={"learning_rate": 0.01}, x=fine["x"], d=fine["d"], key=KEY)
    assert np.any(np.asarray(disturbed.tiles.weight[-1]) != np.asarray(tile.tiles.weight[-1]))
    assert float(disturbed.tiles.half_pulses) > 0


def test_slices_are_not_trained():
    layer = placed(H.OffsetColumn(H.BitSlices((4, 4))))
    with pytest.raises(TypeError, match=r"bit slices \(4, 4\) take no pulses"):
        layer.tile.change(jt.update, options={"learning_rate": 0.01}, x=jnp.asarray(X), d=jnp.asarray(D), key=KEY)
    model = jt.nn.Sequential([layer])
    with pytest.raises(TypeError, match=r"layers\.0 holds its weights in bit slices, which cannot be trained"):
        jt.nn.value_and_grad(lambda model, x: jnp.sum(model(x)))(model, jnp.asarray(X))


def test_devices_without_weights_below_zero_take_an_offset():
    for holding in (H.OneDevice(), H.BitSlices((4, 4))):
        with pytest.raises(ValueError, match="holds weights from 0 to 0.6, and a matrix has both signs: pass.*OffsetColumn"):
            placed(holding, UNIPOLAR)
    layer = placed(H.OffsetColumn(H.BitSlices((4, 4))), UNIPOLAR)
    np.testing.assert_allclose(layer.to_digital().weight, np.round(W / np.abs(W).max() * 127) / 127 * np.abs(W).max(), atol=2e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: H.BitSlices((4, 0)), r"bits=\(4, 0\) must be whole numbers"),
        (lambda: H.BitSlices(()), r"bits=\(\) must be whole numbers"),
        (lambda: H.BitSlices((9, 9)), "sum of at most 16"),
        (lambda: placed(H.OffsetColumn(H.BitSlices((1,)))), "no room for both signs"),
        (lambda: placed(H.OffsetColumn(), most=(1, 4)), "no rows left"),
    ],
)
def test_what_cannot_be_held_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_matrix_of_a_batch_of_chips():
    """Under vmap, as one by one."""
    rule = jt.nn.Rule(CONFIG, max_shape=(3, 4), mapping=jt.nn.Mapping(holding=H.OffsetColumn(H.BitSlices((4, 4)))))
    many = eqx.filter_vmap(lambda key: rule.place(jnp.asarray(W), key=key))(jr.split(KEY, 2))
    np.testing.assert_allclose(many.tile.weight[1], rule.place(jnp.asarray(W), key=jr.split(KEY, 2)[1]).tile.weight, atol=1e-6)
