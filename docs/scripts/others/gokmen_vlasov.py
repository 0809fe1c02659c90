"""The device that Gokmen and Vlasov specified for training, beside digital training."""

import base
import numpy as np
import stored
import torch
import training_parity
import wu
from aihwkit.simulator.presets import GokmenVlasovPreset

EPOCHS, RATES = 30, [0.1, 0.05, 0.025]  # of the mean over 10 images: theirs of single ones are a tenth
CASES = {"rate": RATES, "epochs": EPOCHS}


def there(seed):
    torch.manual_seed(seed)
    return training_parity.network(GokmenVlasovPreset(), wu.WIDTHS)


def here(seed):
    return training_parity.same(there(seed), "batch")  # exact for constant steps away from bounds


def small():
    """How much less than in digital is learned in three epochs, in percent."""
    images = base.images()
    found = [wu.ours(network(0), images, 0, epochs=3)[-1] for network in (wu.digital, here)]
    error = sum(p * (1 - p) for p in found) / len(images.test[1])
    return base.Main(0.3, 100 * float(found[0] - found[1]), 100 * float(np.sqrt(error)))


def section():
    devices = wu.curves("gokmen_vlasov", {"algorithm": "SGD"}, here, there, **CASES)
    digital = wu.curves("gokmen_vlasov", {"algorithm": "digital"}, wu.digital, **CASES)
    last = {"digital": digital["jaxtile"], **devices}
    means = {who: stored.mean(wu.late(curves)) for who, curves in last.items()}
    gaps = {who: means["digital"][0] - means[who][0] for who in devices}
    wu.draw("gokmen_vlasov", {"Gokmen and Vlasov": {"devices": devices, "digital": digital}})
    rows = [[who, base.show(*mean, 2), f"{gaps[who]:.2f}" if who in gaps else "–"] for who, mean in means.items()]
    return {
        "result": "[Gokmen and Vlasov](#gokmen-and-vlasov): accuracy that their devices lose against digital training, in percent",
        "source": "Gokmen and Vlasov 2016 (second-hand)",
        "published": "at most 0.3",
        "ours": f"{gaps['jaxtile']:.1f}",
        "aihwkit": f"{gaps['aihwkit']:.1f}",
        "verdict": "",
    }, base.table(["trained by", "accuracy", "less than digital"], rows)


if __name__ == "__main__":
    base.run(small, section)
