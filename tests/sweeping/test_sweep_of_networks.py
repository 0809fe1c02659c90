"""Sweeps without a target: any pure function of a configuration and a key, such as the training of a network."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from sweeps import CONFIG, KEY, TARGET, drawn, same

import jaxtile as jt


class Descent(eqx.Module):
    rate: float = 0.5
    hardware: jt.TileConfig = CONFIG


def descend(config, key):
    """Of a parabola: each step keeps 1 - rate of the distance."""
    start = jr.normal(key)
    return {"distance": start * (1 - config.rate) ** jnp.arange(4.0), "kappa": config.hardware.half_select.kappa}


def test_a_function_of_a_configuration_and_a_key(tmp_path):
    over = {"rate": [0.25, 0.5], "hardware.half_select.kappa": [10.0, 30.0, 100.0]}
    options = {"key": KEY, "over": over, "chips": 2, "seeds": 2, "width": 5}
    data = jt.sweep(descend, Descent(), **options)
    assert data.distance.dims == ("rate", "hardware.half_select.kappa", "chip", "seed", "distance_0")
    keys = [[jr.fold_in(jr.fold_in(jr.fold_in(jr.fold_in(KEY, 1), chip), 0), seed) for seed in range(2)] for chip in range(2)]
    start = np.asarray([[jr.normal(key) for key in row] for row in keys])
    way = (1 - np.asarray([0.25, 0.5]))[:, None] ** np.arange(4)
    np.testing.assert_allclose(
        data.distance, start[None, None, :, :, None] * way[:, None, None, None, :] + np.zeros((1, 3, 1, 1, 1)), rtol=1e-6
    )
    np.testing.assert_allclose(data.kappa.isel(rate=0, chip=0, seed=0), over["hardware.half_select.kappa"])
    jt.sweep(descend, Descent(), store=tmp_path / "s.zarr", **options | {"chips": 1})
    same(jt.sweep(descend, Descent(), store=tmp_path / "s.zarr", **options), data)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((drawn, CONFIG), "does not take config, key"),
        ((descend, Descent(), TARGET), "config=Descent"),
        ((descend, CONFIG, TARGET), "does not take tile, target, key .* without one config and key"),
        ((jt.Programming(jt.SVD()), CONFIG), "does not take config, key"),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_functions_of_other_arguments_are_refused(arguments, words):
    with pytest.raises(TypeError, match=words):
        jt.sweep(*arguments, key=KEY)


@pytest.mark.slow
def test_training_over_time_on_many_chips():
    optax = pytest.importorskip("optax")
    x = jr.normal(jr.key(0), (40, 6))
    y = (x[:, 0] > 0).astype(int)

    def trained(config, key):
        made, training = jr.split(key)
        model = jt.nn.Linear(6, 2, config, key=made)
        optimizer = jt.nn.Optimizer(pulses=0.3, digital=optax.sgd(0.1))
        options = {"epochs": 3, "batch_size": 10, "test": (x, y), "metrics": {"accuracy": jt.nn.accuracy}}
        return {"accuracy": jt.train(model, jt.nn.cross_entropy, (x, y), optimizer, key=training, **options).history["accuracy"]}

    data = jt.sweep(trained, jt.TileConfig(), key=KEY, over={"device.dw_min": [1e-3, 1e-2]}, chips=2)
    assert data.accuracy.shape == (2, 2, 1, 3)
    key = jr.fold_in(jr.fold_in(jr.fold_in(jr.fold_in(KEY, 1), 1), 0), 0)
    alone = jax.jit(trained)(jt.TileConfig(device=jt.device.ConstantStep(dw_min=1e-2)), key)
    np.testing.assert_allclose(data.accuracy[1, 1, 0], alone["accuracy"], atol=0.1)
    assert data.accuracy[:, :, :, -1].mean() > 0.8
