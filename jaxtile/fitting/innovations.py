"""Measurements, filtered: what each adds to what was expected from all before it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._types import Scalar
from ..device.step.base import AbstractPulsedDevice

__all__ = ["between", "innovations", "response", "stepper"]

Weights = Float[Array, " measurement"]
Pulses = Float[Array, " pulse"]


def stepper(device: AbstractPulsedDevice):
    """Mean and spread of the change of the weight of one nominal cell by one pulse."""
    cells = device.fabricate((1, 1), key=None)

    def change(weight: Scalar, pulse: Scalar) -> tuple[Scalar, Scalar]:
        (s_up, v_up), (s_down, v_down) = (device.step(cells, weight[None, None], up=up) for up in (True, False))
        mean = jnp.where(pulse > 0, s_up, -s_down)[0, 0]
        spread = jnp.where(pulse > 0, v_up, v_down)[0, 0]
        sent = jnp.abs(pulse) > 0  # neither a read nor a new start
        return jnp.where(sent, mean, 0), jnp.where(sent, spread, 0)

    return change


def innovations(
    device: AbstractPulsedDevice, read_std: Scalar, weights: Weights, pulses: Pulses
) -> tuple[Pulses, Pulses, Bool[Array, " pulse"]]:
    """The surprise of each measurement, its variance, and whether there is one: not
    where nothing was measured, and not at a new start. There they are 0 and 1.
    """
    change = stepper(device)

    def step(state, seen):
        weight, variance = state
        pulse, measured = seen
        (moved, noise), (slope, _) = jax.jvp(lambda weight: change(weight, pulse), (weight,), (jnp.ones_like(weight),))
        weight, variance = weight + moved, (1 + slope) ** 2 * variance + noise**2
        expected = variance + read_std**2
        counts = ~jnp.isnan(measured) & ~jnp.isnan(pulse)
        error = jnp.where(counts, jnp.where(counts, measured, 0) - weight, 0)
        trust = jnp.where(counts, variance / expected, 0)
        new = jnp.isnan(pulse), jnp.nan_to_num(measured), jnp.asarray(read_std**2, variance.dtype)
        after = jnp.where(new[0], new[1], weight + trust * error), jnp.where(new[0], new[2], (1 - trust) * variance)
        return after, (error, jnp.where(counts, expected, 1), counts)

    first = weights[0], jnp.asarray(read_std**2, weights.dtype)
    return jax.lax.scan(step, first, (pulses, weights[1:]))[1]


def response(device: AbstractPulsedDevice, weights: Weights, pulses: Pulses) -> Weights:
    """The weights that the device goes through without noise, from the first one and
    from those at new starts.
    """
    change = stepper(device)

    def step(weight, seen):
        pulse, measured = seen
        weight = jnp.where(jnp.isnan(pulse), measured, weight + change(weight, pulse)[0])
        return weight, weight

    return jnp.concatenate([weights[:1], jax.lax.scan(step, weights[0], (pulses, weights[1:]))[1]])


def between(device: AbstractPulsedDevice, weights: Weights, pulses: Pulses) -> tuple[Pulses, Pulses, Pulses, Bool[Array, " pulse"]]:
    """From each measurement to the next: the change, its expected mean and variance,
    with all pulses sent at the weight that was measured last; and where they end.
    """
    change = stepper(device)

    def step(state, seen):
        last, mean, variance = state
        pulse, measured = seen
        moved, noise = change(last, pulse)
        mean, variance = mean + moved, variance + noise**2
        ends = ~jnp.isnan(measured)
        after = (jnp.where(ends, measured, last), jnp.where(ends, 0, mean), jnp.where(ends, 0, variance))
        counts = ends & ~jnp.isnan(pulse)
        gone = jnp.where(counts, measured - last, 0)
        return after, (gone, jnp.where(counts, mean, 0), jnp.where(counts, variance, 0), counts)

    nothing = jnp.zeros_like(weights[0])
    return jax.lax.scan(step, (weights[0], nothing, nothing), (pulses, weights[1:]))[1]
