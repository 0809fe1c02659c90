"""Networks on grids of tiles beside aihwkit's mapped layers: the same split, the same converters, the noise off."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("aihwkit")

from aihwkit.nn import AnalogConv2dMapped, AnalogLinearMapped  # noqa: E402
from aihwkit.simulator.configs import ConstantStepDevice, SingleRPUConfig  # noqa: E402

import bridge  # noqa: E402
import jaxtile as jt  # noqa: E402

KEY = jr.key(0)
LARGEST = 0.6


def rpu_config(most=None, noise=0.0):
    """Converters of few bits, so that it shows which tile a number passes through."""
    config = SingleRPUConfig(device=ConstantStepDevice(w_max_dtod=0.0, w_min_dtod=0.0))
    config.forward.out_noise, config.forward.inp_res, config.forward.out_res = noise, 1 / 14, 1 / 62
    if most is not None:
        config.mapping.max_output_size, config.mapping.max_input_size = most
    return config


def scaled(layer):
    """With a largest weight of 0.6, the end of the range: then both map by a scale of 1."""
    return eqx.tree_at(lambda layer: layer.weight, layer, layer.weight * LARGEST / jnp.max(jnp.abs(layer.weight)))


def put(analog, layer):
    analog.set_weights(torch.tensor(np.asarray(layer.weight)), torch.tensor(np.asarray(layer.bias).ravel()))


class Mlp(eqx.Module):
    first: eqx.Module
    second: eqx.Module

    def __call__(self, x):
        return self.second(jnp.tanh(self.first(x)))


def test_an_mlp():
    k0, k1 = jr.split(KEY)
    plain = Mlp(scaled(eqx.nn.Linear(11, 9, key=k0)), scaled(eqx.nn.Linear(9, 5, key=k1)))
    chip = jt.nn.convert(plain, {".*": bridge.tile_config(rpu_config())}, max_shape=(4, 5), key=KEY)
    theirs = [AnalogLinearMapped(11, 9, rpu_config=rpu_config((4, 5))), AnalogLinearMapped(9, 5, rpu_config=rpu_config((4, 5)))]
    for analog, layer in zip(theirs, (plain.first, plain.second), strict=True):
        put(analog, layer)
    x = np.random.default_rng(0).normal(size=(20, 11)).astype(np.float32)
    with torch.no_grad():
        expected = theirs[1](torch.tanh(theirs[0](torch.tensor(x)))).numpy()
    found = np.asarray(jt.nn.with_key(chip, KEY)(jnp.asarray(x)))
    assert np.abs(expected - np.asarray(jax.vmap(plain)(x))).max() > 0.02  # the converters do show
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.slow
def test_a_convolution():
    plain = scaled(eqx.nn.Conv2d(3, 6, 3, padding=1, key=KEY))
    chip = jt.nn.convert(Mlp(plain, eqx.nn.Identity()), {"first": bridge.tile_config(rpu_config())}, max_shape=(4, 10), key=KEY)
    analog = AnalogConv2dMapped(3, 6, 3, padding=1, rpu_config=rpu_config((4, 10)))
    put(analog, eqx.tree_at(lambda conv: conv.weight, plain, plain.weight.reshape(6, -1)))
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 5)).astype(np.float32)
    with torch.no_grad():
        expected = analog(torch.tensor(x)).numpy()
    found = np.asarray(jt.nn.with_key(chip, KEY).first(jnp.asarray(x)))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def z_values(here, there):
    """Differences of means and of variances, each over its standard error."""

    def fourth(x):
        return np.mean((x - x.mean(0)) ** 4, axis=0)

    n = here.shape[0]
    means = (here.mean(0) - there.mean(0)) / np.sqrt((here.var(0) + there.var(0)) / n)
    spread = (fourth(here) - here.var(0) ** 2 + fourth(there) - there.var(0) ** 2) / n
    return np.abs([means, (here.var(0) - there.var(0)) / np.sqrt(spread)])


def test_noise_has_the_moments_of_aihwkit():
    """Of an MLP on grids and of a convolution, over draws of the read noise (Bonferroni, 1 %)."""
    n = 600
    torch.manual_seed(1)
    k0, k1 = jr.split(KEY)
    plain = Mlp(scaled(eqx.nn.Linear(11, 9, key=k0)), scaled(eqx.nn.Linear(9, 5, key=k1)))
    chip = jt.nn.convert(plain, {".*": bridge.tile_config(rpu_config(noise=0.2))}, max_shape=(4, 5), key=KEY)
    theirs = [AnalogLinearMapped(*shape, rpu_config=rpu_config((4, 5), noise=0.2)) for shape in ((11, 9), (9, 5))]
    for analog, layer in zip(theirs, (plain.first, plain.second), strict=True):
        put(analog, layer)
    x = np.broadcast_to(np.random.default_rng(0).normal(size=11).astype(np.float32), (n, 11))
    with torch.no_grad():
        there = theirs[1](torch.tanh(theirs[0](torch.tensor(x)))).numpy()
    here = np.asarray(jt.nn.with_key(chip, KEY)(jnp.asarray(x)))
    assert here.std(0).min() > 0.05
    assert z_values(here, there).max() < 3.5  # of 10 numbers

    conv = scaled(eqx.nn.Conv2d(2, 3, 3, key=KEY))
    chip = jt.nn.convert(
        Mlp(conv, eqx.nn.Identity()), {"first": bridge.tile_config(rpu_config(noise=0.2))}, max_shape=(2, 10), key=KEY
    )
    analog = AnalogConv2dMapped(2, 3, 3, rpu_config=rpu_config((2, 10), noise=0.2))
    put(analog, eqx.tree_at(lambda conv: conv.weight, conv, conv.weight.reshape(3, -1)))
    x = np.broadcast_to(np.random.default_rng(1).normal(size=(2, 4, 3)).astype(np.float32), (n, 2, 4, 3))
    with torch.no_grad():
        there = analog(torch.tensor(x)).numpy()
    here = np.asarray(jt.nn.with_key(chip, KEY).first(jnp.asarray(x)))
    assert z_values(here, there).max() < 3.5  # of 12 numbers
