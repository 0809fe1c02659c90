"""Power and exponential responses: plain descent and Tiki-Taka on devices whose steps fall off otherwise than those of soft bounds.

up:  dw_min q(w / tau)        down:  dw_min q(-w / tau)        q(u) = (1 - u)^gamma or exp(-gamma u)
"""

from functools import partial

import base
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import stored
import wu
from aihwkit.simulator.configs.devices import PowStepDevice

import jaxtile as jt

EPOCHS, STATES, TAU = 25, 1200, 0.7
BOUNDS = {"dw_min": 2 * TAU / STATES, "w_max": TAU, "w_min": -TAU, "w_max_dtod": 0.0, "w_min_dtod": 0.0}  # their step; no spread
SHAPES = {
    "power": lambda u, gamma: jnp.maximum(1 - u, 1e-6) ** gamma,  # at the bound a root has no slope
    "exponential": lambda u, gamma: jnp.exp(-gamma * u),
}
PUBLISHED = {  # response, gamma, algorithm, at tau 0.7
    ("power", 0.5, "SGD"): "97.40 ± 0.15",
    ("power", 0.5, "TTv1"): "97.05",
    ("exponential", 0.5, "SGD"): "< 15",
    ("exponential", 0.5, "TTv1"): "97.39",
    ("power", 1.0, "SGD"): "< 15",
    ("power", 1.0, "TTv1"): "97.33",
    ("exponential", 1.0, "SGD"): "< 15",
    ("exponential", 1.0, "TTv1"): "97.49",
}
LAWS = {  # w / tau after tau / dw_min pulses up from zero, in the limit of small steps
    ("power", 1.0): 1 - np.exp(-1),
    ("exponential", 0.5): np.log1p(0.5) / 0.5,  # ln(1 + gamma) / gamma
}
CHIPS = {("power", 1.0, "SGD"): (1, 0), ("power", 1.0, "TTv1"): (1, 0), ("exponential", 0.5, "SGD"): (3, 0)}  # without --full


class Response(jt.device.AbstractPulsedDevice):
    """A step that depends on the weight relative to its bound, and cycle noise in proportion to it."""

    burst = staticmethod(jt.device.burst.affine)  # within the few pulses of a batch steps are affine
    mult_noise = True

    shape: str = eqx.field(default="power", static=True)
    gamma: float = eqx.field(default=1.0, static=True)

    def step(self, cells, weight, *, up):
        u = 2 * weight / (cells.w_max - cells.w_min)
        size = (cells.step_up if up else cells.step_down) * SHAPES[self.shape](u if up else -u, self.gamma)
        return size, self.dw_min_std * size


def network(shape, gamma, algorithm, seed):
    """A network of jaxtile's own chips."""
    device = Response(**BOUNDS, shape=shape, gamma=gamma, order="batch")
    config = jt.learning.build(algorithm, device, **wu.FAST if algorithm == "TTv1" else {})
    keys = jax.random.split(jax.random.key(seed), len(wu.WIDTHS))
    sizes = zip(wu.WIDTHS, wu.WIDTHS[1:], keys, strict=False)
    return wu.sequential(jt.nn.Linear(width, out, config, out_scales=jnp.ones(1), key=key) for width, out, key in sizes)


def theirs(gamma, algorithm, seed):
    """A network of aihwkit. Its power counts from the other bound, and at zero its step is dw_min / 2^gamma."""
    numbers = BOUNDS | {"dw_min": 2**gamma * BOUNDS["dw_min"]}
    device = PowStepDevice(**numbers, pow_gamma=gamma, pow_gamma_dtod=0.0)
    return wu.network(wu.config(algorithm, device), seed)


def curves(shape, gamma, algorithm, chips):
    """Accuracies of chips, here and, if its device has the response, in aihwkit."""
    case = {"response": shape, "gamma": gamma, "algorithm": algorithm, "tau": TAU}
    there = partial(theirs, gamma, algorithm) if shape == "power" else None
    return wu.curves("responses", case, partial(network, shape, gamma, algorithm), there, epochs=EPOCHS, chips=chips)


def small():
    """The weight that pulses lead to from zero, either way, over the one that the law of the response gives."""
    quiet = {"dw_min_dtod": 0.0, "dw_min_std": 0.0, "up_down_dtod": 0.0}
    ratios = []
    for (shape, gamma), law in LAWS.items():
        for way in (1, -1):
            device = Response(**BOUNDS, **quiet, shape=shape, gamma=gamma)
            weights = jt.device.measure(device, jnp.full(STATES // 2, way), key=jax.random.key(0))
            ratios.append(float(weights[0, -1]) / (way * TAU * law))
    return base.Main(1.0, *stored.mean(ratios))


def section():
    chips = dict.fromkeys(PUBLISHED, (3, 3)) if base.options().full else CHIPS
    found = {key: curves(*key, count) for key, count in chips.items()}
    rows = [
        [shape, gamma, name, chips[shape, gamma, name][0], PUBLISHED[shape, gamma, name], *wu.shown(each)[:2]]
        for (shape, gamma, name), each in found.items()
    ]
    panels = {}
    for (shape, gamma, name), each in found.items():
        panels.setdefault(f"{shape}, gamma {gamma}", {})[name] = each
    wu.draw("responses", panels)
    ours, theirs = zip(*(wu.shown(found[key])[:2] for key in (("power", 1.0, "SGD"), ("power", 1.0, "TTv1"))), strict=True)
    return {
        "result": "[Responses](#responses): accuracy in percent at tau 0.7, power response of gamma 1: SGD / TTv1",
        "source": "Wu 2025, Table 6",
        "published": "< 15 / 97.33 (60000 images, 180000 steps)",
        "ours": " / ".join(ours),
        "aihwkit": " / ".join(theirs),
        "verdict": "the same ordering, of one chip; the exponential response is not known, and ours is learned on",
    }, base.table(["response", "gamma", "algorithm", "chips", "published", *wu.COLUMNS[:2]], rows)


if __name__ == "__main__":
    base.run(small, section)
