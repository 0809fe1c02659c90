"""Fit the parameters of devices to measured responses to pulses."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num

from .._types import AnyArray, Interval, Real, Scalar, as_number, is_whole
from ..device.record import take_record
from ..device.step.base import AbstractPulsedDevice
from .checks import check_fit, check_parameters, check_weights, domains_of
from .innovations import innovations, response
from .likelihood import Coordinates, from_line, maximise, to_line
from .population import in_weight_units, population, replace, traits, weight_units
from .starting import first_values, unit_of

__all__ = ["Fit", "fit"]

_LEARNED = 10.0  # logarithm of the likelihood ratio to a device that pulses do not move, which chance does not reach


class Fit(eqx.Module):
    """The result of `fit`.

    Attributes:
        device: the population: mean parameters, their device-to-device spreads and the
            cycle noise; `jt.init` makes more of it.
        estimates: of each measured device, by the name of the parameter; among them
            "dw_min_std" (cycle noise) and "read_std".
        standard_errors: of the estimates; huge, infinite or NaN where the pulses do not
            determine a parameter.
        converged: whether the search settled, and pulses move the device. `device`
            leaves out the others, and those without standard errors.
        weights: the measurements.
        response: the weights that the fitted devices go through without any noise, from
            the first measurement on, and anew from each new start.
        residuals: what each measurement adds to what was expected from all those before
            it, over its expected spread: standard normal if the kind of device
            describes the data.
        log_likelihood: of each device's measurements, in nats; of the same measurements
            and units, the kind of device with more describes them better.
        counted: measurements of each device that count in it.
        unknowns: how many parameters were estimated for each device.
        unit: the weight, in the units of `weights`, that a weight of 1 of the device
            given stands for.
    """

    device: AbstractPulsedDevice
    estimates: dict[str, Float[Array, " device"]]
    standard_errors: dict[str, Float[Array, " device"]]
    converged: Bool[Array, " device"]
    weights: Float[Array, "device measurement"]
    response: Float[Array, "device measurement"]
    residuals: Float[Array, "device pulse"]
    log_likelihood: Float[Array, " device"]
    counted: Int[Array, " device"]
    unit: Scalar
    unknowns: int = eqx.field(static=True)

    @property
    def aic(self) -> Float[Array, " device"]:
        """Akaike's information criterion, 2 unknowns - 2 log_likelihood, of each
        device: the lower, the better.
        """
        return 2 * self.unknowns - 2 * self.log_likelihood

    @property
    def bic(self) -> Float[Array, " device"]:
        """The Bayesian information criterion, unknowns log(counted) - 2 log_likelihood,
        of each device: the lower, the better.
        """
        return self.unknowns * jnp.log(self.counted.astype(self.log_likelihood.dtype)) - 2 * self.log_likelihood


def fit(
    device: AbstractPulsedDevice,
    weights: Num[AnyArray, "device measurement"],
    pulses: Num[AnyArray, " pulse"] | Num[AnyArray, "device pulse"],
    *,
    parameters: tuple[str, ...] | str | None = None,
    read_std: Real | None = None,
    unit: Real | None = None,
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

    The answer is the same in S, uS and normalised conductance: weights are counted in
    the units of `device`, and what is found in those of the weights again (see `unit`).
    A parameter of a device of your own is taken along if its field says
    `units="weight"`.

    The population gets the mean of the estimates. A `_dtod` is the root of their
    variance less their mean squared standard error. ("dw_min" and "up_down" go by way
    of the gain and imbalance of each device, see `AbstractPulsedDevice`.) Left out are
    devices that did not converge, and of each parameter those with a standard error ten
    times off the median.

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
            first; for all devices or for each. NaN: a new start, of which the
            measurements before say nothing.
        parameters: what to estimate besides the noise; None: `device.response`, if the
            kind of device has one, without what pulses of one direction cannot tell.
        read_std: read noise, in weight units; None: estimate it too. If it is known (0:
            there is none), there is one unknown less.
        unit: the weight, in the units of `weights`, that a weight of 1 of `device`
            stands for. None: 1 if the largest weight is between a fiftieth of the
            device's range and five times that range. Otherwise it is the power of ten
            that brings it nearest.
        max_steps: most steps of the search.

    Raises:
        TypeError: the device is no single pulsed one, or data are no real numbers.
        ValueError: shapes or values do not agree, pulses say nothing of a parameter, or
            no device converged.
    """
    if not isinstance(device, AbstractPulsedDevice):
        raise TypeError(f"device={device!r} is not one pulsed device; pass one such as SoftBounds(), or the device inside.")
    weights, pulses = take_record(weights, pulses)
    noise = None if read_std is None else as_number("read_std", read_std, low=0.0)
    unit = None if unit is None else as_number("unit", unit, low=0.0, open=True)
    if not is_whole(max_steps, 1):
        raise ValueError(f"max_steps={max_steps!r} must be a whole number of at least 1.")
    names = (*check_parameters(device, parameters, pulses), "dw_min_std")
    told, unit = unit is not None, unit_of(device, weights, unit)
    check_weights(device, names, weights, unit, told=told)
    found = _fit(device, weights, pulses, noise, unit, names=names, max_steps=max_steps)
    check_fit(found, device, names)
    return found


@functools.partial(jax.jit, static_argnames=("names", "max_steps"))
def _fit(device, weights, pulses, read_std: Any, unit: Scalar, *, names: tuple[str, ...], max_steps: int) -> Fit:
    unknowns = (*names, "read_std")
    domains = domains_of(device) | {"read_std": Interval(0.0, open=True)}
    given, weights = weights, weights / unit  # so that the search is in the units of the device
    noise = None if read_std is None else read_std / unit
    rounding = jnp.finfo(weights.dtype).eps * jnp.nanmax(jnp.abs(weights))

    def fit_one(weights, pulses):
        start = first_values(device, names, domains, weights, pulses)

        def values(at: Coordinates) -> dict[str, Scalar]:
            return {name: from_line(domains[name], place, start[name]) for name, place in zip(unknowns, at, strict=True)}

        def made(at: Coordinates) -> AbstractPulsedDevice:
            return replace(device, {name: value for name, value in values(at).items() if name in names})

        def filtered(at: Coordinates):
            return innovations(made(at), values(at)["read_std"] + rounding, weights, pulses)

        def search(at: Coordinates, stage):
            free, fixed = stage
            start_at = jnp.where(jnp.isnan(fixed), at, fixed)
            best = maximise(lambda at: filtered(at)[:2], start_at, free, size=pulses.size, max_steps=max_steps)
            return best.at, best

        at = jnp.stack([to_line(domains[name], start[name], start[name]) for name in unknowns])
        best = jax.tree.map(lambda leaf: leaf[-1], jax.lax.scan(search, at, _stages(unknowns, noise, at.dtype))[1])

        def with_errors(quantities):
            slopes, found = jax.jacfwd(lambda at: (quantities(at),) * 2, has_aux=True)(best.at)
            return found, {name: best.standard_error(slope) for name, slope in slopes.items()}

        counted = jnp.sum(filtered(best.at)[2].astype(at.dtype))
        likelihood = -best.loss - counted * jnp.log(2 * jnp.pi) / 2
        learned = likelihood > _stuck(weights, pulses, noise) + _LEARNED
        outcome = best.settled & learned, response(made(best.at), weights, pulses), best.residuals, likelihood, counted
        return with_errors(values), with_errors(lambda at: traits(made(at), names)), outcome

    (estimates, errors), spread, outcome = jax.vmap(fit_one)(weights, pulses)
    converged, curves, residuals, likelihood, counted = outcome
    found = in_weight_units(replace(device, population(device, *spread, converged)), unit)
    in_weight = (*weight_units(device), "read_std")
    estimates, errors = (
        {name: value * unit if name in in_weight else value for name, value in each.items()} for each in (estimates, errors)
    )
    density = likelihood - counted * jnp.log(unit)  # per unit of the weights that were given
    rest = density, counted.astype(int), unit, len(unknowns) - (read_std is not None)
    return Fit(found, estimates, errors, converged, given, curves * unit, residuals, *rest)


def _stuck(weights, pulses, read_std) -> Scalar:
    """The logarithm of the likelihood of a device that does not move, its weight at
    each start unknown.

    Of n measurements after one start, of mean square s^2 around their mean: each
    innovation has the variance r^2 (k + 1) / k after k measurements, whose product is
    r^2n (n + 1).
    """
    step = (weights[1:], pulses)

    def seen(state, now):
        mean, count = state
        measured, pulse = now
        fresh, counts = jnp.isnan(pulse), ~jnp.isnan(measured)
        error = jnp.where(counts & ~fresh, (measured - mean) * jnp.sqrt(count / (count + 1)), 0)
        widened = jnp.where(counts & ~fresh, jnp.log((count + 1) / count), 0)
        mean = jnp.where(fresh, measured, jnp.where(counts, mean + (measured - mean) / (count + 1), mean))
        count = jnp.where(fresh, 1, jnp.where(counts, count + 1, count))
        return (mean, count), (error, widened, counts & ~fresh)

    errors, widened, counts = jax.lax.scan(seen, (weights[0], jnp.ones_like(weights[0])), step)[1]
    n, square = jnp.sum(counts.astype(errors.dtype)), jnp.sum(errors**2)
    variance = square / jnp.maximum(n, 1)
    if read_std is not None:
        variance = jnp.maximum(variance, read_std**2)
    return -(n * (jnp.log(2 * jnp.pi * variance) + jnp.minimum(square / (jnp.maximum(n, 1) * variance), 1)) + jnp.sum(widened)) / 2


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
