"""Accelerators without one: all that the library runs lowers for CUDA and TPU, and calls no host.

What leaves XLA, a custom call, is listed here. A new one is slow there, or is not there at all.
"""

import re
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
import pytest
from helpers import DEVICES, PULSES, mostly_slow

import jaxtile as jt
from jaxtile import compensation, device, half_select, learning, modifier, noise, periphery, programming
from jaxtile.cli.devices import makers

SHAPE = (6, 8)
X, D, TARGET = jnp.ones((3, 8)), jnp.ones((3, 6)), 0.1 * jnp.ones(SHAPE)
METHODS = makers(programming, programming.AbstractMethod)
MODIFIERS = makers(modifier, modifier.AbstractModifier)
HALF_SELECTIONS = makers(half_select, half_select.AbstractHalfSelect)
COMPENSATIONS = makers(compensation, compensation.AbstractCompensation)
POLICIES = makers(device, device.AbstractUpdatePolicy)
STEPS = 2 * (jt.device.SoftBounds(),)
AROUND = {
    "drifting": lambda: device.Drifting(STEPS[0]),
    "write noise": lambda: device.WriteNoise(STEPS[0], write_noise_std=0.5),
    "one-sided, refreshed": lambda: device.OneSided(STEPS[0], refresh=device.Refresh()),
    "reference": lambda: device.ReferenceCell(STEPS),
    **{name: partial(lambda make: device.VectorCell(STEPS, update_policy=make()), make) for name, make in POLICIES.items()},
}
PARTS = {
    "noise_management": makers(periphery, periphery.AbstractNoiseManagement),
    "bound_management": makers(periphery, periphery.AbstractBoundManagement),
    "mv_type": makers(periphery, periphery.AbstractMVType),
    "ir_drop": makers(periphery, periphery.AbstractIRDrop),
    "w_noise": makers(periphery, periphery.AbstractWeightNoise),
}
PERIPHERIES = [(field, name) for field, kinds in PARTS.items() for name in kinds]
NOISES = makers(noise, noise.AbstractNoiseModel)
NOISES["custom-drift-pcm"] = partial(noise.CustomDriftPCM, g_lst=[0.0, 25.0], nu_mean_lst=[0.1, 0.05], nu_std_lst=[0.01, 0.01])
ALGORITHMS = makers(learning, learning.AbstractTransfer) | {"mixed-precision": learning.MixedPrecision}
# Methods that follow singular directions: a thin block is made orthonormal, a small matrix diagonal.
FACTORISATIONS = {
    *("cusolver_geqrf_ffi", "cusolver_orgqr_ffi", "cusolver_syevd_ffi"),
    *("Qr", "ProductOfElementaryHouseholderReflectors", "Eigh"),
}
FACTORISING = ("svd", "power-svd", "risk-svd")


def custom_calls(function, *arrays) -> set[str]:
    """The custom calls of a function of a key and arrays, for both kinds of accelerator."""

    def of_words(words, *arrays):
        found = jax.tree.leaves(eqx.filter(function(jr.wrap_key_data(words), *arrays), eqx.is_array))
        return [jr.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf for leaf in found]

    exported = jax.export.export(jax.jit(of_words), platforms=("cuda", "tpu"))(jr.key_data(jr.key(0)), *arrays)
    return set(re.findall(r"custom_call @(\w+)", exported.mlir_module()))


def of_life(config) -> set[str]:
    """The custom calls of a tile that is fabricated, pulsed, read in both directions, aged and read again."""

    def life(key, x, d):
        tile = jt.update(jt.init(config, SHAPE, key=key), x, d, learning_rate=0.1, key=key)
        aged = jt.reset(jt.diffuse(jt.decay(tile, key=key), key=key), jnp.asarray([1]), key=key)
        return tile, jt.forward(aged, x, key=key), jt.backward(aged, d, key=key)

    return custom_calls(life, X, D)


@pytest.mark.parametrize("name", mostly_slow(DEVICES, "soft bounds"))
def test_devices(name):
    assert of_life(jt.TileConfig(DEVICES[name](), half_select=jt.half_select.ConstantRatio(kappa=30.0))) == set()


@pytest.mark.parametrize("name", mostly_slow(PULSES, "implicit"))
def test_pulses(name):
    assert of_life(jt.TileConfig(pulse=PULSES[name]())) == set()


@pytest.mark.parametrize("name", mostly_slow(ALGORITHMS, "dynamic-transfer"))
def test_algorithms(name):
    assert of_life(jt.TileConfig(ALGORITHMS[name]())) == set()


@pytest.mark.parametrize("name", mostly_slow(METHODS, "svd"))
def test_methods(name):
    """Also many at once, which is a block of a sweep."""

    def run(key, target):
        one = lambda key: jt.program(jt.init(jt.TileConfig(), SHAPE, key=key), target, METHODS[name](), key=key, max_steps=3)
        return one(key), jax.vmap(one)(jr.split(key, 2))

    assert custom_calls(run, TARGET) == (FACTORISATIONS if name in FACTORISING else set())


@pytest.mark.parametrize("name", NOISES)
def test_noise(name):
    def aged(key, x):
        tile = jt.set_weights(jt.init(jt.TileConfig(jt.device.Ideal()), SHAPE, key=key), TARGET)
        old = jt.drift(jt.apply_programming_noise(tile, NOISES[name](), key=key), 3600.0, key=key)
        return old, jt.forward(old, x, key=key)

    assert custom_calls(aged, X) == set()


@pytest.mark.parametrize("name", MODIFIERS)
def test_modifiers(name):
    assert custom_calls(lambda key, weight: MODIFIERS[name]()(weight, key=key), TARGET) == set()


@pytest.mark.parametrize("name", mostly_slow(HALF_SELECTIONS, "accumulation"))
def test_half_selection(name):
    assert of_life(jt.TileConfig(half_select=HALF_SELECTIONS[name]())) == set()


@pytest.mark.parametrize("name", mostly_slow(AROUND, "single-random"))
def test_unit_cells_and_wrappers(name):
    assert of_life(jt.TileConfig(AROUND[name]())) == set()


@pytest.mark.parametrize(("field", "name"), mostly_slow(PERIPHERIES, ("bound_management", "iterative")))
def test_peripheries(field, name):
    assert of_life(jt.TileConfig(forward=jt.IOParameters(**{field: PARTS[field][name]()}))) == set()


@pytest.mark.parametrize("name", mostly_slow(COMPENSATIONS, "gain"))
def test_compensations(name):
    """In a block of a sweep, which reports all errors and pulses."""
    config = jt.TileConfig(half_select=jt.half_select.ConstantRatio(kappa=30.0))
    method = jt.GDP(learning_rate=0.1, inputs="hadamard")
    run = jt.Programming(method, compensation=COMPENSATIONS[name](), max_steps=3)

    def block(key, target):
        return jax.vmap(lambda key: run(jt.init(config, SHAPE, key=key), target, key))(jr.split(key, 2))

    assert custom_calls(block, TARGET) == set()


def test_the_other_verbs():
    def verbs(key, x, d, target):
        trains = jt.pulse.Trains.from_bits(x[:2].T > 0, d[:2].T > 0, x[0], d[0])
        tile = jt.observe(jt.send(jt.count_pulses(jt.init(jt.TileConfig(), SHAPE, key=key)), trains, key=key), x=x)
        units = jt.UnitVectors(jnp.arange(3), SHAPE[1])
        again = jt.update(jt.set_weights(tile, target), units, d, learning_rate=0.1, key=key)
        return again, jt.get_weights(again), jt.forward(jt.read_as(again, target), units, key=key)

    assert custom_calls(verbs, X, D, TARGET) == set()


@pytest.mark.parametrize("order", ["aggregate", pytest.param("batch", marks=pytest.mark.slow)])
def test_training(order):
    """A run of two steps, its histories with it."""
    config = jt.TileConfig(jt.device.SoftBounds(order=order))

    def trained(key, x):
        model = jt.nn.Sequential([jt.nn.Linear(8, 3, config, key=key), jax.nn.sigmoid])
        data, options = (x, jnp.arange(3)), {"epochs": 2, "batch_size": 3}
        run = jt.train(model, jt.nn.cross_entropy, data, jt.nn.Optimizer(0.1, optax.sgd(0.1)), key=key, **options)
        return run.model, run.history

    assert custom_calls(trained, X) == set()
