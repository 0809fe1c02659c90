"""The cliff of plain descent: accuracy against the bound of soft bounds, and Tiki-Taka across it."""

import base
import numpy as np
import wu
from aihwkit.simulator.configs.devices import SoftBoundsReferenceDevice

EPOCHS = 40
PUBLISHED = {
    ("SGD", 0.70): (11.35, 0.00),
    ("SGD", 0.78): (97.71, 0.63),
    ("SGD", 0.80): (97.78, 0.36),
    ("TTv1", 0.70): (97.64, 0.17),
    ("TTv1", 0.78): (97.62, 0.05),
    ("TTv1", 0.80): (97.50, 0.11),
}


def curves(algorithm, tau, **options):
    """Accuracies of chips of a bound in both engines."""
    case = {"algorithm": algorithm, "tau": tau}
    return wu.both("cliff", case, algorithm, device(tau), **options)


def device(tau):
    return SoftBoundsReferenceDevice(w_max=tau, w_min=-tau)


def small():
    """Two epochs of the lower bound: at chance, with the error of 1000 test images."""
    images = base.images()
    network = wu.network(wu.config("SGD", device(0.70)), seed=0)
    (accuracy,) = wu.ours([wu.same(network)], images, epochs=2)[:, -1]
    return base.Main(11.35, 100 * float(accuracy), 100 * float(np.sqrt(accuracy * (1 - accuracy) / len(images.test[1]))))


def section():
    chosen = [(name, tau) for name, tau in PUBLISHED if tau < 0.80 or base.options().full]
    found = {(name, tau): curves(name, tau, epochs=EPOCHS) for name, tau in chosen}
    means = {key: {who: wu.late(each) for who, each in both.items()} for key, both in found.items()}
    raise NotImplementedError(means)


if __name__ == "__main__":
    base.run(small, section)
