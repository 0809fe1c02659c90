"""Cycle noise: plain descent and Tiki-Taka on soft bounds whose steps differ from cycle to cycle."""

import base
import wu
from aihwkit.simulator.configs.devices import SoftBoundsReferenceDevice

EPOCHS, TAU, STATES = 25, 1.0, 1200
PUBLISHED = {  # cycle noise in percent: plain descent, Tiki-Taka
    10: (97.22, 97.66),
    30: (96.97, 97.07),
    60: (96.33, 97.70),
    90: (95.99, 97.44),
    120: (96.19, 96.97),
}


def device(noise):
    return SoftBoundsReferenceDevice(dw_min=2 * TAU / STATES, dw_min_std=noise / 100, w_max=TAU, w_min=-TAU)


def curves(name, noise):
    return wu.both("cycle_noise", {"noise": noise, "tau": TAU}, name, device(noise), epochs=EPOCHS)


def small():
    """Two epochs of plain descent at the largest noise, which stay at chance."""
    images, network = base.images(), wu.network(wu.config("SGD", device(120)), seed=0)
    return wu.chance(wu.ours(wu.same(network), images, 0, epochs=2)[-1], images)


def section():
    chosen = [noise for noise in PUBLISHED if noise in (10, 120) or base.options().full]
    found = {(name, noise): curves(name, noise) for noise in chosen for name in ("SGD", "TTv1")}
    rows = [[f"{noise} %", name, PUBLISHED[noise][name == "TTv1"], *wu.shown(each)] for (name, noise), each in found.items()]
    wu.draw("cycle_noise", {f"cycle noise {noise} %": {name: found[name, noise] for name in ("SGD", "TTv1")} for noise in chosen})
    return {
        "result": "[Cycle noise](#cycle-noise): accuracy in percent at 10 / 120 % of cycle noise: SGD; TTv1",
        "source": "Wu 2025, Table 5",
        "published": "97.22 / 96.19; 97.66 / 96.97",
        **wu.summary(*([found[name, noise] for noise in (10, 120)] for name in ("SGD", "TTv1"))),
        "verdict": "",
    }, base.table(["cycle noise", "algorithm", "published", *wu.COLUMNS], rows)


if __name__ == "__main__":
    base.run(small, section)
