"""The group "training": updates with as few pulses as a network sends, and whole networks, beside aihwkit's AnalogSGD.

Of aihwkit the faster of one thread and two counts. Data are ten patterns of 784 pixels, a fifth of them on, with noise.
"""

import time

import jax
import jax.random as jr
import numpy as np
import optax

import jaxtile as jt

from . import rivals
from .timing import Side
from .work import KEY, SQUARE, Again, Work, tile_of

__all__ = ["TRAINING", "chips", "width"]

VECTORS, SAMPLES, WIDTHS, RATE = 64, 2000, (784, 256, 128, 10), 0.05
FEW = "a batch of 64 in one pass, most cells get no pulse"
MANY = "a batch of 64 in one pass, most cells get pulses"
EPOCH = "784-256-128-10, `jt.train` as users call it, in one pass"
AIHWKIT = ("aihwkit, one thread", "aihwkit, two threads")
DEVICES = {"constant": (jt.device.ConstantStep, "ConstantStepDevice"), "soft": (jt.device.SoftBounds, "SoftBoundsDevice")}
HALF = {"half_select": jt.half_select.ConstantRatio(kappa=100.0)}


def threads(number: int, call):
    """The call of a rival with so many threads."""
    import torch

    def run():
        torch.set_num_threads(number)
        return call()

    return run


def pairs(on: float, size: float, side: int = SQUARE[0]):
    """Vectors x of which a part is on, and d of some size."""
    x_key, on_key, d_key = jr.split(jr.key(1), 3)
    x = jr.uniform(x_key, (VECTORS, side), minval=-1 if on == 1 else 0) * (jr.uniform(on_key, (VECTORS, side)) < on)
    return x, size * jr.normal(d_key, (VECTORS, side))


def updated(x, d, rate: float, order: str, **config) -> Side:
    """Updates of a tile by all vectors, in a loop."""
    side, times = x.shape[1], 4 if order == "batch" else 1
    tile = tile_of((side, side), device=jt.device.ConstantStep(order=order), **config)
    return Side(Again(tile, lambda tile, key: jt.update(tile, x, d, learning_rate=rate, key=key), times), share=VECTORS * times)


def updates(on: float, size: float, rate: float):
    """The sides of updates, for one vector."""

    def sides():
        x, d = pairs(on, size)
        part = VECTORS if size < 0.5 else 8

        def aihwkit(number: int) -> Side:
            return Side(threads(number, rivals.aihwkit_update(rivals.aihwkit_tile(SQUARE), x[:part], d[:part], rate)), share=part)

        return {
            "jaxtile": lambda: updated(x, d, rate, "batch"),
            "jaxtile, vector by vector": lambda: updated(x, d, rate, "aggregate"),
            "jaxtile, half-selected": lambda: updated(x, d, rate, "batch", **HALF),
            "jaxtile, half-selected, vector by vector": lambda: updated(x, d, rate, "aggregate", **HALF),
            **{name: lambda n=n: aihwkit(n + 1) for n, name in enumerate(AIHWKIT)},
        }

    return sides


def half_selected():
    """Half-selection in one pass, beside none."""
    x, d = pairs(0.2, 0.1)
    return {
        "jaxtile": lambda: updated(x, d, RATE, "batch", **HALF),
        "without": lambda: updated(x, d, RATE, "batch"),
    }


def images() -> tuple[np.ndarray, np.ndarray]:
    """Patterns with noise, and which of ten they are."""
    rng = np.random.default_rng(0)
    patterns, y = rng.random((10, WIDTHS[0])) < 0.2, rng.integers(10, size=SAMPLES)
    x = np.where(rng.random((SAMPLES, WIDTHS[0])) < 0.1, rng.random((SAMPLES, WIDTHS[0])) < 0.2, patterns[y])
    return (x * rng.uniform(0.5, 1, x.shape)).astype(np.float32), y


def network(key, **config) -> "jt.nn.Sequential":
    """Layers with sigmoids between them."""
    layers = []
    for n, (width, out) in enumerate(zip(WIDTHS, WIDTHS[1:], strict=False)):
        layers += [jt.nn.Linear(width, out, jt.TileConfig(**config), key=jr.fold_in(key, n)), jax.nn.sigmoid]
    return jt.nn.Sequential(layers[:-1])


def sgd() -> "jt.nn.Optimizer":
    """What AnalogSGD does: pulses and digital biases have one rate."""
    return jt.nn.Optimizer(RATE, digital=optax.sgd(RATE))


def trained(batch: int, **config) -> Side:
    """An epoch of jaxtile."""
    data, model, optimizer = images(), network(KEY, **config), sgd()

    def call():
        return jt.train(model, jt.nn.cross_entropy, data, optimizer, key=KEY, epochs=1, batch_size=batch).model

    return Side(call, share=SAMPLES)


def networks(device: str, batch: int):
    """The sides of an epoch, for one sample."""
    ours, theirs = DEVICES[device]

    def sides():
        x, y = images()

        def aihwkit(number: int) -> Side:
            return Side(threads(number, rivals.aihwkit_epoch(WIDTHS, theirs, x[:500], y[:500], RATE, batch)), share=500)

        return {
            "jaxtile": lambda: trained(batch, device=ours(order="batch")),
            "jaxtile, vector by vector": lambda: trained(batch, device=ours()),
            "jaxtile, half-selected": lambda: trained(batch, device=ours(order="batch"), **HALF),
            **{name: lambda n=n: aihwkit(n + 1) for n, name in enumerate(AIHWKIT)},
        }

    return sides


def _seconds(call, times: int = 3) -> float:
    """Median of some calls, after one that compiles."""
    jax.block_until_ready(call())
    found = []
    for _ in range(times):
        start = time.perf_counter()
        jax.block_until_ready(call())
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def chips(count: int = 16, samples: int = 500) -> dict:
    """Milliseconds a chip and sample of one network, and of 16 vmapped."""
    x, y = (part[:samples] for part in images())
    optimizer, device = sgd(), jt.device.ConstantStep(order="batch")

    def one(key):
        return jt.train(network(key, device=device), jt.nn.cross_entropy, (x, y), optimizer, key=key, epochs=1).history["loss"]

    keys = jr.split(KEY, count)
    alone, together = jax.jit(one), jax.jit(jax.vmap(one))
    return {
        "one": 1e3 * _seconds(lambda: alone(keys[0])) / samples,
        f"{count} vmapped": 1e3 * _seconds(lambda: together(keys)) / samples / count,
    }


def width() -> dict:
    """Milliseconds a vector of updates in one pass of square tiles, by their width."""
    found = {}
    for side in (128, 256, 512, 1024, 2048):
        contender = updated(*pairs(0.2, 0.01, side), RATE, "batch")
        found[str(side)] = 1e3 * _seconds(contender.call, 7) / contender.share
    return found


TRAINING = {
    "update-0.01": Work("training: an update in one pass, x 20 % on, d 0.01", FEW, updates(0.2, 0.01, RATE), 3, 4, AIHWKIT),
    "update-0.1": Work("training: an update in one pass, x 20 % on, d 0.1", FEW, updates(0.2, 0.1, RATE), 20, 38, AIHWKIT),
    "update-dense": Work(
        "training: an update in one pass, x dense, d 0.5, rate 0.1", MANY, updates(1.0, 0.5, 0.1), 300, 800, AIHWKIT
    ),
    "update-half": Work("training: half-selection in one pass, d 0.1", FEW, half_selected, 1 / 1.15, 1 / 1.05, ("without",)),
    "train-constant-10": Work("training: a sample, constant step, batch of 10", EPOCH, networks("constant", 10), 4, 8, AIHWKIT),
    "train-constant-64": Work("training: a sample, constant step, batch of 64", EPOCH, networks("constant", 64), 4, 8, AIHWKIT),
    "train-soft-10": Work("training: a sample, soft bounds, batch of 10", EPOCH, networks("soft", 10), 4, 8, AIHWKIT),
    "train-soft-64": Work("training: a sample, soft bounds, batch of 64", EPOCH, networks("soft", 64), 4, 8, AIHWKIT),
}
