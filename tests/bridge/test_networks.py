"""Networks on tiles against those of aihwkit, on the very same chips."""

import pathlib
import runpy

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.configs.devices import ConstantStepDevice
from aihwkit.simulator.parameters.io import IOParameters
from scipy import stats

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
    ours = script["same"](theirs, "aggregate")
    _, grads = jt.nn.value_and_grad(jt.nn.cross_entropy)(ours, jnp.asarray(x), jnp.asarray(y), key=jr.key(0))
    for layer, analog in zip((0, 2), theirs.analog_tiles(), strict=True):
        pair, context = grads.layers[layer].tile, analog.analog_ctx
        np.testing.assert_allclose(pair.x[:, :-1], context.analog_input[0].detach().numpy(), atol=1e-5)
        np.testing.assert_allclose(pair.x[:, -1], 1)
        np.testing.assert_allclose(pair.d, context.analog_grad_output[0].detach().numpy(), atol=1e-5)


@pytest.mark.slow
def test_learning_curves_agree_with_those_of_aihwkit(script):
    """A small version of the script: paired by chip, the largest |t| within the Bonferroni limit of 1 %."""
    x, y, _ = script["images"]("digits")
    train, test = (x[:600], y[:600]), (x[1200:], y[1200:])
    models, theirs, orders = [], [], []
    for seed in range(6):
        torch.manual_seed(seed)
        model = script["network"](SingleRPUConfig(device=ConstantStepDevice()), [64, 12, 10])
        models.append(script["same"](model, "aggregate"))
        orders.append(np.random.default_rng(seed).permutation(600))
        theirs.append(script["train_there"](model, (train[0][orders[-1]], train[1][orders[-1]]), test, 8))
    ours, theirs = script["train_here"](models, np.array(orders), train, test, 8), np.array(theirs)
    assert np.mean(theirs[:, -1]) > 0.5
    pairs = np.column_stack([ours[:, 6:] - theirs[:, 6:], script["half_time"](ours) - script["half_time"](theirs)])
    t = pairs.mean(axis=0) / (pairs.std(axis=0, ddof=1) / np.sqrt(6))
    assert np.max(np.abs(t)) < stats.t.ppf(1 - 0.005 / t.size, 5)
