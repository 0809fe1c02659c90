"""Mixed precision on pairs of phase-change devices: the accuracy of Nandakumar et al. (2020), as a landmark."""

import dataclasses

import base
import jax
import stored
import torch
import wu
from aihwkit.simulator.presets import MixedPrecisionPCMPreset
from algorithm_cost import in_order
from training_parity import network, same

import jaxtile as jt

WIDTHS, EPOCHS, RATE = [784, 250, 10], 4, 0.4
PUBLISHED, BELOW = 97.73, 0.6


def there(seed):
    """A network of aihwkit's preset of the pairs."""
    torch.manual_seed(seed)
    return network(MixedPrecisionPCMPreset(), WIDTHS)


def here(seed):
    """The same chips and weights in jaxtile, which sends the pulses of a batch in one pass."""
    layers = same(there(seed)).layers
    return jt.nn.Sequential([one_pass(layer) if isinstance(layer, jt.nn.Linear) else layer for layer in layers])


def one_pass(layer):
    """The layer whose devices get the pulses of a batch at once."""
    config = layer.tile.config
    config = dataclasses.replace(config, device=in_order(config.device, "batch"))
    return layer.replace(tile=dataclasses.replace(layer.tile, config=config))


def digital(seed):
    """The same network in digital."""
    perfect = jt.IOParameters(is_perfect=True)
    ideal, keys = jt.TileConfig(jt.device.Ideal(), forward=perfect, backward=perfect), jax.random.split(jax.random.key(seed))
    widths = zip(WIDTHS, WIDTHS[1:], keys, strict=False)
    return wu.sequential(jt.nn.Linear(width, out, ideal, weights="digital", key=key) for width, out, key in widths)


def small():
    """Two epochs of two chips."""
    images = base.mnist.shipped()
    found = [wu.ours(here(seed), images, seed, epochs=2, rate=RATE)[-1] for seed in range(2)]
    return base.Main(PUBLISHED, *stored.mean([100 * float(accuracy) for accuracy in found]))


def section():
    numbers = {"epochs": EPOCHS, "rate": RATE, "chips": 2 * (3 if base.options().full else 2,)}
    chips = wu.curves("mixed_precision", {"algorithm": "mixed precision"}, here, there, **numbers)
    found = {"digital": wu.curves("mixed_precision", {"algorithm": "digital"}, digital, **numbers)["jaxtile"], **chips}
    last = {who: 100 * curve[:, -1] for who, curve in found.items()}
    below = {who: base.show(*stored.mean(last["digital"] - accuracy), 1) for who, accuracy in last.items() if who != "digital"}
    rows = [[who, base.show(*stored.mean(accuracy), 1), below.get(who, "–")] for who, accuracy in last.items()]
    return {
        "result": "[Mixed precision](#mixed-precision) on PCM: points of accuracy below digital training",
        "source": "Nandakumar 2020 (abstract)",
        "published": f"{BELOW} ({PUBLISHED} %, 60000 images)",
        "ours": f"{below['jaxtile']} (4000 images, {EPOCHS} epochs)",
        "aihwkit": below["aihwkit"],
        "verdict": "a landmark: further below digital, in both engines",
    }, base.table(["training", f"accuracy after {EPOCHS} epochs, percent", "below digital"], rows)


if __name__ == "__main__":
    base.run(small, section)
