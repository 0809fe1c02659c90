"""The laws of a step in plain NumPy, from their papers and not from jaxtile.

A law is a function of (device, cell, w, way, xi): the configured numbers of a kind of device,
what was drawn for one cell (or for many), its weight, "up" or "down", and the standard normal
of its cycle noise. It gives the size of one full pulse. A kind that has no law here is asked
for its own step: all the rest (trains, phases, half pulses, clips) is judged all the same.
"""

import dataclasses
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["law_of", "plain"]


def plain(value):
    if isinstance(value, bool | str):
        return value
    return np.asarray(value, np.float64) if np.ndim(value) else float(value)


def law_of(device, cells) -> Callable:
    """The step of a device, a function of (cell, w, way, xi)."""
    law = LAWS.get(type(device).__name__)
    return partial(law, {name: plain(value) for name, value in vars(device).items()}) if law else _own(device, cells)


def _own(device, cells) -> Callable:
    """The law of a device that is unknown here: its own, for one cell or for many."""
    step = jax.jit(lambda cells, w, up: device.step(cells, w, up=up), static_argnames="up")

    def law(cell, w, way, xi):
        alone = (1, 1) if np.ndim(w) == 0 else ()
        as_array = {n: jnp.asarray(value, float) for n, value in cell.items()}
        shaped = {n: a.reshape(*alone, *a.shape) if jnp.ndim(getattr(cells, n)) else a for n, a in as_array.items()}
        mean, spread = step(
            dataclasses.replace(cells, **shaped), jnp.asarray(w, float).reshape(*alone, *np.shape(w)), up=way == "up"
        )
        size = np.asarray(mean, np.float64) + np.asarray(spread, np.float64) * xi
        return size.item() if alone else size

    return law


def _scale(cell, way):
    return cell["step_up"] if way == "up" else cell["step_down"]


def _constant(device, cell, w, way, xi):
    return _scale(cell, way) * (1 + device["dw_min_std"] * xi)


def _linear(device, cell, w, way, xi):
    return _affine(device, cell, w, way, xi, slope=cell["slope_up"] if way == "up" else cell["slope_down"])


def _soft_bounds(device, cell, w, way, xi):
    """It vanishes at the device's own bound, or near the opposite one."""
    offset, reverse = device["reverse_offset"], bool(device[f"reverse_{way}"])
    ahead, behind = (cell["w_max"], cell["w_min"] - offset) if way == "up" else (cell["w_min"], cell["w_max"] + offset)
    return _affine(device, cell, w, way, xi, slope=-_scale(cell, way) / (behind if reverse else ahead))


def _affine(device, cell, w, way, xi, *, slope):
    scale, noise = _scale(cell, way), device["dw_min_std"] * xi
    if device["mult_noise"]:
        return (scale + slope * w) * (1 + noise)
    return scale + slope * w + scale * noise


def _exp(device, cell, w, way, xi):
    z = 2 * w / (cell["w_max"] - cell["w_min"]) * device["a"] + device["b"]
    if way == "up":
        response = 1 - device["A_up"] * np.exp(device["gamma_up"] * z)
    else:
        response = 1 - device["A_down"] * np.exp(-device["gamma_down"] * z)
    size = np.maximum(response, 0) * _scale(cell, way)
    return size + device["dw_min_std"] * (size + device["dw_min_std_add"] + device["dw_min_std_slope"] * np.abs(w)) * xi


def _soft_bounds_reference(device, cell, w, way, xi):
    v, v_max, v_min = (at + cell["reference"] for at in (w, cell["w_max"], cell["w_min"]))
    share, noise = 1 - v / v_max if way == "up" else 1 - v / v_min, device["dw_min_std"] * xi
    return _scale(cell, way) * (share * (1 + noise) if device["mult_noise"] else share + noise)


def _pow(device, cell, w, way, xi):
    left = cell["w_max"] - w if way == "up" else w - cell["w_min"]
    share = np.maximum(left, 0) / (cell["w_max"] - cell["w_min"])
    gamma = cell["gamma_up"] if way == "up" else cell["gamma_down"]
    return _scale(cell, way) * share**gamma * (1 + device["dw_min_std"] * xi)


def _table(device, cell, w, way, xi):
    mean, spread = (np.interp(w, device["state"], device[way + end]) for end in ("", "_noise"))
    return _scale(cell, way) / device["dw_min"] * (mean + device["dw_min_std"] * spread * xi)


def _piecewise(device, cell, w, way, xi):
    at_nodes = device["piecewise_up"] if way == "up" else device["piecewise_down"]
    place = (w - cell["w_min"]) / (cell["w_max"] - cell["w_min"])
    share = np.interp(place, np.linspace(0, 1, len(at_nodes)), at_nodes)
    return _scale(cell, way) * share * (1 + device["dw_min_std"] * xi)


LAWS = {
    "ConstantStep": _constant,
    "ExpStep": _exp,
    "LinearStep": _linear,
    "PiecewiseStep": _piecewise,
    "PowStep": _pow,
    "PowStepReference": _pow,
    "SoftBounds": _soft_bounds,
    "SoftBoundsReference": _soft_bounds_reference,
    "Table": _table,
}
