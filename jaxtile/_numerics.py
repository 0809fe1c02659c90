"""Arithmetic whose last bit matters."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._types import Scalar

__all__ = ["divide"]


def divide(values: Float[Array, "..."], by: Scalar) -> Float[Array, "..."]:
    """`values / by`, correctly rounded.

    XLA multiplies an array by the reciprocal of a scalar instead of dividing it, which is off by a last bit now and then: enough to
    round a tie (5 / 6 * 15 = 12.5) to the other side. A divisor that depends on the values, if only on whether they are numbers, is
    left alone.
    """
    return values / jnp.where(jnp.isnan(values), jnp.nan, by)
