"""Mixed precision on pairs of phase-change devices: the accuracy of Nandakumar et al. (2020), as a landmark."""

from functools import partial

import base
import stored
import torch
import wu
from aihwkit.simulator.presets import MixedPrecisionPCMPreset
from training_parity import network, same

WIDTHS, EPOCHS, RATE = [784, 250, 10], 4, 0.4
PUBLISHED, BELOW = 97.73, 0.6


def there(seed):
    """A network of aihwkit's preset of the pairs."""
    torch.manual_seed(seed)
    return network(MixedPrecisionPCMPreset(), WIDTHS)


def here(seed):
    """The same chips and weights in jaxtile, which sends the pulses of a batch in one pass."""
    return wu.on_tiles(wu.in_one_pass, same(there(seed)))


def small():
    """An epoch of four chips."""
    images = base.mnist.shipped()
    found = [wu.ours(here(seed), images, seed, epochs=1, rate=RATE)[-1] for seed in range(4)]
    return base.Main(PUBLISHED, *stored.mean([100 * float(accuracy) for accuracy in found]))


def section():
    numbers = {"epochs": EPOCHS, "rate": RATE, "chips": 2 * (3 if base.options().full else 2,)}
    chips = wu.curves("mixed_precision", {"algorithm": "mixed precision"}, here, there, **numbers)
    digital = wu.curves("mixed_precision", {"algorithm": "digital"}, partial(wu.digital, widths=WIDTHS), **numbers)
    found = {"digital": digital["jaxtile"], **chips}
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
