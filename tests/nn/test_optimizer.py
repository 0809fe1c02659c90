"""A step of the optimizer, against the verbs of a tile."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import jaxtile as jt
from jaxtile._random import Source, stream

PERFECT = jt.IOParameters(is_perfect=True)
KEY, RATE = jr.key(4), 0.1
X, Y = jr.normal(jr.key(1), (5, 6)), jnp.array([0, 1, 2, 0, 1])


def network(config=None, **options):
    config = jt.TileConfig(jt.device.ConstantStep(w_max_dtod=0.0), forward=PERFECT, backward=PERFECT) if config is None else config
    a, b = jr.split(jr.key(0))
    return jt.nn.Sequential([jt.nn.Linear(6, 4, config, key=a, **options), jnp.tanh, jt.nn.Linear(4, 3, config, key=b)])


def loss(model, x, y):
    return jt.nn.cross_entropy(model, x, y, key=jr.key(9))


gradient = jax.jit(jt.nn.value_and_grad(loss))


def step(model, optimizer, parts=None, *, count=0):
    grads = gradient(model, X, Y)[1]
    state = dataclasses.replace(optimizer.init(model, parts), count=jnp.asarray(count, jnp.int32))
    return optimizer.step(model, grads, state, key=KEY)[0], grads


def sent(layer, pair, rate=RATE, number=0):
    return jt.update(layer.tile, pair.x, pair.d, learning_rate=rate, key=jr.fold_in(KEY, number))


RATES = {
    "a number": (RATE, 0, (RATE, RATE)),
    "a schedule": (optax.exponential_decay(RATE, 10, 0.5), 20, (RATE / 4, RATE / 4)),
    "by path": ({"layers.2": 0.3, r"layers\..*": optax.constant_schedule(RATE)}, 0, (RATE, 0.3)),
}


@pytest.mark.parametrize("kind", RATES)
def test_a_step_is_the_update_of_each_tile_at_its_rate(kind):
    pulses, count, expected = RATES[kind]
    model, optimizer = network(), jt.nn.Optimizer(pulses, optax.sgd(0.5))
    after, grads = step(model, optimizer, count=count)
    for number, layer in enumerate((0, 2)):
        tile = sent(model.layers[layer], grads.layers[layer].tile, expected[number], number)
        np.testing.assert_array_equal(after.layers[layer].tile.weight, tile.weight)
        np.testing.assert_allclose(after.layers[layer].bias, model.layers[layer].bias - 0.5 * grads.layers[layer].bias, rtol=1e-6)


def test_the_norm_of_the_product_is_clipped_by_the_rate():
    model = network()
    norm = float(jnp.linalg.norm(gradient(model, X, Y)[1].layers[0].tile.dense))
    after, grads = step(model, jt.nn.Optimizer(RATE, optax.sgd(0.1), clip_norm=norm / 2))
    expected = sent(model.layers[0], grads.layers[0].tile, RATE / 2)
    np.testing.assert_allclose(after.layers[0].tile.weight, expected.weight, atol=1e-6)
    after, grads = step(model, jt.nn.Optimizer(RATE, optax.sgd(0.1), clip_norm=1e3))
    np.testing.assert_array_equal(after.layers[0].tile.weight, sent(model.layers[0], grads.layers[0].tile).weight)


def test_frozen_parts_send_nothing_and_stay():
    """Not even pulses of x alone, which would disturb."""
    half = jt.half_select.ConstantRatio(kappa=5.0)
    model = network(jt.TileConfig(half_select=half, forward=PERFECT, backward=PERFECT))
    parts = jt.nn.trainable(model)
    parts = jax.tree.map(
        lambda part: None if part is parts.layers[0].tile or part is parts.layers[2].bias else part, parts, is_leaf=_is_tile
    )
    optimizer = jt.nn.Optimizer({"layers.2": RATE}, optax.adam(0.1))
    after, _ = step(model, optimizer, parts)
    assert float(after.layers[0].tile.half_pulses) == 0
    np.testing.assert_array_equal(after.layers[0].tile.weight, model.layers[0].tile.weight)
    np.testing.assert_array_equal(after.layers[2].bias, model.layers[2].bias)
    assert not np.allclose(after.layers[0].bias, model.layers[0].bias)
    assert float(after.layers[2].tile.half_pulses) > 0


def _is_tile(node):
    return isinstance(node, jt.Tile)


def one_layer(device):
    return jt.nn.Sequential([jt.nn.Linear(6, 3, jt.TileConfig(device, forward=PERFECT, backward=PERFECT), key=KEY)])


def test_time_passes_once_a_step():
    """Diffusion, then decay, as after a mini-batch in aihwkit; then drift."""
    device = jt.device.SoftBounds(lifetime=10.0, diffusion=0.01)
    model = one_layer(device)
    after, grads = step(model, jt.nn.Optimizer(RATE, optax.sgd(0.1)))
    own = jr.fold_in(KEY, 0)
    diffused = jt.diffuse(sent(model.layers[0], grads.layers[0].tile), key=stream(own, Source.UPKEEP))
    np.testing.assert_allclose(after.layers[0].tile.weight, 0.9 * diffused.weight, atol=1e-6)
    drifting = one_layer(jt.device.Drifting(jt.device.ConstantStep(), nu=0.3))
    after, grads = step(drifting, jt.nn.Optimizer(RATE, optax.sgd(0.1), step_time=1000.0))
    drifted = jt.drift(sent(drifting.layers[0], grads.layers[0].tile), 1000.0, key=stream(own, Source.UPKEEP, 2))
    np.testing.assert_allclose(after.layers[0].tile.weight, drifted.weight, atol=1e-6)


class Fading(jt.device.ConstantStep):
    """A device of a user's own: it decays by a field of its own."""

    fading: jax.Array = eqx.field(default_factory=lambda: jnp.asarray(0.25))

    def fabricate(self, shape, *, key):
        return dataclasses.replace(
            jt.device.ConstantStep.fabricate(self, shape, key=key), decay_scale=jnp.full(shape, 1 - self.fading)
        )

    @property
    def decays(self):
        return True


def test_what_is_due_is_known_of_a_model_that_a_jitted_function_closes_over():
    """Its numbers are concrete, while others are traced."""
    model, optimizer = network(), jt.nn.Optimizer(RATE, optax.sgd(RATE))
    found = []
    jax.jit(lambda key: found.append(optimizer.init(model).due))(KEY)
    assert found == [optimizer.init(model).due]


def test_a_device_of_a_users_own_decays_by_whatever_name():
    layer = jt.nn.Linear(4, 3, jt.TileConfig(Fading()), bias=None, key=KEY)
    model = jt.nn.Sequential([layer])
    optimizer = jt.nn.Optimizer(RATE)
    nothing = jt.nn.Factors(jnp.zeros((0, 4)), jnp.zeros((0, 3)))
    grads = eqx.tree_at(lambda parts: parts.layers[0].tile, jt.nn.trainable(model), nothing, is_leaf=_is_tile)
    after, _ = optimizer.step(model, grads, optimizer.init(model), key=KEY)
    np.testing.assert_allclose(after.layers[0].tile.weight, 0.75 * layer.tile.weight, rtol=1e-6)


def test_what_remembers_observes_the_batch():
    """Noise management the vectors that were read, an input range what came into the layer."""
    io = jt.IOParameters(noise_management=jt.periphery.AverageAbsMax(nm_decay=0.1), out_noise=None, bound_management=None)
    ranges = jt.digital.InputRange(input_range=1.5, init_from_data=10, learn_input_range=False)
    model = network(jt.TileConfig(forward=io, backward=io), input_range=ranges)
    after, grads = step(model, jt.nn.Optimizer(RATE, optax.sgd(0.1)))
    pair, layer = grads.layers[0].tile, after.layers[0]
    np.testing.assert_allclose(pair.x, jnp.clip(X, -1.5, 1.5) / 1.5, rtol=1e-6)
    expected = jt.observe(model.layers[0].tile, x=pair.x, d=pair.d).now
    assert float(layer.tile.now.forward) == float(expected.forward) > 0
    assert float(layer.tile.now.backward) == float(expected.backward) > 0
    assert float(layer.input_range.input_range) == float(ranges.observe(X).input_range)


def test_a_range_that_no_data_would_find_is_refused():
    """Layers of digital weights show training no inputs; `calibrate` finds their ranges before."""
    wide = jt.digital.InputRange()
    model = network(input_range=wide, weights="digital")
    optimizer = jt.nn.Optimizer(RATE, optax.sgd(0.1))
    with pytest.raises(ValueError, match=r"layers.0 has weights=.digital.*found from 100 batches.*calibrate"):
        optimizer.init(model)
    found = jt.nn.calibrate(model, X, key=KEY)
    assert float(found.layers[0].input_range.input_range) == pytest.approx(float(jnp.max(jnp.abs(X))))
    optimizer.init(found)


def test_an_input_range_learns_if_it_is_to():
    moved = {}
    for learned in (True, False):
        ranges = jt.digital.InputRange(input_range=0.5, init_from_data=0, learn_input_range=learned)
        model = network(input_range=ranges)
        moved[learned] = float(step(model, jt.nn.Optimizer(RATE, optax.sgd(0.1)))[0].layers[0].input_range.input_range)
    assert moved[True] != 0.5
    assert moved[False] == 0.5


def test_what_has_no_meaning_is_refused(unhooked):
    with pytest.raises(TypeError, match="pulses have no momentum"):
        jt.nn.Optimizer(optax.sgd(0.1, momentum=0.9))
    with pytest.raises(TypeError, match="pulses have no momentum"):
        jt.nn.Optimizer({"layers.0": optax.adam(0.1)})
    with pytest.raises(TypeError, match="Optimizer.digital"):
        jt.nn.Optimizer(0.1, 0.1)
    with pytest.raises(ValueError, match="Optimizer.pulses"):
        jt.nn.Optimizer(-0.1)
    with pytest.raises(ValueError, match="digital parts: layers.0.bias"):
        jt.nn.Optimizer(0.1).init(network())
    with pytest.raises(ValueError, match="rates for layer.0, which match none of the layers layers.0, layers.2"):
        jt.nn.Optimizer({"layer.0": 0.1, ".*": 0.2}, optax.sgd(0.1)).init(network())
    model, optimizer = network(), jt.nn.Optimizer(0.1, optax.sgd(0.1))
    grads = eqx.tree_at(lambda grads: grads.layers[0].bias, gradient(model, X, Y)[1], None)
    with pytest.raises(ValueError, match="nothing for layers.0.bias"):
        optimizer.step(model, grads, optimizer.init(model), key=KEY)
    with pytest.raises(ValueError, match="no rate for layers.2, only for layers.0"):
        jt.nn.Optimizer({"layers.0": 0.1}, optax.sgd(0.1)).init(network())
