"""Arithmetic whose last bit matters."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._types import Scalar

__all__ = ["divide", "divisor", "safe_sqrt", "straight_through", "unit_of"]


def divide(values: Float[Array, "..."], by: Scalar) -> Float[Array, "..."]:
    """`values / by`, correctly rounded.

    XLA multiplies an array by the reciprocal of a scalar instead of dividing it, which
    is off by a last bit now and then: enough to round a tie (5 / 6 * 15 = 12.5) to the
    other side. A divisor that depends on the values, if only on whether they are
    numbers, is left alone.
    """
    return values / jnp.where(jnp.isnan(values), jnp.nan, by)


def divisor(value: Float[Array, "..."]) -> Float[Array, "..."]:
    """The value where it is above zero, elsewhere 1, so that nothing is divided by zero.

    NaN stays NaN: what is broken must not look whole.
    """
    return jnp.where(value <= 0, 1, value)


def safe_sqrt(square: Float[Array, "..."]) -> Float[Array, "..."]:
    """The square root of what is above zero, elsewhere zero, with slope zero; NaN of
    NaN.
    """
    nothing = square <= 0
    return jnp.where(nothing, 0, jnp.sqrt(jnp.where(nothing, 1, square)))


def unit_of(values: Float[Array, "..."]) -> Scalar:
    """The power of two next to the largest entry.

    A division by it changes no bit, and keeps squares and sums of very large and very
    small numbers within the range of the type.
    """
    largest, least = jax.lax.stop_gradient(jnp.max(jnp.abs(values))), jnp.finfo(values.dtype).minexp
    _, exponent = jnp.frexp(largest)
    exponent = jnp.where(jnp.isfinite(largest) & (largest > 0), jnp.clip(exponent, least, -least), 0)
    return jnp.ldexp(jnp.ones((), values.dtype), exponent)


@jax.custom_jvp
def straight_through(value: Float[Array, "..."], replacement: Float[Array, "..."]) -> Float[Array, "..."]:
    """The replacement, which passes its gradient on to the value.

    The usual `replacement + (value - value)` is more than it seems: XLA keeps the
    difference, in case the value is infinite, and computes the value (a whole read,
    noise and all) once more for it.
    """
    return replacement


straight_through.defjvp(lambda primals, tangents: (primals[1], tangents[0]))
