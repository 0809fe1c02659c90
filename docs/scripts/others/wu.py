"""The network that Wu et al. train by pulses: the same chips, first weights and order of images in aihwkit and here.

As in their code, each layer has a digital bias and one learned output scale, both moved at the rate of the pulses, and the default
periphery. A layer is one tile.
"""

import dataclasses
from functools import partial

import base
import jax
import jax.numpy as jnp
import numpy as np
import optax
import stored
import torch
from aihwkit.nn import AnalogLinear, AnalogSequential
from aihwkit.simulator.configs import SingleRPUConfig, build_config
from training_parity import BATCH, train_there

import bridge
import jaxtile as jt

WIDTHS, RATE, LAST = [784, 256, 128, 10], 0.05, 5
FAST = {"fast_lr": 0.01, "scale_fast_lr": False}


def config(algorithm, device):
    """The configuration of aihwkit for plain descent or TTv1, as their code has it."""
    made = SingleRPUConfig(device=device) if algorithm == "SGD" else build_config("ttv1", device=device)
    if algorithm == "TTv1":
        made.device.fast_lr = 0.01
    made.mapping.learn_out_scaling = True
    made.mapping.max_input_size = made.mapping.max_output_size = 0
    return made


def network(config, seed):
    """Layers of aihwkit with sigmoids between them."""
    torch.manual_seed(seed)
    layers = []
    for width, out in zip(WIDTHS, WIDTHS[1:], strict=False):
        layers += [AnalogLinear(width, out, bias=True, rpu_config=config), torch.nn.Sigmoid()]
    return AnalogSequential(*layers[:-1])


def same(model):
    """The same chips and weights in jaxtile, which sends the pulses of a batch in one pass."""
    return sequential(
        jt.nn.Linear.around(
            in_one_pass(bridge.from_analog_tile(next(layer.analog_tiles()))),
            bias=jnp.asarray(layer.get_weights()[1].numpy()),
            out_scales=jnp.ones(1),
        )
        for layer in model.analog_layers()
    )


def sequential(layers):
    """Layers with sigmoids between them."""
    return jt.nn.Sequential([part for layer in layers for part in (layer, jax.nn.sigmoid)][:-1])


def in_one_pass(tile):
    """The tile whose devices sum the pulses of a batch."""
    device = tile.config.device
    parts = tuple(dataclasses.replace(part, order="batch") for part in getattr(device, "devices", (device,)))
    device = dataclasses.replace(device, devices=parts) if hasattr(device, "devices") else parts[0]
    return dataclasses.replace(tile, config=dataclasses.replace(tile.config, device=device))


def digital(seed):
    """The same network in digital."""
    perfect = jt.IOParameters(is_perfect=True)
    config = jt.TileConfig(jt.device.Ideal(), forward=perfect, backward=perfect)
    keys = jax.random.split(jax.random.key(seed), len(WIDTHS))
    return sequential(
        jt.nn.Linear(width, out, config, weights="digital", key=key)
        for width, out, key in zip(WIDTHS, WIDTHS[1:], keys, strict=False)
    )


def shuffled(train, seed):
    """The images in the order of a seed."""
    order = np.random.default_rng(seed).permutation(len(train[1]))
    return tuple(part[order] for part in train)


def ours(models, images, *, epochs, rate=RATE):
    """Accuracy after each epoch, of networks that are trained side by side: network n with the order of seed n."""
    options = {"batch_size": BATCH, "test": images.test, "metrics": {"accuracy": jt.nn.accuracy}, "shuffle": False}
    optimizer = jt.nn.Optimizer(rate, digital=optax.sgd(rate))

    def learn(model, data, key):
        return jt.train(model, jt.nn.cross_entropy, data, optimizer, key=key, epochs=epochs, **options).history["accuracy"]

    seeds = range(len(models))
    models, data = (
        jax.tree.map(lambda *all: jnp.stack(all), *each) for each in (models, [shuffled(images.train, s) for s in seeds])
    )
    return jax.jit(jax.vmap(learn))(models, data, jax.vmap(jax.random.key)(jnp.arange(len(seeds))))


def curves(name, case, models, *, epochs, seeds=3, rate=RATE, theirs=None):
    """Accuracies [seed, epoch] of jaxtile's networks, and of aihwkit's if there are any, stored as cases of a script."""
    images = base.images()
    case = case | {"rate": rate, "epochs": epochs, "images": images.name}

    def here():
        return {"accuracy": ours([models(seed) for seed in range(seeds)], images, epochs=epochs, rate=rate)}

    def there(seed):
        torch.set_num_threads(1)  # small layers are slower on more
        return {"accuracy": train_there(theirs(seed), shuffled(images.train, seed), images.test, rate=rate, epochs=epochs)}

    found = {"jaxtile": base.measure(name, case | {"who": "jaxtile", "seeds": seeds}, here)["accuracy"]}
    if theirs is not None:
        case = case | {"who": "aihwkit"}
        found["aihwkit"] = [base.measure(name, case | {"seed": n}, partial(there, n))["accuracy"] for n in range(seeds)]
    return {who: np.array(each) for who, each in found.items()}


def both(name, case, algorithm, device, **options):
    """`curves` of a device of aihwkit in both."""

    def theirs(seed):
        return network(config(algorithm, device), seed)

    return curves(name, case, lambda seed: same(theirs(seed)), theirs=theirs, **options)


def late(curves):
    """The mean of the last epochs of each network in percent, then their mean and standard error."""
    return stored.mean(100 * curves[:, -LAST:].mean(axis=1))
