"""Refusals and warnings of a fit."""

import dataclasses
import functools
import math
import warnings
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._types import Interval, Scalar, is_concrete
from ..device.step.base import AbstractPulsedDevice
from .innovations import stepper
from .population import PAIRS, in_weight_units, replace

if TYPE_CHECKING:
    from .fitting import Fit

__all__ = ["check_fit", "check_parameters", "check_weights", "domains_of"]

Weights = Float[Array, "device measurement"]
Pulses = Float[Array, "device pulse"]
_SMALL_PART = 0.3  # of the range of a device
_NOISE = ("dw_min_std", "read_std")  # may be zero, where their logarithm is known to no error


def domains_of(device: AbstractPulsedDevice) -> dict[str, Interval]:
    """The domains of the numbers that can be estimated."""
    domains = {field.name: field.metadata["domain"] for field in dataclasses.fields(device) if "domain" in field.metadata}
    return {name: domain for name, domain in domains.items() if not name.endswith("_dtod")}


def check_parameters(device: AbstractPulsedDevice, parameters: tuple[str, ...] | str | None, pulses: Pulses) -> tuple[str, ...]:
    """The names of the parameters to estimate.

    Raises:
        ValueError: one is unknown, or the pulses say nothing of it.
    """
    known = [name for name in domains_of(device) if name != "dw_min_std"]
    chosen = parameters is not None
    parameters = (parameters,) if isinstance(parameters, str) else tuple(device.response if parameters is None else parameters)
    if chosen and not parameters:
        raise ValueError(f"parameters=() names nothing to estimate; choose from {', '.join(known)}.")
    if not parameters:
        raise ValueError(
            f"parameters=None: {type(device).__name__} is shaped by arrays, which are not estimated; make a table of the curves "
            f"instead, by jaxtile.device.Table.from_pulses(weights, pulses), or name some of {', '.join(known)}."
        )
    for name in parameters:
        if name not in known:
            array = eqx.is_array(getattr(device, name, None)) and getattr(device, name).ndim > 0
            instead = "; for arrays, use jaxtile.device.Table.from_pulses(weights, pulses)" if array else ""
            raise ValueError(f"parameters: {name!r} cannot be estimated; choose from {', '.join(known)}{instead}.")
    if getattr(device, "subtract_symmetry_point", False) and {"w_max", "w_min"} <= {*parameters}:
        raise ValueError(
            "device.subtract_symmetry_point=True counts weights from the symmetry point between w_max and w_min, so that one of "
            "the two stays undetermined. Name only one of them among parameters=, or fit a device with False."
        )
    parameters = tuple(dict.fromkeys(parameters))
    return _told(device, parameters, pulses, chosen=chosen) if is_concrete(pulses) else parameters


def _told(device, parameters, pulses, *, chosen: bool) -> tuple[str, ...]:
    """The parameters of which pulses of these directions say something."""
    ways = tuple(way for way in (1.0, -1.0) if (np.asarray(pulses) == way).any())
    if not ways:
        raise ValueError(
            "pulses holds neither 1 (up) nor -1 (down), and reads alone say nothing about a device; measure after pulses."
        )
    one_sided = len(ways) == 1
    mute = {tilt for size, tilt in PAIRS if one_sided and size in parameters} if one_sided else set()
    if (chosen or one_sided) and all(map(is_concrete, jax.tree.leaves(device))):
        moved = _sensitivity(device, ways=ways, names=parameters)
        mute |= {name for name, moves in moved.items() if not moves}
    mute &= {*parameters}
    if not mute:
        return parameters
    listed = ", ".join(name for name in parameters if name in mute)
    alone = f" of one direction ({'up' if ways[0] > 0 else 'down'})" if one_sided else ""
    if chosen:
        rest = ", ".join(name for name in device.response if name not in mute) or "others"
        raise ValueError(f"parameters: pulses{alone} say nothing about {listed}; leave it out, and choose from {rest}.")
    warnings.warn(
        f"pulses{alone} say nothing about {listed}, which stays as in device=; measure both directions to fit it.", stacklevel=4
    )
    return tuple(name for name in parameters if name not in mute)


@functools.partial(jax.jit, static_argnames=("ways", "names"))
def _sensitivity(device, *, ways: tuple[float, ...], names: tuple[str, ...]) -> dict[str, Bool[Array, ""]]:
    """Whether steps in these directions change with a parameter, anywhere between the
    bounds.
    """
    low, high = device.bounds()
    weights, domains = low + (high - low) * jnp.linspace(0.05, 0.95, 7), domains_of(device)

    def steps(**other):
        change = stepper(replace(device, {"dw_min_std": 0.5} | other))
        return jnp.stack([jnp.stack(jax.vmap(lambda weight: change(weight, jnp.asarray(way)))(weights)) for way in ways])  # noqa: B023

    def differs(name):
        domain, value = domains[name], getattr(device, name)
        ends = [end for end in (domain.low, domain.high) if math.isfinite(end)]
        others = [(value + 0.9 * (end - value)) if len(ends) == 2 else end + 1.7 * (value - end) for end in ends] + [
            value + 0.1,
            value - 0.1,
        ]
        inside = [jnp.clip(other, domain.low, domain.high) for other in others]
        return jnp.any(jnp.stack([jnp.any(steps(**{name: other}) != steps()) for other in inside]))

    return {name: differs(name) for name in names}


def check_weights(device: AbstractPulsedDevice, names: tuple[str, ...], weights: Weights, unit: Scalar, *, told: bool) -> None:
    """Refuse weights that say nothing, and raw conductances; warn of a unit that was
    guessed instead of told.
    """
    unknowns = len(names)
    if weights.shape[1] <= unknowns:
        raise ValueError(f"weights has shape {weights.shape}; pass [device, measurement], with more than {unknowns} measurements.")
    if not (is_concrete(weights) and is_concrete(unit)):
        return
    low, high, guessed = float(np.nanmin(weights)), float(np.nanmax(weights)), float(unit)
    held = [name for name in ("w_max", "w_min") if name not in names]
    if guessed == 1:
        if held and not told:
            _warn_of_a_small_part(device, held, max(-low, high))
        return
    if low > 0 or high < 0:
        raise ValueError(
            f"weights run from {low:g} to {high:g}, without zero and of another order than the range of device=; they look like "
            "raw conductances: normalise them, as by jaxtile.device.Conductance(g_min, g_max).weight(g)."
        )
    if held:
        warnings.warn(
            f"weights run from {low:g} to {high:g}, which is of another order than the range of device=. So a weight of 1 of "
            f"the device is taken for {guessed:g}, also in {', '.join(held)}, which is held; pass unit=1 if both are in one unit.",
            stacklevel=3,
        )


def _warn_of_a_small_part(device: AbstractPulsedDevice, held: list[str], largest: float) -> None:
    """Warn of weights in a small part of the range, where bounds that are held shape the
    steps: the device may be another one, or the unit.
    """
    if not all(map(is_concrete, jax.tree.leaves(device))):
        return
    with jax.ensure_compile_time_eval():  # all that is asked for is known, also under a trace
        reach = largest / max(abs(float(end)) for end in device.bounds())
        shapes = 0 < reach < _SMALL_PART and any(map(bool, _sensitivity(device, ways=(1.0, -1.0), names=tuple(held)).values()))
    if shapes:
        warnings.warn(
            f"weights reach {reach:.2g} of the range of device=, whose {' and '.join(held)} shape its steps and are held. If the "
            f"weights are in another unit, pass it, such as unit={10.0 ** round(math.log10(reach)):g}; if not, pass unit=1.",
            stacklevel=4,
        )


def check_fit(found: "Fit", device: AbstractPulsedDevice, names: tuple[str, ...]) -> None:
    """Refuse a fit in which no device converged, and warn of parameters that are not
    determined.
    """
    if not is_concrete(found.converged):
        return
    converged = np.asarray(found.converged)
    if not converged.any():
        raise ValueError(
            f"none of {converged.size} devices converged: pulses do not move them as {type(device).__name__} moves, or the search "
            "did not settle. Look at the weights; is 1 up and -1 down? Try another kind of device, other starting values in "
            "device=, fewer parameters=, or more max_steps=."
        )
    fitted = {name: np.asarray(getattr(found.device, name)) for name in names}
    lost = [name for name, value in fitted.items() if not np.isfinite(value)]
    if lost:
        raise ValueError(
            f"parameters: {', '.join(lost)} cannot be told from these pulses, since no device has a finite standard error; "
            "leave them out of parameters=, or measure more of the range."
        )
    _warn_of_edges(found, device, names, converged)
    check_bounds(in_weight_units(device, found.unit), names, found.weights, found.estimates["read_std"])


def _warn_of_edges(found: "Fit", device, names, converged) -> None:
    edges, loose = [], []
    for name in names:
        domain = domains_of(device)[name]
        values, errors = (np.asarray(each[name], np.float64)[converged] for each in (found.estimates, found.standard_errors))
        ends = [end for end in (domain.low, domain.high) if math.isfinite(end)]
        if len(ends) == 2 and np.median(np.min([np.abs(values - end) for end in ends], axis=0)) < 0.005 * (ends[1] - ends[0]):
            edges.append(f"{name} ({np.median(values):.3g})")
        elif len(ends) == 1 and name not in _NOISE and np.median(errors / np.abs(values - ends[0])) > 1:
            loose.append(f"{name} ({np.median(values):.3g} +- {np.median(errors):.2g})")
    if edges:
        warnings.warn(
            f"{', '.join(edges)} stands at an end of its range in most devices: does zero lie inside of the weights, and is 1 up?",
            stacklevel=4,
        )
    if loose:
        warnings.warn(
            f"these pulses do not determine {', '.join(loose)}: leave it out of parameters=, or measure more of the range.",
            stacklevel=4,
        )


def check_bounds(device: AbstractPulsedDevice, names: tuple[str, ...], weights: Weights, read_std: Float[Array, " device"]) -> None:
    """Warn of weights that the device cannot reach: farther out than read noise puts
    one in a million.
    """
    margin = 5 * read_std
    ends = jnp.nanmin(weights, axis=1) + margin, jnp.nanmax(weights, axis=1) - margin
    for name, bound, reached, way in zip(("w_min", "w_max"), device.bounds(), ends, (-1, 1), strict=True):
        if {name, "reference_mean"} & {*names} or not (is_concrete(bound) and is_concrete(reached)):
            continue
        farthest = int(np.argmax(np.nan_to_num(way * np.asarray(reached), nan=-np.inf)))
        if way * float(reached[farthest]) > way * float(bound):
            warnings.warn(
                f"weights reach {float(reached[farthest]):g} (less read noise, in device {farthest}), beyond the {float(bound):g} "
                f"of device.{name}={float(getattr(device, name)):g}, which is held fixed: pass a device with wider "
                f"bounds, or {name!r} among parameters=, or NaN for measurements that are wrong or at a hard bound.",
                stacklevel=4,
            )
