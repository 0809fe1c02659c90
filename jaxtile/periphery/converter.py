"""Converters between digital and analog: a grid of levels and a range."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._numerics import divide, straight_through
from .._types import Scalar

__all__ = ["Grid", "clip", "exceeds", "quantise", "step_of", "truncate"]


class Grid(NamedTuple):
    """The DAC as a clock: an input of n steps pulses for n time slots.

    Attributes:
        step: of the DAC.
        slots: of a pass: the largest input, and one that is idle.
    """

    step: Scalar
    slots: Scalar


def step_of(res: Scalar, bound: Scalar) -> Scalar:
    """The absolute step of a converter; 0 where there is none, as without a bound."""
    fraction = jnp.where(res > 1, 1 / jnp.where(res > 1, res, 1), res)
    return jnp.where(jnp.isinf(bound), 0, jnp.maximum(fraction, 0) * 2 * jnp.where(jnp.isinf(bound), 1, bound))


def quantise(value: Float[Array, "..."], step: Scalar, shift: Float[Array, "..."] | None = None) -> Float[Array, "..."]:
    """Round to multiples of `step`, half to even; the gradient passes straight through.

    Args:
        value: what to round.
        step: 0 for no rounding.
        shift: uniform within half a step on either side, to round up or down by chance;
            None: to the nearest.
    """
    unit = jnp.where(step > 0, step, 1)
    levels = divide(value, unit)
    whole = jnp.rint(levels if shift is None else levels + shift)
    rounded = jnp.where(step > 0, whole, levels) * unit  # not of the value: XLA would compute the noise in it once more
    return straight_through(value, rounded)


def truncate(value: Float[Array, "..."], step: Scalar) -> Float[Array, "..."]:
    """Towards zero, to a multiple of `step`; the gradient passes straight through."""
    whole = jnp.trunc(divide(value, step)) * step
    return straight_through(value, whole)


def clip(value: Float[Array, "..."], bound: Scalar) -> Float[Array, "..."]:
    """Limit to the range from -bound to bound; at a bound itself the gradient still
    passes, beyond it is zero.
    """
    return jnp.where(value > bound, bound, jnp.where(value < -bound, -bound, value))


def exceeds(value: Float[Array, "..."], bound: Scalar, *, negative: bool) -> Bool[Array, "..."]:
    """True where a value is clipped; at the lower bound only if `negative`."""
    return (jnp.abs(value) if negative else value) > bound
