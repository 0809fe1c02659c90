"""Layers: keys, noise-aware training, digital weights, and what a model may be made of."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import jaxtile as jt

KEY = jr.key(2)
PERFECT = jt.IOParameters(is_perfect=True)
EVEN = jt.device.ConstantStep(w_max_dtod=0.0, w_min_dtod=0.0)
IDEAL, NOISY = jt.TileConfig(EVEN, forward=PERFECT, backward=PERFECT), jt.TileConfig()
X = jr.normal(jr.key(1), (5, 6))


def mean(model, x, *, key=None):
    return jnp.mean(model(x, key=key) ** 2)


def test_a_read_that_draws_needs_a_key():
    layer = jt.nn.Linear(6, 4, NOISY, key=KEY)
    with pytest.raises(ValueError, match="Linear needs a key.*jaxtile.nn.with_key"):
        layer(X)
    model = jt.nn.Sequential([layer, jnp.tanh, jt.nn.Linear(4, 3, NOISY, key=jr.key(3))])
    with pytest.raises(ValueError, match="layers.0 needs a key"):
        jt.nn.value_and_grad(mean)(model, X)
    backward_only = jt.nn.Linear(6, 4, jt.TileConfig(forward=PERFECT), key=KEY)
    assert backward_only(X).shape == (5, 4)
    with pytest.raises(ValueError, match="model needs a key"):
        jt.nn.value_and_grad(mean)(backward_only, X)
    stored = jt.nn.with_key(model, KEY)
    between = jnp.tanh(layer(X, key=jr.fold_in(KEY, 0)))
    np.testing.assert_array_equal(stored(X), model.layers[2](between, key=jr.fold_in(KEY, 1)))
    np.testing.assert_array_equal(stored(np.asarray(X, np.float64)), stored(X))
    pair = jt.nn.value_and_grad(mean)(stored, X)[1].layers[2].tile
    np.testing.assert_allclose(pair.x, between, atol=1e-6)
    with pytest.raises(ValueError, match="layers.0 is called 2 times with the one key"):
        jt.nn.value_and_grad(lambda model, x: mean(model, x) + mean(model, 2 * x))(stored, X)


def test_each_sample_under_vmap_draws_as_if_it_were_alone():
    """And the backward read draws noise of its own: of weights of zero nothing else comes back."""
    layer = jt.nn.Linear(6, 6, NOISY, bias=None, key=KEY)
    silent = layer.replace(tile=jt.set_weights(layer.tile, jnp.zeros((6, 6))))
    model = jt.nn.Sequential([layer, silent])

    def loss(model, x, keys):
        return jnp.sum(jax.vmap(lambda x, key: model(x, key=key))(x, keys))

    keys = jr.split(KEY, 5)
    whole = jt.nn.value_and_grad(loss)(model, X, keys)[1].layers[0].tile
    for n in range(5):
        alone = jt.nn.value_and_grad(loss)(model, X[n : n + 1], keys[n : n + 1])[1].layers[0].tile
        np.testing.assert_allclose(whole.d[n], alone.d[0], atol=1e-6)
    forward = jt.forward(silent.tile, jnp.ones((6,)), key=jr.fold_in(keys[0], 1))
    assert np.mean(whole.d != 0) > 0.5
    assert not np.allclose(np.abs(whole.d[0]), np.abs(forward), atol=1e-3)


def test_modifiers_act_in_training_only():
    modifier = jt.modifier.AddNormal(std_dev=0.3, assumed_wmax=1.0)
    layer = jt.nn.Linear(6, 4, IDEAL, modifier=modifier, key=KEY)
    plain = layer.replace(modifier=None)
    still = eqx.nn.inference_mode(layer)
    np.testing.assert_array_equal(still(X), plain(X))
    noisy = np.stack([layer(jnp.eye(6), key=key) - plain(jnp.eye(6)) for key in jr.split(KEY, 40)])
    assert np.std(noisy) == pytest.approx(0.3, rel=0.1)
    with pytest.raises(ValueError, match="needs a key"):
        layer(X)
    # The backward read sees the weights of the forward one, and the pulses go to the true ones.
    pair = jt.nn.value_and_grad(lambda m, x: jnp.sum(m(x, key=KEY)))(layer, X)[1].tile
    np.testing.assert_array_equal(pair.x, X)
    into = lambda x: jnp.sum(layer(x, key=KEY))
    model = jt.nn.Sequential([jt.nn.Linear(6, 6, IDEAL, bias=None, key=jr.key(8)), layer])
    ours = jt.nn.value_and_grad(lambda m, x: jnp.sum(m.layers[1](m.layers[0](x), key=KEY)))(model, X)[1]
    np.testing.assert_allclose(ours.layers[0].tile.d, jax.grad(into)(model.layers[0](X)), atol=1e-6)


def test_digital_weights_reach_optax_as_an_array():
    model = jt.nn.Sequential([jt.nn.Linear(6, 4, IDEAL, weights="digital", key=KEY), jnp.tanh, jt.nn.Linear(4, 3, IDEAL, key=KEY)])
    assert jt.nn.trainable(model).layers[0].tile.shape == (4, 6)
    _, grads = jt.nn.value_and_grad(mean)(model, X)
    expected = eqx.filter_grad(mean)(model, X)
    np.testing.assert_allclose(grads.layers[0].tile, expected.layers[0].tile.state, atol=1e-6)
    optimizer = jt.nn.Optimizer(0.1, optax.sgd(0.2))
    after, _ = optimizer.step(model, grads, optimizer.init(model), key=KEY)
    tile = model.layers[0].tile
    np.testing.assert_allclose(after.layers[0].tile.weight, jt.set_weights(tile, tile.weight - 0.2 * grads.layers[0].tile).weight)
    assert float(after.layers[0].tile.full_pulses) == 0
    assert float(after.layers[2].tile.full_pulses) > 0


def test_first_weights_are_those_of_torch_within_what_devices_hold():
    layer = jt.nn.Linear(100, 200, jt.TileConfig(jt.device.ConstantStep(w_max=0.05, w_min=-0.05)), key=KEY)
    weight, cells = layer.tile.weight, layer.tile.cells
    assert np.all((weight <= cells.w_max) & (weight >= cells.w_min))
    free = jt.nn.Linear(100, 200, IDEAL, key=KEY).tile.weight
    assert np.max(np.abs(free)) <= 0.1 + 1e-6
    assert np.std(free) == pytest.approx(0.1 / np.sqrt(3), rel=0.02)
    mapped = jt.nn.Linear(100, 200, IDEAL, omega=0.3, columnwise=True, key=KEY)
    np.testing.assert_allclose(np.max(np.abs(mapped.tile.weight), axis=1), 0.3, rtol=1e-5)
    np.testing.assert_allclose(mapped.tile.weight * mapped.mapping_scales[:, None], free, atol=1e-6)


def test_a_mapping_scale_goes_into_d_by_the_chain_rule():
    """So a logical step is s^2 times that of an unmapped layer; aihwkit divides d by s instead, which makes it 1."""
    plain = jt.nn.Linear(6, 4, IDEAL, bias=None, key=KEY)
    mapped = jt.nn.Linear(6, 4, IDEAL, bias=None, omega=0.5, key=KEY)
    scale = float(mapped.mapping_scales[0])
    ours, theirs = (jt.nn.value_and_grad(mean)(layer, X)[1].tile for layer in (mapped, plain))
    np.testing.assert_allclose(ours.x, theirs.x)
    np.testing.assert_allclose(ours.d, scale * theirs.d, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(scale * ours.dense, scale**2 * theirs.dense, rtol=1e-4, atol=1e-7)


def test_layers_of_equinox_are_mapped_over_samples():
    inner = eqx.nn.Linear(6, 4, key=KEY)
    model = jt.nn.Sequential([inner, eqx.nn.Dropout(0.5), jt.nn.Linear(4, 3, IDEAL, key=KEY)])
    still = eqx.nn.inference_mode(model)
    expected = jax.vmap(inner)(X)
    np.testing.assert_allclose(still.layers[0](X), expected, rtol=1e-6)
    dropped = model.layers[1](expected, key=KEY) == 0
    assert 0 < np.mean(dropped) < 1
    assert not np.all(dropped == dropped[:1])
    assert jt.nn.trainable(model).layers[0].layer.weight is inner.weight


def test_images_are_samples_where_the_first_layer_takes_images():
    """The layers' own `vmap` is the judge; without a batch, and under a user's `vmap`, the outputs are the same."""
    a, b = jr.split(KEY)
    conv, pool, norm = eqx.nn.Conv2d(2, 3, 3, key=a), eqx.nn.AvgPool2d(2, 2), eqx.nn.GroupNorm(1, 3)
    last = jt.nn.Linear(12, 4, IDEAL, key=b)
    images = jr.normal(KEY, (5, 2, 6, 6))
    expected = last(jax.vmap(lambda x: jnp.ravel(pool(norm(jax.nn.relu(conv(x))))))(images))
    model = jt.nn.Sequential([conv, jax.nn.relu, norm, pool, eqx.nn.Lambda(jnp.ravel), last])
    on_tiles = jt.nn.convert(model, {"layers.0": IDEAL}, key=KEY)
    for network in (model, jax.vmap(model), lambda x: jnp.stack([model(one) for one in x]), on_tiles):
        np.testing.assert_allclose(network(images), expected, atol=1e-5)


def test_a_function_may_change_the_axes_of_samples():
    inner = eqx.nn.Linear(12, 4, key=KEY)
    model = jt.nn.Sequential([lambda x: x.reshape(len(x), -1), inner, eqx.nn.Lambda(jax.nn.softmax)])
    images = jr.normal(KEY, (5, 3, 4))
    np.testing.assert_allclose(model(images), jax.nn.softmax(jax.vmap(inner)(images.reshape(5, 12))), rtol=1e-5)


def test_wrong_layers_are_refused(unhooked):
    with pytest.raises(ValueError, match="Linear.around"):
        jt.nn.Linear(jt.init(IDEAL, (2, 3), key=KEY), None, IDEAL, key=KEY)
    with pytest.raises(ValueError, match="Linear.bias"):
        jt.nn.Linear(3, 2, IDEAL, bias=True, key=KEY)
    with pytest.raises(ValueError, match="Linear.weights"):
        jt.nn.Linear(3, 2, IDEAL, weights="analog", key=KEY)
    with pytest.raises(TypeError, match="Linear.modifier"):
        jt.nn.Linear(3, 2, IDEAL, modifier=0.1, key=KEY)
    with pytest.raises(TypeError, match="neither a layer nor a function"):
        jt.nn.Sequential([3])
    with pytest.raises(TypeError, match="loss returned float32"):
        jt.nn.value_and_grad(lambda m, x: m(x))(jt.nn.Linear(6, 4, IDEAL, key=KEY), X)
    with pytest.raises(ValueError, match="loss reads none of the layers model"):
        jt.nn.value_and_grad(lambda m, x: jnp.mean(x))(jt.nn.Linear(6, 4, IDEAL, key=KEY), X)
    with pytest.raises(TypeError, match="differentiated inside of the loss"):
        jt.nn.value_and_grad(lambda m, x: jnp.sum(jax.grad(lambda x: jnp.sum(m(x)))(x)))(jt.nn.Linear(6, 4, IDEAL, key=KEY), X)
    stacked = jax.vmap(lambda key: jt.nn.Linear(6, 4, IDEAL, key=key))(jr.split(KEY, 2))
    with pytest.raises(ValueError, match="over the chips instead"):
        jt.nn.value_and_grad(lambda m, x: jnp.sum(jax.vmap(lambda m: m(x))(m)))(stacked, X)


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ({"out_scales": [1.0, 2.0]}, ValueError, r"Linear.out_scales has shape \(2,\)"),
        ({"bias": jnp.zeros(4)}, ValueError, r"Linear.bias has shape \(4,\)"),
        ({"input_range": 3.0}, TypeError, "Linear.input_range=3.0"),
        ({"modifier": 0.1}, TypeError, "Linear.modifier=0.1 is no modifier"),
        ({"target": jnp.zeros((5, 3))}, ValueError, r"Linear.target has shape \(5, 3\)"),
        ({"weights": "optax"}, ValueError, "Linear.weights='optax'"),
        ({"scale": 1.0}, TypeError, "Linear has no scale"),
        ({"tile": jnp.zeros((3, 5))}, TypeError, "is no tile"),
    ],
)
def test_other_parts_are_checked_like_the_first(parts, error, message, unhooked):
    tile = jt.init(jt.TileConfig(), (3, 5), key=jr.key(0))
    with pytest.raises(error, match=message):
        jt.nn.Linear.around(**{"tile": tile} | parts)
    with pytest.raises(error, match=message):
        jt.nn.Linear.around(tile).replace(**parts)


def test_a_tile_of_another_size_does_not_take_over_the_scales():
    layer = jt.nn.Linear.around(jt.init(jt.TileConfig(), (3, 5), key=jr.key(0)), out_scales=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"Linear.out_scales has shape \(3,\)"):
        layer.replace(tile=jt.init(jt.TileConfig(), (4, 5), key=jr.key(0)))


def test_only_layers_on_tiles_are_taken_back():
    """A module of one's own with a method of that name is left as it is."""

    class Own(eqx.Module):
        layer: jt.nn.Linear

        def to_digital(self):
            raise AssertionError("this is no layer on tiles")

    back = jt.nn.to_digital(Own(jt.nn.Linear(5, 3, jt.TileConfig(), key=jr.key(0))))
    assert isinstance(back, Own)
    assert isinstance(back.layer, eqx.nn.Linear)
