"""Functions of the relative conductance r = g / g_max that were fitted to measurements."""

import abc
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import is_concrete, takes_reals
from ..fields import Checked, Field, Number, Reals, array, number, part

__all__ = ["AbstractLaw", "Branched", "ClippedLog", "InversePower", "law", "polynomial"]

Values = Float[Array, "*shape"]

_SMALLEST = 1e-7  # of a relative conductance whose logarithm is taken


def polynomial(coeffs: Float[Array, " k"], r: Values) -> Values:
    """c_0 + c_1 r + c_2 r^2 + ..."""
    return jnp.polyval(coeffs[::-1].astype(r.dtype), r)


class AbstractLaw(Checked):
    """A function of the relative conductance."""

    @abc.abstractmethod
    def __call__(self, r: Values) -> Values:
        """Evaluate it, entry by entry."""


def law(default: Callable[[], AbstractLaw]) -> Any:
    """Declare a law; its default is made late, because arrays at import would start a
    backend.
    """
    return part(AbstractLaw, "is no law; pass one of jaxtile.noise, such as ClippedLog()", default=default)


class ClippedLog(AbstractLaw):
    """clip(slope ln r + offset, low, high).

    Attributes:
        slope, offset: numbers of the line in ln r.
        low, high: bounds of the value.
    """

    slope: Number = number(0.0)
    offset: Number = number(0.0)
    low: Number = number(0.0)
    high: Number = number(1.0)

    def __check_init__(self) -> None:
        if is_concrete(self.low) and is_concrete(self.high) and float(self.low) > float(self.high):
            raise ValueError(f"ClippedLog.low={float(self.low):g} must not be above high={float(self.high):g}.")

    @takes_reals
    def __call__(self, r: Values) -> Values:
        return jnp.clip(self.slope * jnp.log(jnp.maximum(r, _SMALLEST)) + self.offset, self.low, self.high)


class Branched(AbstractLaw):
    """`below` where r < at, and the polynomial with `coeffs` elsewhere.

    Attributes:
        at: where they meet.
        below: a law of small conductances.
        coeffs: c_0, c_1, ... of large ones.
    """

    at: Number = number(0.0)
    below: AbstractLaw = law(ClippedLog)
    coeffs: Field[Reals, Float[Array, " k"]] = array((0.0,))

    @takes_reals
    def __call__(self, r: Values) -> Values:
        return jnp.where(r < self.at, self.below(r), polynomial(self.coeffs, r))


class InversePower(AbstractLaw):
    """min(factor / r^exponent, high).

    Attributes:
        factor, exponent: numbers of the power of r.
        high: upper bound of the value.
    """

    factor: Number = number(0.0, low=0.0)
    exponent: Number = number(1.0, low=0.0)
    high: Number = number(1.0, low=0.0)

    @takes_reals
    def __call__(self, r: Values) -> Values:
        return jnp.minimum(self.factor / jnp.maximum(r, _SMALLEST) ** self.exponent, self.high)
