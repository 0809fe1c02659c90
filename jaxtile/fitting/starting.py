"""Where the search for the parameters of a device starts."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._types import Interval, Scalar, is_concrete
from ..device.step.base import AbstractPulsedDevice
from .innovations import between
from .population import replace

__all__ = ["first_values", "unit_of"]

_ORDER = (0.02, 5.0)  # the largest weight over the range of a device that is given in the same units


def unit_of(device: AbstractPulsedDevice, weights: Float[Array, "device measurement"], unit: Scalar | None) -> Scalar:
    """The weight, in the units of the data, that a weight of 1 of the device stands
    for: the one given, or 1 unless the data are of another order than its range.
    """
    if unit is not None:
        return unit
    xp = np if is_concrete(weights) and is_concrete(device.w_max) else jnp
    low, high = device.bounds()
    ratio = xp.nanmax(xp.abs(xp.asarray(weights))) / xp.maximum(xp.abs(xp.asarray(low)), xp.abs(xp.asarray(high)))
    strange = (ratio > 0) & (ratio < math.inf) & ((ratio < _ORDER[0]) | (ratio > _ORDER[1]))
    power = xp.where(strange, 10.0 ** xp.round(xp.log10(xp.where(strange, ratio, 1.0))), 1.0)
    return jnp.asarray(power, weights.dtype)


def first_values(
    device: AbstractPulsedDevice,
    names: tuple[str, ...],
    domains: dict[str, Interval],
    weights: Float[Array, " measurement"],
    pulses: Float[Array, " pulse"],
) -> dict[str, Scalar]:
    """Where the search for the parameters of one device starts, by name, the read noise
    among them.
    """
    given = {name: _inside(domains[name], getattr(device, name)) for name in names}
    given |= {name: value for name, value in _first_bounds(device, weights).items() if name in names}
    return given | _first_scales(replace(device, given), weights, pulses)


def _inside(domain: Interval, value: Scalar) -> Scalar:
    """The value, away from the ends of its domain and from zero, where it may not be
    able to move.
    """
    if math.isinf(domain.low) and math.isinf(domain.high):
        return jnp.where(value == 0, 0.1, value)
    if math.isinf(domain.low):
        return jnp.where(value == domain.high, value - 0.1, value)
    if math.isinf(domain.high):
        return jnp.where(value == domain.low, value + 0.1, value)
    margin = 0.02 * (domain.high - domain.low)
    return jnp.clip(value, domain.low + margin, domain.high - margin)


def _first_bounds(device, weights) -> dict[str, Scalar]:
    """Where the search for the bounds starts: beyond the weights, because a step that
    vanishes between them is hard to move on, and not too far from them.
    """
    low, high = jnp.nanmin(weights), jnp.nanmax(weights)
    margin, far = (high - low) / 10, 4 * jnp.maximum(jnp.abs(low), jnp.abs(high))
    margin, far = jnp.where(margin > 0, margin, 0.1), jnp.where(far > 0, far, 1)  # of stuck devices
    reference = device.w_max - device.bounds()[1]
    above, below = jnp.maximum(high + reference + margin, margin), jnp.minimum(low + reference - margin, -margin)
    return {
        "w_max": jnp.clip(device.w_max, above, jnp.maximum(far + reference, above)),
        "w_min": jnp.clip(device.w_min, jnp.minimum(reference - far, below), below),
    }


def _first_scales(device, weights, pulses) -> dict[str, Scalar]:
    """Where the search for the size of steps and of noise starts.

    Steps: as large as those measured, by least squares. Noise: half of the variance of
    the steps is cycle noise, and a quarter read noise at each end.
    """
    change, mean, variance, counts = between(replace(device, {"dw_min_std": 1.0}), weights, pulses)
    square, n = jnp.sum(mean**2), jnp.maximum(jnp.sum(counts.astype(mean.dtype)), 1)
    ratio = jnp.sum(change * mean) / jnp.where(square > 0, square, 1)
    ratio = jnp.where(ratio > 0, ratio, 1)
    size, unit = jnp.sqrt(jnp.sum(change**2) / n), ratio * jnp.sqrt(jnp.sum(variance) / n)
    noise = {"dw_min_std": size / jnp.where(unit > 0, unit, 1) / 2**0.5, "read_std": size / 2}
    return {"dw_min": ratio * device.dw_min} | {name: jnp.where(value > 0, value, 0.1) for name, value in noise.items()}
