"""Fit the parameters of devices to measured responses to pulses."""

import dataclasses
import functools
import math
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Num

from .._types import AnyArray, Interval, Real, Scalar, as_number, is_concrete, is_whole, real_array
from ..device.step.base import AbstractPulsedDevice
from .likelihood import Coordinates, from_line, maximise, to_line

__all__ = ["Fit", "fit"]

_PAIRS = (("dw_min", "up_down"), ("pow_gamma", "pow_up_down"))  # a size, and what tells up from down, both relative to the size
_RELATIVE = ("w_max", "w_min", "lifetime", "diffusion")  # their `_dtod` is relative to the mean, that of others absolute


class Fit(eqx.Module):
    """The result of `fit`.

    Attributes:
        device: the population: mean parameters, their device-to-device spreads and the
            cycle noise; `jt.init` makes more of it.
        estimates: of each measured device, by the name of the parameter; among them
            "dw_min_std" (cycle noise) and "read_std".
        standard_errors: of the estimates; infinite or NaN where the pulses do not
            determine a parameter.
        converged: whether the search settled. `device` leaves out those where it did
            not, and those without standard errors.
        weights: the measurements.
        response: the weights that the fitted devices go through without any noise, from
            the first measurement on.
        residuals: what each measurement adds to what was expected from all those before
            it, over its expected spread: standard normal if the kind of device
            describes the data.
    """

    device: AbstractPulsedDevice
    estimates: dict[str, Float[Array, " device"]]
    standard_errors: dict[str, Float[Array, " device"]]
    converged: Bool[Array, " device"]
    weights: Float[Array, "device measurement"]
    response: Float[Array, "device measurement"]
    residuals: Float[Array, "device pulse"]


def fit(
    device: AbstractPulsedDevice,
    weights: Num[AnyArray, "device measurement"],
    pulses: Num[AnyArray, " pulse"] | Num[AnyArray, "device pulse"],
    *,
    parameters: tuple[str, ...] | None = None,
    read_std: Real | None = None,
    max_steps: int = 100,
) -> Fit:
    """Estimate the parameters of devices from their weights after each of many pulses;
    all devices at once.

    Neither curves nor steps are fitted by themselves. Cycle noise adds up along a
    curve, so the errors of a fitted curve depend on one another. Its standard errors
    then come out far too small. Read noise enters a step at both ends, so measured
    steps fall with the weight even where true ones do not. What is independent is the
    *innovation*: what a measurement adds to what was expected from all those before it.
    With steps s(w) of spread v(w) and read noise r,

        w_n+1 = w_n + s(w_n) + v(w_n) xi,      y_n = w_n + r xi'

    are filtered by an extended Kalman filter, and the likelihood of the innovations is
    maximised. Without read noise that is a fit of the steps, each weighted by its
    spread; without cycle noise, of the curve. The Fisher information gives the standard
    errors.

    The population gets the mean of the estimates and, for `_dtod`, their variance less
    their mean squared standard error (for "dw_min" and "up_down" by way of the gain and
    imbalance of each device, see `AbstractPulsedDevice`). Left out are devices whose
    search did not settle, and of each parameter those with a standard error ten times
    off the median.

    Clips are not part of the model: put NaN for measurements at a hard bound, which say
    nothing about steps, and for missing ones. Arrays, such as the nodes of
    `PiecewiseStep`, are not estimated: make a `Table.from_pulses` instead.

    Args:
        device: the kind of device. The search starts from its parameters, and those
            that are not estimated are kept. A device of your own draws its spread by
            `jaxtile.device.spread`, so that it is known without.
        weights: normalised conductance of each device before the first pulse and after
            each; NaN: not measured.
        pulses: 1 (up), -1 (down) or 0 (only a read) before each measurement but the
            first; for all devices or for each.
        parameters: what to estimate besides the noise; None: `device.response`, if the
            kind of device has one.
        read_std: read noise, in weight units; None: estimate it too. If it is known (0:
            there is none), there is one unknown less.
        max_steps: most steps of the search.
    """
    names = (*_check_parameters(device, parameters), "dw_min_std")
    weights, pulses = _check_data(weights, pulses, len(names) + 1)
    noise = None if read_std is None else as_number("read_std", read_std, low=0.0)
    if not is_whole(max_steps, 1):
        raise ValueError(f"max_steps={max_steps!r} must be a whole number of at least 1.")
    found = _fit(device, weights, jnp.broadcast_to(pulses, weights[:, 1:].shape), noise, names=names, max_steps=max_steps)
    _check_bounds(device, names, weights, found.estimates["read_std"])
    return found


def _check_parameters(device, parameters) -> tuple[str, ...]:
    if not isinstance(device, AbstractPulsedDevice):
        raise TypeError(f"device={device!r} is not one pulsed device; pass one such as SoftBounds(), or the device inside.")
    known = [name for name in _domains(device) if name != "dw_min_std"]
    parameters = device.response if parameters is None else tuple(parameters)
    if not parameters:
        kind = type(device).__name__
        raise ValueError(
            f"parameters=None: {kind} is shaped by arrays, which are not estimated; make a table of the curves instead, by "
            f"jaxtile.device.Table.from_pulses(weights, pulses), or name some of {', '.join(known)}."
        )
    for name in parameters:
        if name not in known:
            array = eqx.is_array(getattr(device, name, None)) and getattr(device, name).ndim > 0
            instead = "; for arrays, use jaxtile.device.Table.from_pulses(weights, pulses)" if array else ""
            raise ValueError(f"parameters: {name!r} cannot be estimated; choose from {', '.join(known)}{instead}.")
    if getattr(device, "subtract_symmetry_point", False) and {"w_max", "w_min"} <= {*parameters}:
        raise ValueError(
            "device.subtract_symmetry_point=True leaves one of w_max and w_min undetermined, since the weight is counted from the "
            "symmetry point between them: name one of them alone among parameters=, or fit a device without."
        )
    return parameters


def _check_bounds(device, names, weights, read_std) -> None:
    """Warn of weights that the device cannot reach: farther out than read noise puts
    one in a million.
    """
    margin = 5 * read_std
    ends = jnp.nanmin(jnp.nanmin(weights, axis=1) + margin), jnp.nanmax(jnp.nanmax(weights, axis=1) - margin)
    for name, bound, reached, way in zip(("w_min", "w_max"), device.bounds(), ends, (-1, 1), strict=True):
        moves = {name, "reference_mean"} & {*names}
        if not moves and is_concrete(bound) and is_concrete(reached) and way * float(reached) > way * float(bound):
            warnings.warn(
                f"weights reach {float(reached):g} (less read noise), beyond {float(bound):g} that follows from device.{name}="
                f"{float(getattr(device, name)):g}, which is held fixed: pass a device with wider bounds, or {name!r} among "
                "parameters=, or NaN for measurements at a hard bound.",
                stacklevel=3,
            )


def _domains(device) -> dict[str, Interval]:
    domains = {field.name: field.metadata["domain"] for field in dataclasses.fields(device) if "domain" in field.metadata}
    return {name: domain for name, domain in domains.items() if not name.endswith("_dtod")}


def _check_data(weights, pulses, unknowns: int):
    weights, pulses = real_array(weights, float, "weights"), real_array(pulses, float, "pulses")
    if weights.ndim != 2 or weights.shape[0] == 0 or weights.shape[1] <= unknowns:
        raise ValueError(f"weights has shape {weights.shape}; pass [device, measurement], with more than {unknowns} measurements.")
    if pulses.shape not in (weights[0, 1:].shape, weights[:, 1:].shape):
        raise ValueError(
            f"pulses has shape {pulses.shape} and weights {weights.shape}; pass {weights.shape[1] - 1} pulses, one less than "
            "measurements: the first is that before any pulse."
        )
    if is_concrete(pulses) and not np.isin(np.asarray(pulses), (-1, 0, 1)).all():
        raise ValueError("pulses holds other numbers than 1 (up), -1 (down) and 0 (only a read); measure after every single pulse.")
    if is_concrete(weights) and not np.isfinite(np.asarray(weights)[:, 0]).all():
        raise ValueError("weights[:, 0] is not finite; start every device with a measurement.")
    return weights, pulses


@functools.partial(jax.jit, static_argnames=("names", "max_steps"))
def _fit(device, weights, pulses, read_std: Any, *, names: tuple[str, ...], max_steps: int) -> Fit:
    unknowns = (*names, "read_std")
    domains = _domains(device) | {"read_std": Interval(0.0, math.inf, open=True)}
    rounding = jnp.finfo(weights.dtype).eps * jnp.nanmax(jnp.abs(weights))

    start = {name: getattr(device, name) for name in names} | {"read_std": jnp.ones_like(rounding)}

    def values(at: Coordinates) -> dict[str, Scalar]:
        return {name: from_line(domains[name], place, start[name]) for name, place in zip(unknowns, at, strict=True)}

    def made(at: Coordinates) -> AbstractPulsedDevice:
        return _replace(device, {name: value for name, value in values(at).items() if name in names})

    def fit_one(weights, pulses):
        def model(at: Coordinates):
            return _innovations(made(at), values(at)["read_std"] + rounding, weights, pulses)

        def search(at: Coordinates, stage):
            free, fixed = stage
            best = maximise(model, jnp.where(jnp.isnan(fixed), at, fixed), free, size=pulses.size, max_steps=max_steps)
            return best.at, best

        first = start | _first_bounds(device, weights)
        first |= _first_scales(_replace(device, {name: first[name] for name in names}), weights, pulses)
        at = jnp.stack([to_line(domains[name], first[name], start[name]) for name in unknowns])
        best = jax.tree.map(lambda leaf: leaf[-1], jax.lax.scan(search, at, _stages(unknowns, read_std, at.dtype))[1])

        def with_errors(quantities):
            slopes, found = jax.jacfwd(lambda at: (quantities(at),) * 2, has_aux=True)(best.at)
            return found, {name: best.standard_error(slope) for name, slope in slopes.items()}

        traits = with_errors(lambda at: _traits(made(at), names))
        return with_errors(values), traits, best.settled, _response(made(best.at), weights[0], pulses), best.residuals

    (estimates, errors), traits, settled, response, residuals = jax.vmap(fit_one)(weights, pulses)
    population = _population(device, *traits, settled)
    return Fit(_replace(device, population), estimates, errors, settled, weights, response, residuals)


def _replace(device: AbstractPulsedDevice, values: dict) -> AbstractPulsedDevice:
    """A device with other numbers, unchecked."""
    filled = {name: jnp.asarray(value, getattr(device, name).dtype) for name, value in values.items()}
    return eqx.tree_at(lambda device: [getattr(device, name) for name in filled], device, list(filled.values()))


def _stepper(device: AbstractPulsedDevice):
    """Mean and spread of the change of the weight of one nominal cell by one pulse."""
    cells = device.fabricate((1, 1), key=None)

    def change(weight: Scalar, pulse: Scalar) -> tuple[Scalar, Scalar]:
        (s_up, v_up), (s_down, v_down) = (device.step(cells, weight[None, None], up=up) for up in (True, False))
        mean = jnp.where(pulse > 0, s_up, -s_down)[0, 0]
        spread = jnp.where(pulse > 0, v_up, v_down)[0, 0]
        return jnp.where(pulse == 0, 0, mean), jnp.where(pulse == 0, 0, spread)

    return change


def _innovations(device, read_std, weights, pulses):
    """The surprise of each measurement and its variance; 0 and 1 where there is none."""
    change = _stepper(device)

    def step(state, seen):
        weight, variance = state
        pulse, measured = seen
        (moved, noise), (slope, _) = jax.jvp(lambda weight: change(weight, pulse), (weight,), (jnp.ones_like(weight),))
        weight, variance = weight + moved, (1 + slope) ** 2 * variance + noise**2
        expected = variance + read_std**2
        missing = jnp.isnan(measured)
        error = jnp.where(missing, 0, jnp.where(missing, 0, measured) - weight)
        trust = jnp.where(missing, 0, variance / expected)
        return (weight + trust * error, (1 - trust) * variance), (error, jnp.where(missing, 1, expected))

    first = weights[0], jnp.asarray(read_std**2, weights.dtype)
    return jax.lax.scan(step, first, (pulses, weights[1:]))[1]


def _response(device, start, pulses):
    change = _stepper(device)

    def step(weight, pulse):
        weight = weight + change(weight, pulse)[0]
        return weight, weight

    return jnp.concatenate([start[None], jax.lax.scan(step, start, pulses)[1]])


def _stages(unknowns, read_std, dtype):
    """The numbers that are free in each search, and those that are set before it (NaN:
    nothing).

    First the noise stays where it starts, or it would stand in for steps that are not
    yet right. A known read noise is set last: without it the likelihood is rugged,
    because where a weight was measured, a step can no longer cross zero.
    """
    noise, read = ([name in group for name in unknowns] for group in (("dw_min_std", "read_std"), ("read_std",)))
    free = [~jnp.asarray(noise), jnp.ones(len(unknowns), bool)]
    fixed = [jnp.full(len(unknowns), jnp.nan, dtype)] * 2
    if read_std is not None:
        free.append(~jnp.asarray(read))
        fixed.append(jnp.where(jnp.asarray(read), jnp.log(read_std.astype(dtype)), jnp.nan))
    return jnp.stack(free), jnp.stack(fixed)


def _first_bounds(device, weights) -> dict[str, Scalar]:
    """Where the search for the bounds starts: beyond the weights, because a step that
    vanishes between them is hard to move on.
    """
    low, high = jnp.nanmin(weights), jnp.nanmax(weights)
    margin, reference = (high - low) / 10, device.w_max - device.bounds()[1]
    bounds = (("w_max", jnp.maximum, high + margin), ("w_min", jnp.minimum, low - margin))
    return {name: farther(getattr(device, name), reached + reference) for name, farther, reached in bounds}


def _first_scales(device, weights, pulses) -> dict[str, Scalar]:
    """Where the search for the size of steps and of noise starts.

    Steps: as large as those measured, by least squares. Noise: half of the variance of
    the steps is cycle noise, and a quarter read noise at each end.
    """
    mean, spread = jax.vmap(_stepper(_replace(device, {"dw_min_std": 1.0})))(jnp.nan_to_num(weights)[:-1], pulses)
    seen, steps = ~jnp.isnan(jnp.diff(weights)), jnp.nan_to_num(jnp.diff(weights))
    square = jnp.sum(jnp.where(seen, mean**2, 0))
    ratio = jnp.sum(steps * mean) / jnp.where(square > 0, square, 1)
    ratio = jnp.where(ratio > 0, ratio, 1)
    size, unit = (jnp.sqrt(jnp.sum(jnp.where(seen, a**2, 0)) / jnp.sum(seen.astype(steps.dtype))) for a in (steps, ratio * spread))
    return {"dw_min": ratio * device.dw_min, "dw_min_std": size / jnp.where(unit > 0, unit, 1) / 2**0.5, "read_std": size / 2}


def _traits(device: AbstractPulsedDevice, names: tuple[str, ...]) -> dict[str, Scalar]:
    """The numbers that are spread over the devices: single ones, and the sum and
    difference of the two of a pair, up and down.

    up + down = (2 gain - |tilt|) size and up - down = (tilt + 2 imbalance) size
    """
    pairs = {size: (getattr(device, size), getattr(device, tilt)) for size, tilt in _PAIRS if {size, tilt} & {*names}}
    sums = {f"{name}, sum": size * (2 - jnp.abs(tilt)) for name, (size, tilt) in pairs.items()}
    differences = {f"{name}, difference": size * tilt for name, (size, tilt) in pairs.items()}
    return sums | differences | {name: getattr(device, name) for name in names}


def _population(device, traits, errors, settled) -> dict[str, Scalar]:
    """The parameters of the population that the devices were drawn from."""
    moments = {name: _moments(value, errors[name], settled) for name, value in traits.items()}
    mean, std = ({name: pair[n] for name, pair in moments.items()} for n in (0, 1))
    mean["dw_min_std"] = jnp.hypot(mean["dw_min_std"], std["dw_min_std"])
    std |= {name: std[name] / jnp.abs(mean[name]) for name in _RELATIVE if name in std}
    for name, tilt in _PAIRS:
        total, difference = f"{name}, sum", f"{name}, difference"
        if total not in traits:
            continue
        share = mean[difference] / mean[total]
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
    # An error far from that of most devices is that of a search that went astray.
    usual = jnp.nanmedian(jnp.where(settled, errors, jnp.nan))
    used = settled & (errors < 10 * usual) & (errors > usual / 10)
    count = jnp.sum(used.astype(values.dtype))

    def sum_of(values):
        return jnp.sum(jnp.where(used, values, 0))

    mean = sum_of(values) / count
    variance = sum_of((values - mean) ** 2) / jnp.maximum(count - 1, 1) - sum_of(errors**2) / count
    return mean, jnp.sqrt(jnp.maximum(variance, 0))
