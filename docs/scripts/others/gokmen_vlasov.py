"""The device that Gokmen and Vlasov specified for training, beside digital training."""

import base
import numpy as np
import torch
import training_parity
import wu
from aihwkit.simulator.presets import GokmenVlasovPreset

EPOCHS, RATES = 30, [0.1, 0.05, 0.025]  # of the mean over 10 images: theirs of single ones are a tenth


def there(seed, widths=wu.WIDTHS):
    torch.manual_seed(seed)
    return training_parity.network(GokmenVlasovPreset(), widths)


def here(seed, widths=wu.WIDTHS):
    return training_parity.same(there(seed, widths), "batch")  # exact for constant steps away from bounds


def small():
    """How much less than in digital is learned by a network with one small hidden layer, in percent."""
    images = base.mnist.shipped()
    digital, devices = (wu.accuracy(0.3, network(0, wu.SMALL), images, epochs=10, rate=RATES[0]) for network in (wu.digital, here))
    return base.Main(0.3, digital.ours - devices.ours, float(np.hypot(digital.standard_error, devices.standard_error)))


def section():
    numbers = {"epochs": EPOCHS, "rate": RATES, "chips": (3, 3) if base.options().full else (1, 1)}
    digital = wu.curves("gokmen_vlasov", {"algorithm": "digital"}, wu.digital, **numbers)
    devices = wu.curves("gokmen_vlasov", {"algorithm": "SGD"}, here, there, **numbers)
    wu.draw("gokmen_vlasov", {"Gokmen and Vlasov": {"devices": devices, "digital": digital}})
    found = {"digital": digital["jaxtile"], **devices}
    means = {who: float(wu.late(curves).mean()) for who, curves in found.items()}
    tests = len(base.images().test[1])
    error = sum(p * (100 - p) / tests / len(found[who]) for who, p in means.items() if who != "aihwkit") ** 0.5
    lost = {who: f"{means['digital'] - mean:.1f}" for who, mean in means.items()}
    return {
        "result": "[Gokmen and Vlasov](#gokmen-and-vlasov): accuracy that their devices lose against digital training, in percent",
        "source": "Gokmen and Vlasov 2016, after Haensch 2018",
        "published": "at most 0.3",
        "ours": f"{lost['jaxtile']} ± {error:.1f}" + " (one chip)" * (len(found["jaxtile"]) == 1),
        "aihwkit": lost["aihwkit"],
        "verdict": f"a landmark: no loss within {error:.1f}, which cannot test 0.3",
    }, base.table(["trained by", "accuracy", "less than digital"], ([who, f"{mean:.1f}", lost[who]] for who, mean in means.items()))


if __name__ == "__main__":
    base.run(small, section)
