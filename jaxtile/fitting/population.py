"""From the parameters of single devices to those of the population that they were drawn
from.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._types import Real, Scalar
from ..device.step.base import AbstractPulsedDevice

__all__ = ["PAIRS", "in_weight_units", "population", "replace", "traits", "weight_units"]

PAIRS = (("dw_min", "up_down"), ("pow_gamma", "pow_up_down"))  # a size, and what tells up from down, both relative to the size
_RELATIVE = ("w_max", "w_min", "lifetime", "diffusion")  # their `_dtod` is relative to the mean, that of others absolute

Values = dict[str, Float[Array, " device"]]


def replace(device: AbstractPulsedDevice, values: dict[str, Any]) -> AbstractPulsedDevice:
    """A device with other numbers, unchecked."""
    filled = {name: jnp.asarray(value, getattr(device, name).dtype) for name, value in values.items()}
    return eqx.tree_at(lambda device: [getattr(device, name) for name in filled], device, list(filled.values()))


def weight_units(device: AbstractPulsedDevice) -> list[str]:
    """The names of the numbers that are in weight units."""
    fields = [field.name for field in dataclasses.fields(device) if field.metadata.get("units") == "weight"]
    return [name for name in fields if getattr(device, name) is not None]


def in_weight_units(device: AbstractPulsedDevice, unit: Real) -> AbstractPulsedDevice:
    """The device, with weights counted in units that are smaller by this factor."""
    return replace(device, {name: getattr(device, name) * unit for name in weight_units(device)})


def traits(device: AbstractPulsedDevice, names: tuple[str, ...]) -> dict[str, Scalar]:
    """The numbers that are spread over the devices: single ones, and the sum and
    difference of the two of a pair, up and down.

    up + down = (2 gain - |tilt|) size and up - down = (tilt + 2 imbalance) size
    """
    pairs = {size: (getattr(device, size), getattr(device, tilt)) for size, tilt in PAIRS if {size, tilt} & {*names}}
    sums = {f"{name}, sum": size * (2 - jnp.abs(tilt)) for name, (size, tilt) in pairs.items()}
    differences = {f"{name}, difference": size * tilt for name, (size, tilt) in pairs.items()}
    return sums | differences | {name: getattr(device, name) for name in names}


def population(device: AbstractPulsedDevice, traits: Values, errors: Values, settled: Bool[Array, " device"]) -> dict[str, Scalar]:
    """The parameters of the population that the devices were drawn from."""
    moments = {name: _moments(value, errors[name], settled) for name, value in traits.items()}
    mean, std = ({name: pair[n] for name, pair in moments.items()} for n in (0, 1))
    mean["dw_min_std"] = jnp.hypot(mean["dw_min_std"], std["dw_min_std"])
    std |= {name: std[name] / jnp.abs(mean[name]) for name in _RELATIVE if name in std}
    for name, tilt in PAIRS:
        total, difference = f"{name}, sum", f"{name}, difference"
        if total not in traits:
            continue
        share = jnp.clip(mean[difference] / mean[total], -1, 1)
        mean[tilt] = 2 * share / (1 + jnp.abs(share))
        mean[name] = mean[total] / (2 - jnp.abs(mean[tilt]))
        std[name], std[tilt] = (std[part] / (2 * mean[name]) for part in (total, difference))
    if device.dw_min_dtod_log_normal and "dw_min" in std:  # there, `dw_min` is the median and its spread that of the logarithm
        std["dw_min"] = jnp.sqrt(jnp.log1p(std["dw_min"] ** 2))
        mean["dw_min"] = mean["dw_min"] * jnp.exp(-(std["dw_min"] ** 2) / 2)

    fitted = {name: mean[name] for name in traits if hasattr(device, name)}
    spreads = {"reference_std" if name == "reference_mean" else f"{name}_dtod": std[name] for name in fitted}
    return fitted | {name: spread for name, spread in spreads.items() if hasattr(device, name)}


def _moments(values, errors, settled) -> tuple[Scalar, Scalar]:
    """Mean and spread of what was measured with errors: the spread of the estimates is
    that of the devices and of the errors.
    """
    # An error far from that of most devices is that of a search that went astray. What
    # is held has an error of zero in all devices.
    settled = settled & jnp.isfinite(errors)
    usual = jnp.nanmedian(jnp.where(settled, errors, jnp.nan))
    used = settled & (errors <= 10 * usual) & (errors >= usual / 10)
    count = jnp.sum(used.astype(values.dtype))

    def sum_of(values):
        return jnp.sum(jnp.where(used, values, 0))

    mean = sum_of(values) / count
    variance = sum_of((values - mean) ** 2) / jnp.maximum(count - 1, 1) - sum_of(errors**2) / count
    return mean, jnp.sqrt(jnp.maximum(variance, 0))
