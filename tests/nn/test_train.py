"""Training on real data."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from sklearn.datasets import load_digits

import jaxtile as jt

X, Y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
TRAIN, TEST = (X[:1203], Y[:1203]), (X[1203:], Y[1203:])
OPTIMIZER = jt.nn.Optimizer(0.1, optax.adam(1e-3))
METRICS = {"accuracy": jt.nn.accuracy}


def network(key, config=jt.TileConfig()):  # noqa: B008
    a, b = jr.split(key)
    return jt.nn.Sequential([jt.nn.Linear(64, 16, config, key=a), jax.nn.sigmoid, jt.nn.Linear(16, 10, config, key=b)])


def train(key, **changes):
    options = {"epochs": 4, "batch_size": 10, "test": TEST, "metrics": METRICS, "key": key}
    return jt.train(network(key), jt.nn.cross_entropy, TRAIN, OPTIMIZER, **options | changes)


def test_digits_are_learned():
    run = train(jr.key(0))
    assert run.history["accuracy"].shape == (4,)
    assert run.stats["accuracy"] > 0.6
    assert run.result == jt.nn.OUTCOMES.all_epochs
    assert np.all(np.diff(run.history["loss"]) < 0)
    assert run.stats["layers.0.pulses"] > 0
    assert float(run.stats["layers.2.largest"]) == pytest.approx(float(jnp.max(jnp.abs(run.model.layers[2].tile.weight))))


def test_an_update_is_that_of_the_tile_with_the_rate():
    model = network(jr.key(0))
    _, grads = jt.nn.value_and_grad(jt.nn.cross_entropy)(model, jnp.asarray(X[:4]), jnp.asarray(Y[:4]), key=jr.key(1))
    after, _ = OPTIMIZER.step(model, grads, OPTIMIZER.init(model), key=jr.key(2))
    pair = grads.layers[2].tile
    expected = jt.update(model.layers[2].tile, pair.x, pair.d, learning_rate=0.1, key=jr.fold_in(jr.key(2), 1))
    np.testing.assert_array_equal(after.layers[2].tile.weight, expected.weight)
