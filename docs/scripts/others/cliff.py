"""The cliff of plain descent: accuracy against the bound of soft bounds, and Tiki-Taka across it."""

import base
import wu
from aihwkit.simulator.configs.devices import SoftBoundsReferenceDevice

EPOCHS = 40
PUBLISHED = {
    ("SGD", 0.70): "11.35 ± 0.00",
    ("SGD", 0.78): "97.71 ± 0.63",
    ("SGD", 0.80): "97.78 ± 0.36",
    ("TTv1", 0.70): "97.64 ± 0.17",
    ("TTv1", 0.78): "97.62 ± 0.05",
    ("TTv1", 0.80): "97.50 ± 0.11",
}


def device(tau):
    return SoftBoundsReferenceDevice(w_max=tau, w_min=-tau)


def curves(algorithm, tau, **options):
    """Accuracies of three chips in both engines."""
    return wu.both("cliff", {"tau": tau}, algorithm, device(tau), epochs=EPOCHS, **options)


def small():
    """Two epochs of the lower bound, which stay at chance."""
    images, network = base.images(), wu.network(wu.config("SGD", device(0.70)), seed=0)
    return wu.chance(wu.ours(wu.same(network), images, 0, epochs=2)[-1], images)


def section():
    chosen = [(name, tau) for name, tau in PUBLISHED if tau < 0.80 or base.options().full]
    found = {(name, tau): curves(name, tau) for name, tau in chosen}
    digital = wu.curves("cliff", {"algorithm": "digital"}, wu.digital, epochs=EPOCHS)
    rows = [[name, f"{tau:.2f}", PUBLISHED[name, tau], *wu.shown(each)] for (name, tau), each in found.items()]
    rows.append(["digital", "–", "98.15 ± 0.04", *wu.shown(digital)])
    wu.draw("cliff", {f"tau {tau:.2f}": {name: found[name, tau] for name in ("SGD", "TTv1")} for tau in (0.70, 0.78)})
    return {
        "result": "[The cliff](#the-cliff): accuracy at tau 0.70 / 0.78 in percent: SGD; TTv1",
        "source": "Wu 2024, Fig. 5",
        "published": "11.35 / 97.71; 97.64 / 97.62 (60000 images, 480000 steps)",
        **wu.summary(*([found[name, tau] for tau in (0.70, 0.78)] for name in ("SGD", "TTv1"))),
        "verdict": "the same ordering, at a thirtieth of the steps",
    }, base.table(["algorithm", "tau", "published", *wu.COLUMNS], rows)


if __name__ == "__main__":
    base.run(small, section)
