"""The pairs that a loss hands out: with ideal reads their product is the gradient of JAX."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import mostly_slow

import jaxtile as jt

KEY = jr.key(3)
PERFECT = jt.IOParameters(is_perfect=True)
CONFIG = jt.TileConfig(forward=PERFECT, backward=PERFECT)
X, Y = jr.normal(jr.key(1), (8, 6)), jnp.array([0, 1, 2, 0, 1, 2, 2, 1])


class Recurrent(eqx.Module):
    """A module of a user's own, whose first layer is called once a time step."""

    into: jt.nn.Linear
    out: jt.nn.Linear
    scale: jax.Array

    def __init__(self, key):
        a, b = jr.split(key)
        self.into, self.out = jt.nn.Linear(6, 6, CONFIG, bias="tile", key=a), jt.nn.Linear(6, 3, CONFIG, omega=0.5, key=b)
        self.scale = jnp.asarray(0.7)

    def __call__(self, x, *, key=None):
        for _ in range(3):
            x = jnp.tanh(self.scale * self.into(x))
        return self.out(x)


def sequential(key):
    a, b, c = jr.split(key, 3)
    between = [jax.nn.sigmoid, jt.nn.Linear(5, 4, CONFIG, bias=None, omega=0.4, columnwise=True, key=b), eqx.nn.LayerNorm(4)]
    return jt.nn.Sequential([jt.nn.Linear(6, 5, CONFIG, key=a), *between, jt.nn.Linear(4, 3, CONFIG, bias="tile", key=c)])


def loss(model, x, y, *, key=None):
    return jt.nn.cross_entropy(model, x, y, key=key)


def by_sample(model, x, y, *, key=None):
    return jnp.mean(jax.vmap(lambda x, y: jt.nn.cross_entropy(lambda x, key: model(x)[None], x, y[None]))(x, y))


def in_time(model, x, y, *, key=None):
    """`Recurrent` with its time steps in a loop."""

    def step(x, _):
        return jnp.tanh(model.scale * model.into(x)), None

    return jt.nn.cross_entropy(lambda x, key: model.out(jt.nn.scan(step, x, length=3)[0]), x, y)


def weights(grads):
    """The gradients of a model by path, those of tiles as matrices."""
    is_pair = lambda node: isinstance(node, jt.nn.Factors)
    leaves = jax.tree_util.tree_leaves_with_path(grads, is_leaf=is_pair)
    return {jax.tree_util.keystr(path): leaf.dense if is_pair(leaf) else leaf for path, leaf in leaves}


def of_jax(loss, model, *batch):
    """The gradient that JAX takes through the reads, by path; of tiles, of the weights."""
    grads = weights(eqx.filter_grad(loss)(model, *batch))
    return {path.removesuffix(".now.state"): leaf for path, leaf in grads.items()}


def assert_same(ours, theirs):
    assert ours
    for path in ours:
        np.testing.assert_allclose(ours[path], theirs[path], atol=1e-5, err_msg=path)


@pytest.mark.parametrize("make", mostly_slow([sequential, Recurrent], Recurrent))
def test_products_of_pairs_are_the_gradients_of_jax(make):
    model = make(KEY)
    value, grads = jt.nn.value_and_grad(loss)(model, X, Y)
    assert float(value) == pytest.approx(float(loss(model, X, Y)), abs=1e-6)
    assert_same(weights(grads), of_jax(loss, model, X, Y))


@pytest.mark.parametrize("make", mostly_slow([sequential, Recurrent], sequential))
def test_single_samples_under_vmap_hand_out_the_same_pairs(make):
    model = make(KEY)
    whole = jt.nn.value_and_grad(loss)(model, X, Y)[1]
    single = jax.jit(jt.nn.value_and_grad(by_sample))(model, X, Y)[1]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), whole, single)


def test_chips_under_vmap_hand_out_their_own_pairs():
    models = [sequential(key) for key in jr.split(KEY, 2)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)
    for one in (loss, by_sample):
        grads = jax.vmap(lambda model, one=one: jt.nn.value_and_grad(one)(model, X, Y)[1])(stacked)
        for n, model in enumerate(models):
            assert_same(weights(jax.tree.map(lambda leaf, n=n: leaf[n], grads)), of_jax(loss, model, X, Y))


def test_batches_of_a_loop_hand_out_the_pairs_of_each():
    model, batches = sequential(KEY), (X.reshape(4, 2, 6), Y.reshape(4, 2))
    grads = jax.lax.scan(lambda carry, batch: (carry, jt.nn.value_and_grad(loss)(model, *batch)[1]), None, batches)[1]
    for n in range(4):
        assert_same(weights(jax.tree.map(lambda leaf, n=n: leaf[n], grads)), of_jax(loss, model, batches[0][n], batches[1][n]))


def test_a_layer_that_is_called_often_hands_out_a_pair_for_each_call_in_order():
    model = Recurrent(KEY)
    pair = jt.nn.value_and_grad(loss)(model, X, Y)[1].into.tile
    assert pair.x.shape == (24, 7)
    assert pair.d.shape == (24, 6)
    first = jnp.concatenate([X, jnp.ones((8, 1))], axis=1)
    np.testing.assert_array_equal(pair.x[:8], first)
    second = jnp.tanh(model.scale * jt.forward(model.into.tile, first, key=KEY))
    np.testing.assert_allclose(pair.x[8:16, :6], second, atol=1e-6)
    looped = jax.jit(jt.nn.value_and_grad(in_time))(model, X, Y)[1]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), looped.into.tile, pair)
    jitted = jt.nn.value_and_grad(lambda model, x, y: loss(eqx.filter_jit(model), x, y))(model, X, Y)[1]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), jitted.into.tile, pair)


def test_the_loss_is_a_mean_so_d_holds_one_over_n():
    """The sum over n equal samples of d^T x is the gradient of one sample, as the AnalogSGD of aihwkit sends it."""
    model = sequential(KEY)
    one = jt.nn.value_and_grad(loss)(model, X[:1], Y[:1])[1].layers[0].tile
    many = jt.nn.value_and_grad(loss)(model, jnp.tile(X[:1], (5, 1)), jnp.tile(Y[:1], 5))[1].layers[0].tile
    np.testing.assert_allclose(many.d, jnp.tile(one.d, (5, 1)) / 5, atol=1e-7)
    np.testing.assert_allclose(many.dense, one.dense, atol=1e-6)
    assert float(many.norm) == pytest.approx(float(jnp.linalg.norm(one.dense)), rel=1e-5)


def plain_scan(model, x, y):
    return jnp.mean(jax.lax.scan(lambda x, _: (model.into(x), None), x, length=3)[0])


def a_map(model, x, y):
    return jnp.mean(jax.lax.map(model.into, x))


def a_branch(model, x, y):
    return jnp.mean(jax.lax.cond(jnp.sum(x) > 0, lambda x: model.into(x), lambda x: x, x))


def an_unrolled_loop(model, x, y):
    return jnp.mean(jax.lax.fori_loop(0, 3, lambda _, x: model.into(x), x))


@pytest.mark.parametrize("inside", [plain_scan, a_map, a_branch, an_unrolled_loop], ids=lambda one: one.__name__)
def test_calls_that_cannot_be_told_apart_are_refused_by_name(inside):
    with pytest.raises(TypeError, match="into is called inside of .*jaxtile.nn.scan"):
        jt.nn.value_and_grad(inside)(Recurrent(KEY), X, Y)


def test_a_rematerialised_layer_hands_out_the_same_pairs():
    model = Recurrent(KEY)
    grads = jt.nn.value_and_grad(lambda model, x, y: loss(eqx.filter_checkpoint(model), x, y))(model, X, Y)[1]
    assert_same(weights(grads), of_jax(loss, model, X, Y))


def a_penalty(model, x, y):
    return loss(model, x, y) + 1e-3 * jnp.sum(model.into.tile.weight**2)


def a_read_past_the_layer(model, x, y):
    return loss(model, x + jt.forward(model.into.tile, jnp.ones((8, 7)), key=KEY), y)


def a_scale_in_a_loop(model, x, y):
    step = lambda carry, _: ((carry[1], carry[1] * jnp.max(model.into.tile.weight)), None)
    return loss(model, x, y) * jax.lax.scan(step, (1.0, 1.0), length=2)[0][0]


@pytest.mark.parametrize("beside", [a_penalty, a_read_past_the_layer, a_scale_in_a_loop], ids=lambda one: one.__name__)
def test_a_loss_that_uses_weights_beside_reading_them_is_refused(beside):
    with pytest.raises(ValueError, match="loss uses the weights of into in another way.*stop_gradient"):
        jt.nn.value_and_grad(beside)(Recurrent(KEY), X, Y)


def test_all_layers_whose_weights_are_used_beside_are_named():
    def both(model, x, y):
        return a_penalty(model, x, y) + jnp.sum(jnp.abs(model.out.tile.weight))

    with pytest.raises(ValueError, match="loss uses the weights of into, out in another way"):
        jt.nn.value_and_grad(both)(Recurrent(KEY), X, Y)


def test_weights_without_a_gradient_may_be_used():
    model = Recurrent(KEY)
    logged = lambda model, x, y: loss(model, x, y) + jnp.sum(jax.lax.stop_gradient(model.into.tile.weight))
    assert_same(weights(jt.nn.value_and_grad(logged)(model, X, Y)[1]), of_jax(loss, model, X, Y))
