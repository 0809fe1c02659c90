"""Conversion: each layer of equinox equals its own on ideal devices; rules, refusals, and the way back."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from helpers import mostly_slow

import jaxtile as jt

KEY = jr.key(3)
PERFECT = jt.IOParameters(is_perfect=True)
IDEAL = jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse(), forward=PERFECT, backward=PERFECT)
EVEN = jt.TileConfig(jt.device.ConstantStep(w_max_dtod=0.0, w_min_dtod=0.0), forward=PERFECT, backward=PERFECT)
EVERYTHING = {".*": IDEAL}


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), float)


class Of(eqx.Module):
    """A model of one layer."""

    layer: eqx.Module

    def __call__(self, *args, **options):
        return self.layer(*args, **options)


# Makes the layer, what it is called with, and what of this has a batch in front.
LAYERS = {
    "linear": lambda: (eqx.nn.Linear(6, 4, key=KEY), (normal(6),), (True,)),
    "linear, no bias": lambda: (eqx.nn.Linear(6, 4, use_bias=False, key=KEY), (normal(6),), (True,)),
    "conv1d": lambda: (eqx.nn.Conv1d(2, 3, 3, stride=2, padding=1, key=KEY), (normal(2, 9),), (True,)),
    "conv2d": lambda: (
        eqx.nn.Conv2d(2, 3, (3, 2), padding=((1, 0), (2, 1)), dilation=(1, 2), key=KEY),
        (normal(2, 6, 7),),
        (True,),
    ),
    "conv2d, same": lambda: (
        eqx.nn.Conv2d(2, 3, 4, stride=2, padding="SAME", use_bias=False, key=KEY),
        (normal(2, 6, 7),),
        (True,),
    ),
    "conv2d, reflect": lambda: (
        eqx.nn.Conv2d(2, 3, 3, padding="SAME", padding_mode="REFLECT", key=KEY),
        (normal(2, 5, 5),),
        (True,),
    ),
    "conv2d, circular": lambda: (eqx.nn.Conv2d(2, 3, 3, padding=1, padding_mode="CIRCULAR", key=KEY), (normal(2, 5, 5),), (True,)),
    "conv3d": lambda: (eqx.nn.Conv3d(1, 2, 2, key=KEY), (normal(1, 3, 4, 3),), (True,)),
    "lstm": lambda: (eqx.nn.LSTMCell(3, 4, key=KEY), (normal(3), (normal(4), normal(4, seed=1))), (True, True)),
    "gru": lambda: (eqx.nn.GRUCell(3, 4, key=KEY), (normal(3), normal(4)), (True, True)),
    "gru, no bias": lambda: (eqx.nn.GRUCell(3, 4, use_bias=False, key=KEY), (normal(3), normal(4)), (True, True)),
    "attention": lambda: (
        eqx.nn.MultiheadAttention(2, 6, key_size=5, value_size=4, use_query_bias=True, use_output_bias=True, key=KEY),
        (normal(7, 6), normal(3, 5), normal(3, 4), jnp.asarray(np.random.default_rng(1).random((7, 3)) < 0.7)),
        (True, True, True, False),
    ),
}


def total(model, *args):
    """A number that depends on all outputs in different ways."""
    outs = jax.tree.leaves(model(*args))
    return sum(jnp.sum(out * jnp.cos(jnp.arange(out.size, dtype=out.dtype)).reshape(out.shape)) for out in outs)


def inexact(tree):
    return eqx.filter(tree, eqx.is_inexact_array)


@pytest.mark.parametrize("name", mostly_slow(LAYERS, "conv2d", "lstm"))
def test_a_layer_equals_its_own_in_value_and_gradients(name):
    """Of inputs, biases and weights: the pairs of each tile multiply out to the gradient of its matrix."""
    layer, args, _ = LAYERS[name]()
    plain = Of(layer)
    chip = jt.nn.convert(plain, EVERYTHING, key=KEY)
    for ours, theirs in zip(jax.tree.leaves(chip(*args)), jax.tree.leaves(plain(*args)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)

    numbers, rest = eqx.partition(args, eqx.is_inexact_array)
    of_inputs = [
        jax.grad(lambda numbers, model=model: total(model, *eqx.combine(numbers, rest)))(numbers) for model in (chip, plain)
    ]
    for ours, theirs in zip(*map(jax.tree.leaves, of_inputs), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)

    value, grads = jt.nn.value_and_grad(total)(chip, *args)
    expected, of_plain = eqx.filter_value_and_grad(total)(plain, *args)
    assert value == pytest.approx(float(expected), abs=1e-5)
    for path, theirs in jax.tree_util.tree_leaves_with_path(inexact(of_plain)):
        ours = dict(jax.tree_util.tree_leaves_with_path(inexact(multiplied_out(chip, grads))))[path]
        np.testing.assert_allclose(ours, theirs, atol=1e-5, err_msg=str(path))


def multiplied_out(chip, grads):
    """The gradient in the structure of the digital model: d^T x = s dL/dW for weights W = s W'."""
    pairs = jt.nn.layers.parts_of(grads)

    def each(path, layer):
        weight = pairs[path].tile.dense / layer.mapping_scales[:, None] ** 2  # the way back multiplies by s
        return layer.replace(tile=jt.read_as(layer.tile, weight), bias=pairs[path].bias)

    whole = jt.nn.layers.map_layers(each, chip)
    if isinstance(chip.layer, jt.nn.Cell):  # whose biases are its own
        whole = eqx.tree_at(lambda of: of.layer.digital, whole, grads.layer.digital)
    return jt.nn.to_digital(whole)


@pytest.mark.parametrize("name", mostly_slow(LAYERS, "gru", "attention"))
def test_a_batch_is_its_samples_and_the_way_back_is_the_same(name):
    layer, args, in_batch = LAYERS[name]()
    chip = jt.nn.convert(Of(layer), {"layer": EVEN}, key=KEY)
    batch = [
        jax.tree.map(lambda leaf: jnp.stack([leaf, 0.5 * leaf]), arg) if many else arg
        for arg, many in zip(args, in_batch, strict=True)
    ]
    axes = tuple(0 if many else None for many in in_batch)
    each = jax.vmap(layer, in_axes=axes)(*batch)
    for ours, theirs in zip(jax.tree.leaves(chip(*batch)), jax.tree.leaves(each), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    back = jt.nn.to_digital(chip).layer
    assert jax.tree.structure(back) == jax.tree.structure(layer)
    for ours, theirs in zip(jax.tree.leaves(inexact(back)), jax.tree.leaves(inexact(layer)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def net(seed=0):
    k0, k1, k2 = jr.split(jr.key(seed), 3)
    return eqx.nn.Sequential(
        [eqx.nn.Linear(6, 5, key=k0), eqx.nn.Lambda(jnp.tanh), eqx.nn.MLP(5, 3, 4, 1, key=k1), eqx.nn.LayerNorm(3)]
    )


def test_rules_are_tried_in_order_and_match_whole_paths():
    other = jt.TileConfig(jt.device.SoftBounds(), forward=PERFECT)
    rule = jt.nn.Rule(other, mapping=jt.nn.Mapping(omega=0.3, columnwise=True))
    chip = jt.nn.convert(net(), {"layers.0": None, r"layers\.2\..*1": rule, "layers.*": EVEN}, key=KEY)
    kinds = {path: type(layer.tile.device).__name__ for path, layer in jt.nn.layers.layers(chip).items()}
    assert kinds == {"layers.2.layers.0": "ConstantStep", "layers.2.layers.1": "SoftBounds"}
    assert isinstance(chip.layers[0], eqx.nn.Linear)
    fine = chip.layers[2].layers[1]
    np.testing.assert_allclose(jnp.max(jnp.abs(fine.target), axis=1), 0.3, rtol=1e-6)
    np.testing.assert_allclose(jnp.max(jnp.abs(chip.layers[2].layers[0].target)), 0.6, rtol=1e-6)  # to the end of the range
    np.testing.assert_allclose(chip(jnp.ones(6)), net()(jnp.ones(6)), atol=2e-5)


def test_the_chip_of_a_layer_does_not_depend_on_the_rules_of_others():
    config = jt.TileConfig()
    whole = jt.nn.convert(net(), {".*": config}, key=KEY).layers[2].layers[1]
    alone = jt.nn.convert(net(), {r"layers\.2\.layers\.1": config}, key=KEY).layers[2].layers[1]
    np.testing.assert_array_equal(whole.tile.cells.step_up, alone.tile.cells.step_up)
    many = jax.vmap(lambda key: jt.nn.convert(net(), {".*": config}, key=key).layers[2].layers[1])(jr.split(KEY, 3))
    assert many.tile.weight.shape == (3, 3, 4)
    assert jnp.all(jnp.std(many.tile.cells.step_up, axis=0) > 0)


def test_layers_of_a_sequential_of_tiles_are_converted_too():
    mixed = jt.nn.Sequential([jt.nn.Linear(6, 4, EVEN, key=KEY), jnp.tanh, eqx.nn.Linear(4, 3, key=KEY)])
    chip = jt.nn.convert(mixed, {"layers.2": EVEN}, key=KEY)
    assert isinstance(chip.layers[2], jt.nn.Linear)
    np.testing.assert_allclose(chip(normal(5, 6)), mixed(normal(5, 6)), atol=1e-5)


def test_the_way_back_from_a_sequential_takes_batches():
    """Of as many samples as there are inputs, for which W @ x of the whole batch has a shape as well."""
    plain, x = jt.nn.Sequential([eqx.nn.Linear(3, 3, key=KEY)]), normal(3, 3)
    back = jt.nn.to_digital(jt.nn.convert(plain, {"layers.0": EVEN}, key=KEY))
    weight, bias = map(np.asarray, (plain.layers[0].layer.weight, plain.layers[0].layer.bias))
    np.testing.assert_allclose(back(x), np.asarray(x) @ weight.T + bias, atol=1e-5)


def test_the_way_back_of_a_bias_on_the_tile_is_scaled_as_it_is_read():
    layer = jt.nn.Linear(3, 2, EVEN, bias="tile", input_range=jt.digital.InputRange(input_range=4.0), key=KEY)
    np.testing.assert_allclose(layer.to_digital()(normal(3)), layer(normal(3)), atol=1e-5)


class Twice(eqx.nn.Linear):
    """A layer of somebody's own, of which a tile would read but the matrix."""

    def __call__(self, x, *, key=None):
        return 2 * super().__call__(x)


@pytest.mark.parametrize(
    ("model", "rules", "error", "message"),
    [
        (net(), {"layers.0": EVEN, "layer.0": EVEN}, ValueError, r"'layer\.0' match none of.*layers\.0, layers\.2\.layers\.0"),
        (net(), {"layers.3": EVEN}, ValueError, r"rules='layers\.3' match none"),
        (net(), {"layers.(": EVEN}, ValueError, r"the pattern 'layers\.\(', which is no regular expression"),
        (net(), {}, ValueError, r"rules=\{\} match none"),
        (eqx.nn.Linear(3, 2, key=KEY), {".*": EVEN}, ValueError, "there is none below the model itself"),
        (net(), {".*": jt.device.ConstantStep()}, TypeError, r"rules\['\.\*'\]=ConstantStep\(\) is no rule; pass a TileConfig"),
        (Of(eqx.nn.Linear("scalar", 2, key=KEY)), {".*": EVEN}, TypeError, "layer, a Linear, takes or gives scalars"),
        (Of(eqx.nn.Conv2d(2, 4, 3, groups=2, key=KEY)), {".*": EVEN}, TypeError, "layer, a Conv2d, has groups=2"),
        (Of(Twice(3, 2, key=KEY)), {".*": EVEN}, TypeError, "layer, a Twice, has a __call__ of its own"),
        (Of(eqx.nn.ConvTranspose2d(2, 4, 3, key=KEY)), {".*": EVEN}, TypeError, "layer, a ConvTranspose2d, has no layer on tiles"),
        (
            eqx.tree_at(lambda net: net.layers[0].weight, net(), jnp.full((5, 6), jnp.nan)),
            {".*": EVEN},
            ValueError,
            r"layers\.0\.weight holds 30 of 30 entries",
        ),
    ],
)
def test_what_cannot_be_converted_is_refused_by_name(model, rules, error, message, unhooked):
    with pytest.raises(error, match=message):
        jt.nn.convert(model, rules, key=KEY)


@pytest.mark.parametrize("shape", [(0, 4), (3,), 3, (2.5, 2)])
def test_a_shape_of_arrays_is_two_whole_numbers(shape, unhooked):
    with pytest.raises(ValueError, match=r"Rule\.max_shape=.*a pair \(out, in\)"):
        jt.nn.Rule(EVEN, max_shape=shape)


def test_embeddings_and_norms_stay_digital():
    class Words(eqx.Module):
        embedding: eqx.nn.Embedding
        norm: eqx.nn.LayerNorm
        head: eqx.nn.Linear

    model = Words(eqx.nn.Embedding(5, 4, key=KEY), eqx.nn.LayerNorm(4), eqx.nn.Linear(4, 2, key=KEY))
    chip = jt.nn.convert(model, EVERYTHING, key=KEY)
    assert (type(chip.embedding), type(chip.norm), type(chip.head)) == (eqx.nn.Embedding, eqx.nn.LayerNorm, jt.nn.Linear)


def test_training_moves_the_target_along():
    chip = jt.nn.convert(Of(LAYERS["linear"]()[0]), {".*": EVEN}, key=KEY)
    optimizer = jt.nn.Optimizer(0.1, optax.sgd(0.1))
    _, grads = jt.nn.value_and_grad(total)(chip, normal(3, 6))
    after, _ = optimizer.step(chip, grads, optimizer.init(chip), key=KEY)
    assert not jnp.allclose(after.layer.target, chip.layer.target)
    np.testing.assert_array_equal(after.layer.target, after.layer.tile.weight)


def test_a_mask_that_might_be_of_samples_is_refused():
    attention = jt.nn.convert(Of(eqx.nn.MultiheadAttention(2, 6, key=KEY)), EVERYTHING, key=KEY).layer
    batch = jnp.ones((2, 4, 6))
    with pytest.raises(ValueError, match=r"mask has shape \(2, 4, 4\), and the batch holds 2 samples.*jax.vmap"):
        attention(batch, batch, batch, jnp.ones((2, 4, 4), bool))
