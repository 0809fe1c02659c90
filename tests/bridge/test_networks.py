"""Networks on tiles against those of aihwkit, on the very same chips."""

import pathlib
import runpy

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.nn import AnalogLinear, AnalogSequential
from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.configs.devices import ConstantStepDevice
from aihwkit.simulator.parameters.io import IOParameters
from scipy import stats

import bridge
import jaxtile as jt

SCRIPT = pathlib.Path(__file__).parents[2] / "docs/scripts/training_parity.py"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


def test_the_pairs_of_a_batch_are_those_that_analog_sgd_sends(script):
    """The loss is a mean, so the factor 1/n is in d on either side."""
    perfect = IOParameters(is_perfect=True)
    config = SingleRPUConfig(device=ConstantStepDevice(), forward=perfect, backward=perfect)
    theirs = script["network"](config, [6, 5, 3])
    x, y = np.random.default_rng(0).uniform(0, 1, (7, 6)).astype(np.float32), np.arange(7) % 3
    torch.nn.CrossEntropyLoss()(theirs(torch.tensor(x)), torch.tensor(y)).backward()
    ours = script["same"](theirs)
    _, grads = jt.nn.value_and_grad(jt.nn.cross_entropy)(ours, jnp.asarray(x), jnp.asarray(y), key=jr.key(0))
    for layer, analog in zip((0, 2), theirs.analog_tiles(), strict=True):
        pair, context = grads.layers[layer].tile, analog.analog_ctx
        np.testing.assert_allclose(pair.x[:, :-1], context.analog_input[0].detach().numpy(), atol=1e-5)
        np.testing.assert_allclose(pair.x[:, -1], 1)
        np.testing.assert_allclose(pair.d, context.analog_grad_output[0].detach().numpy(), atol=1e-5)


@pytest.mark.slow
def test_learning_curves_agree_with_those_of_aihwkit(script):
    """A small version of the script: paired by chip, the largest |t| within the Bonferroni limit of 1 %."""
    train, test = script["images"]()
    train, test = (train[0][:600], train[1][:600]), (test[0][:300], test[1][:300])
    case = script["CASES"]["constant step"]
    lines = [script["both"](case, [64, 12, 10], train, test, epochs=8, seed=seed) for seed in range(6)]
    ours, theirs = (np.array([line[who] for line in lines]) for who in ("jaxtile", "aihwkit"))
    assert np.mean(theirs[:, -1]) > 0.5
    t = script["t_values"](ours, theirs)
    assert np.max(np.abs(t)) < script["limit"](t.size, chips=6)


def test_a_t_value_is_that_of_the_paired_differences(script):
    ours, theirs = np.random.default_rng(0).uniform(0.4, 0.9, (2, 6, 4))
    t = script["t_values"](ours, theirs)
    np.testing.assert_allclose(t[:2], stats.ttest_rel(ours[:, 2:], theirs[:, 2:]).statistic)
    assert script["half_time"](np.array([[0.1, 0.3, 0.5, 0.8]]))[0] == pytest.approx(2.5)
    shifted = script["t_values"](theirs + 0.1, theirs)
    assert np.all(np.abs(shifted[:2]) > 1e6)
    assert np.all(script["t_values"](ours, ours) == 0)


SEEDS, KEYS, EPOCHS = 3, 12, 2


@pytest.mark.slow
def test_training_under_half_selection_agrees_with_the_bridge_in_the_loop_of_aihwkit(script):
    """The same chips, weights and samples: what one run there ends with is a draw of what many runs here end with."""
    (x, y), _ = script["images"]()
    train = x[:60], y[:60]

    def config(kappa):
        half_select = jt.half_select.ConstantRatio(kappa=kappa, phases="active")
        return bridge.RPUConfigWithProgram(device=ConstantStepDevice(dw_min=0.01), half_select=half_select)

    def make(kappa):
        layers = [AnalogLinear(64, 8, bias=False, rpu_config=config(kappa)), torch.nn.Sigmoid()]
        return AnalogSequential(*layers, AnalogLinear(8, 10, bias=False, rpu_config=config(kappa)))

    @jax.jit
    def learn(first, second, keys):
        model = jt.nn.Sequential([jt.nn.Linear.around(first), jax.nn.sigmoid, jt.nn.Linear.around(second)])
        options = {"epochs": EPOCHS, "batch_size": 10, "shuffle": False}
        many = lambda key: jt.train(model, jt.nn.cross_entropy, train, jt.nn.Optimizer(0.1), key=key, **options).model
        after = jax.vmap(many)(keys).layers
        return [jax.vmap(ends, in_axes=(None, 0))(*one) for one in ((first, after[0].tile), (second, after[2].tile))]

    def ends(before, tile):
        change = tile.weight - before.weight
        idle = jnp.min(jnp.mean(change**2, axis=0)) ** 0.5  # a column of pixels that are always dark moves by half pulses alone
        return jnp.stack([jnp.mean(change), jnp.mean(change**2) ** 0.5, idle, tile.half_pulses, tile.full_pulses])

    t = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        theirs = make(10.0)
        before = [analog.tile.jax_tile for analog in theirs.analog_tiles()]
        ours = np.concatenate(learn(*before, jr.split(jr.key(seed), KEYS)), axis=1)
        script["train_there"](theirs, train, train, rate=0.1, epochs=EPOCHS)
        after = [analog.tile.jax_tile for analog in theirs.analog_tiles()]
        found = np.concatenate([ends(one, other) for one, other in zip(before, after, strict=True)])
        t.append((found - ours.mean(axis=0)) / (ours.std(axis=0, ddof=1) * np.sqrt(1 + 1 / KEYS)))
    limit = script["limit"](np.size(t), chips=KEYS)
    assert np.max(np.abs(t)) < limit, np.round(t, 2)
    unselected = [eqx.tree_at(lambda tile: tile.config.half_select.kappa, tile, jnp.asarray(1e6)) for tile in before]
    without = np.concatenate(learn(*unselected, jr.split(jr.key(0), KEYS)), axis=1)
    assert np.max(without[:, 2]) < 0.1 * np.min(ours[:, 2])  # so the test would see it
