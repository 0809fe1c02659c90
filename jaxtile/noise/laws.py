"""Functions of the relative conductance r = g / g_max that were fitted to measurements."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Checked, Scalar, finite_array, number

__all__ = ["Branched", "ClippedLog", "InversePower", "coefficients", "polynomial"]

Values = Float[Array, "*shape"]

_SMALLEST = 1e-7  # of a relative conductance whose logarithm is taken


def coefficients(default: tuple[float, ...], name: str) -> Any:
    """A field of coefficients c_0, c_1, ... of a polynomial."""
    return eqx.field(default=default, converter=lambda value: finite_array(value, float, name))


def polynomial(coeffs: Float[Array, " k"], r: Values) -> Values:
    """c_0 + c_1 r + c_2 r^2 + ..."""
    return jnp.polyval(coeffs[::-1].astype(r.dtype), r)


class ClippedLog(Checked):
    """clip(slope ln r + offset, low, high).

    Attributes:
        slope, offset, low, high: see there.
    """

    slope: Scalar = number(0.0)
    offset: Scalar = number(0.0)
    low: Scalar = number(0.0)
    high: Scalar = number(1.0)

    def __call__(self, r: Values) -> Values:
        return jnp.clip(self.slope * jnp.log(jnp.maximum(r, _SMALLEST)) + self.offset, self.low, self.high)


class Branched(Checked):
    """`below` where r < at, and the polynomial with `coeffs` elsewhere.

    Attributes:
        at: where they meet.
        below: a law of small conductances.
        coeffs: c_0, c_1, ... of large ones.
    """

    at: Scalar = number(0.0)
    below: ClippedLog = eqx.field(default_factory=ClippedLog)
    coeffs: Float[Array, " k"] = coefficients((0.0,), "Branched.coeffs")

    def __call__(self, r: Values) -> Values:
        return jnp.where(r < self.at, self.below(r), polynomial(self.coeffs, r))


class InversePower(Checked):
    """min(factor / r^exponent, high).

    Attributes:
        factor, exponent, high: see there.
    """

    factor: Scalar = number(0.0, low=0.0)
    exponent: Scalar = number(1.0, low=0.0)
    high: Scalar = number(1.0, low=0.0)

    def __call__(self, r: Values) -> Values:
        return jnp.minimum(self.factor / jnp.maximum(r, _SMALLEST) ** self.exponent, self.high)
