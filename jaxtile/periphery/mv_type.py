"""Ways to send the inputs of a product: all at once, by their signs, or in parts."""

import abc
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._types import Scalar, Weight
from ..fields import Checked, OptionalNumber, optional, whole
from .converter import Grid

__all__ = ["AbstractMVType", "BitWise", "OnePass", "PosNegSeparate", "PosNegSeparateDigitalSum", "SplitMode"]

Inputs = Float[Array, "k in"]
Outputs = Float[Array, "k out"]
Convert = Callable[[Outputs, int], tuple[Outputs, Bool[Array, "k 1"]]]


class AbstractMVType(Checked):
    """The passes that make up a product."""

    @property
    @abc.abstractmethod
    def w_read_asymmetry_dtod(self) -> Scalar | None:
        """The weight of a device for negative inputs is W (1 + w_read_asymmetry_dtod
        xi); None: W.

        The xi of each device is drawn once.
        """

    @abc.abstractmethod
    def read(
        self, weight: Weight, asymmetry: Weight | None, u: Inputs, multiply: "Multiply", convert: Convert, grid: Grid
    ) -> tuple[Outputs, Bool[Array, "k 1"]]:
        """Outputs for prepared inputs, and which vectors were clipped.

        Args:
            weight: W.
            asymmetry: what to multiply it by for negative inputs.
            u: the prepared inputs.
            multiply: the analog product of W and u, in the pass of that number and of
                so many time slots (all that there are).
            convert: the ADC in that pass; clips, and says which vectors it clipped.
            grid: of the DAC.
        """


@runtime_checkable
class Multiply(Protocol):
    """The analog product of one pass."""

    def __call__(self, weight: Weight, u: Inputs, part: int, slots: Scalar | None = None) -> Outputs: ...


class OnePass(AbstractMVType):
    """y = ADC(A(u)), with A the analog product: inputs of both signs at once."""

    @property
    def w_read_asymmetry_dtod(self) -> None:
        """There is no pass of negative inputs alone."""

    def read(self, weight, asymmetry, u, multiply, convert, grid) -> tuple[Outputs, Bool[Array, "k 1"]]:
        return convert(multiply(weight, u, 0), 0)


class PosNegSeparate(AbstractMVType):
    """y = ADC(A(max(u, 0)) + A(min(u, 0))): two passes, whose currents are summed
    before the ADC.
    """

    w_read_asymmetry_dtod: OptionalNumber = optional(low=0.0)  # pyright: ignore[reportIncompatibleMethodOverride]

    def read(self, weight, asymmetry, u, multiply, convert, grid) -> tuple[Outputs, Bool[Array, "k 1"]]:
        positive, negative = _by_sign(weight, asymmetry, u, multiply)
        return convert(positive + negative, 0)


class PosNegSeparateDigitalSum(AbstractMVType):
    """y = ADC(A(max(u, 0))) + ADC(A(min(u, 0))): two passes, each converted, and summed
    in digital.

    The outputs reach twice the bound of the ADC and carry its noise twice; a vector is
    clipped if it is in one of the passes.
    """

    w_read_asymmetry_dtod: OptionalNumber = optional(low=0.0)  # pyright: ignore[reportIncompatibleMethodOverride]

    def read(self, weight, asymmetry, u, multiply, convert, grid) -> tuple[Outputs, Bool[Array, "k 1"]]:
        positive, negative = _by_sign(weight, asymmetry, u, multiply)
        (positive, clipped), (negative, clipped_too) = convert(positive, 0), convert(negative, 1)
        return positive + negative, clipped | clipped_too


class SplitMode(AbstractMVType):
    """y = ADC(A(u_low)) + 2^b ADC(A(u_high)): n steps of input as n mod 2^b and n //
    2^b, with their sign, in two short passes.

    Attributes:
        split_mode_bit_shift: b.
    """

    split_mode_bit_shift: int = whole(3, low=1)

    @property
    def w_read_asymmetry_dtod(self) -> None:
        """There is no pass of negative inputs alone."""

    def read(self, weight, asymmetry, u, multiply, convert, grid) -> tuple[Outputs, Bool[Array, "k 1"]]:
        shift = 2**self.split_mode_bit_shift
        low, high = _parts(u / grid.step, shift)
        low, clipped = convert(multiply(weight, low * grid.step, 0, jnp.full_like(grid.slots, shift)), 0)
        high, clipped_too = convert(multiply(weight, high * grid.step, 1, grid.slots / shift), 1)
        return low + shift * high, clipped | clipped_too


class BitWise(AbstractMVType):
    """y = sum_k 2^k ADC(A(u_k)): n steps of input bit by bit, with their sign, in a
    pass each.

    Attributes:
        bits: of the largest input; 6 for the default resolution of 63 steps.
    """

    bits: int = whole(6, low=1)

    @property
    def w_read_asymmetry_dtod(self) -> None:
        """There is no pass of negative inputs alone."""

    def read(self, weight, asymmetry, u, multiply, convert, grid) -> tuple[Outputs, Bool[Array, "k 1"]]:
        total, clipped, rest = 0.0, False, u / grid.step
        for bit in range(self.bits):
            low, rest = _parts(rest, 2)
            y, too = convert(multiply(weight, low * grid.step, bit, jnp.full_like(grid.slots, 2)), bit)
            total, clipped = total + 2**bit * y, clipped | too
        return jnp.asarray(total), jnp.asarray(clipped)


def _parts(steps: Inputs, base: int) -> tuple[Inputs, Inputs]:
    """Remainder and quotient of the size of a number, both with its sign."""
    # A whole number of steps may have been rounded to just below it.
    high = jnp.sign(steps) * jnp.floor((jnp.abs(steps) + 1e-3) / base)
    return steps - base * high, high


def _by_sign(weight: Weight, asymmetry: Weight | None, u: Inputs, multiply: Multiply) -> tuple[Outputs, Outputs]:
    for_negative = weight if asymmetry is None else weight * asymmetry
    return multiply(weight, jnp.maximum(u, 0), 0), multiply(for_negative, jnp.minimum(u, 0), 1)
