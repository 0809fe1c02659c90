"""How the inputs of a product are sent: all at once, or by their signs."""

import abc
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._types import Checked, Scalar, Weight, optional

__all__ = ["AbstractMVType", "OnePass", "PosNegSeparate", "PosNegSeparateDigitalSum"]

Inputs = Float[Array, "k in"]
Outputs = Float[Array, "k out"]
Multiply = Callable[[Weight, Inputs, int], Outputs]
Convert = Callable[[Outputs, int], tuple[Outputs, Bool[Array, "k 1"]]]


class AbstractMVType(Checked):
    """The passes that make up a product.

    Attributes:
        w_read_asymmetry_dtod: the weight of a device for negative inputs is W (1 + w_read_asymmetry_dtod xi), with xi drawn once
            for each device; None: W.
    """

    w_read_asymmetry_dtod: eqx.AbstractVar[Scalar | None]

    @abc.abstractmethod
    def read(
        self, weight: Weight, asymmetry: Weight | None, u: Inputs, multiply: Multiply, convert: Convert
    ) -> tuple[Outputs, Bool[Array, "k 1"]]:
        """Outputs for prepared inputs, and which vectors were clipped.

        Args:
            weight: W.
            asymmetry: what to multiply it by for negative inputs.
            u: the prepared inputs.
            multiply: the analog product of W and u, in the pass of that number.
            convert: the ADC in that pass; clips, and says which vectors it clipped.
        """


class OnePass(AbstractMVType):
    """y = ADC(A(u)), with A the analog product: inputs of both signs at once."""

    @property
    def w_read_asymmetry_dtod(self) -> None:
        """There is no pass of negative inputs alone."""

    def read(self, weight, asymmetry, u, multiply, convert) -> tuple[Outputs, Bool[Array, "k 1"]]:
        return convert(multiply(weight, u, 0), 0)


class PosNegSeparate(AbstractMVType):
    """y = ADC(A(max(u, 0)) + A(min(u, 0))): two passes, whose currents are summed before the ADC."""

    w_read_asymmetry_dtod: Scalar | None = optional(low=0.0)

    def read(self, weight, asymmetry, u, multiply, convert) -> tuple[Outputs, Bool[Array, "k 1"]]:
        positive, negative = _by_sign(weight, asymmetry, u, multiply)
        return convert(positive + negative, 0)


class PosNegSeparateDigitalSum(AbstractMVType):
    """y = ADC(A(max(u, 0))) + ADC(A(min(u, 0))): two passes, each converted, and summed in digital.

    The outputs reach twice the bound of the ADC and carry its noise twice; a vector is clipped if it is in one of the passes.
    """

    w_read_asymmetry_dtod: Scalar | None = optional(low=0.0)

    def read(self, weight, asymmetry, u, multiply, convert) -> tuple[Outputs, Bool[Array, "k 1"]]:
        positive, negative = _by_sign(weight, asymmetry, u, multiply)
        (positive, clipped), (negative, clipped_too) = convert(positive, 0), convert(negative, 1)
        return positive + negative, clipped | clipped_too


def _by_sign(weight: Weight, asymmetry: Weight | None, u: Inputs, multiply: Multiply) -> tuple[Outputs, Outputs]:
    for_negative = weight if asymmetry is None else weight * asymmetry
    return multiply(weight, jnp.maximum(u, 0), 0), multiply(for_negative, jnp.minimum(u, 0), 1)
