"""Mixed precision on pairs of phase-change devices: the accuracy of Nandakumar et al. (2020), as a landmark."""

import dataclasses

import base
import jax
import mnist
import numpy as np
import optax
import stored
import torch
from aihwkit.simulator.presets import MixedPrecisionPCMPreset
from algorithm_cost import in_order
from training_parity import BATCH, network, same, train_there

import jaxtile as jt

WIDTHS, EPOCHS, LAST, SEEDS, RATE = [784, 250, 10], 4, 1, 3, 0.4
PUBLISHED, BELOW = 97.73, 0.6


def config():
    """aihwkit's preset of the pairs, each layer a tile."""
    made = MixedPrecisionPCMPreset()
    made.mapping.max_input_size = 1024
    return made


def chips(seed):
    """A network of aihwkit."""
    torch.manual_seed(seed)
    return network(config(), WIDTHS)


def digital(seed):
    """The same network in digital."""
    perfect = jt.IOParameters(is_perfect=True)
    ideal, keys = jt.TileConfig(jt.device.Ideal(), forward=perfect, backward=perfect), jax.random.split(jax.random.key(seed))
    widths = zip(WIDTHS, WIDTHS[1:], keys, strict=False)
    first, last = (jt.nn.Linear(width, out, ideal, weights="digital", key=key) for width, out, key in widths)
    return jt.nn.Sequential([first, jax.nn.sigmoid, last])


def ours(model, train, test, seed, epochs):
    """Accuracy after each epoch in jaxtile, where the pulses of a batch are one pass."""
    options = {"batch_size": BATCH, "test": test, "metrics": {"accuracy": jt.nn.accuracy}, "shuffle": False, "epochs": epochs}
    optimizer = jt.nn.Optimizer(RATE, digital=optax.sgd(RATE))
    return jt.train(model, jt.nn.cross_entropy, train, optimizer, key=jax.random.key(seed), **options).history["accuracy"]


def one_pass(layer):
    """The layer whose devices get the pulses of a batch at once."""
    config = layer.tile.config
    config = dataclasses.replace(config, device=in_order(config.device, "batch"))
    return layer.replace(tile=dataclasses.replace(layer.tile, config=config))


def curves(who, seed, images, epochs=EPOCHS):
    """Accuracies of one chip after each epoch: in aihwkit, on its devices here, or of the network in digital."""
    order = np.random.default_rng(seed).permutation(len(images.train[1]))
    train = tuple(part[order] for part in images.train)
    if who == "aihwkit":
        torch.set_num_threads(1)  # small layers are slower on more
        return train_there(chips(seed), train, images.test, rate=RATE, epochs=epochs)
    if who == "digital":
        return ours(digital(seed), train, images.test, seed, epochs)
    layers = [one_pass(layer) if isinstance(layer, jt.nn.Linear) else layer for layer in same(chips(seed)).layers]
    return ours(jt.nn.Sequential(layers), train, images.test, seed, epochs)


def small():
    """Two epochs of one chip, with the error of 1000 test images."""
    images = mnist.shipped()
    accuracy = float(curves("jaxtile", 0, images, epochs=2)[-1])
    return base.Main(PUBLISHED, 100 * accuracy, 100 * (accuracy * (1 - accuracy) / len(images.test[1])) ** 0.5)


def section():
    images = base.images()

    def run(who, seed):
        case = {"who": who, "seed": seed, "epochs": EPOCHS, "images": images.name}
        return base.measure("mixed_precision", case, lambda: {"accuracy": curves(who, seed, images)})["accuracy"]

    found = {who: 100 * np.array([run(who, seed) for seed in range(SEEDS)]) for who in ("digital", "jaxtile", "aihwkit")}
    last = {who: curve[:, -LAST:].mean(axis=1) for who, curve in found.items()}
    below = {who: stored.mean(last["digital"] - accuracy) for who, accuracy in last.items() if who != "digital"}
    rows = [
        [who, base.show(*stored.mean(accuracy), 1), base.show(*below[who], 1) if who in below else "–"]
        for who, accuracy in last.items()
    ]
    return {
        "result": "[Mixed precision](#mixed-precision) on PCM: points of accuracy below digital training",
        "source": "Nandakumar 2020 (abstract)",
        "published": f"{BELOW} ({PUBLISHED} %, 60000 images)",
        "ours": f"{base.show(*below['jaxtile'], 1)} ({len(images.train[1])} images)",
        "aihwkit": base.show(*below["aihwkit"], 1),
        "verdict": "TODO",
    }, base.table(["training", f"accuracy after {EPOCHS} epochs, percent", "below digital"], rows)


if __name__ == "__main__":
    base.run(small, section)
