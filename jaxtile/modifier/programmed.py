"""Weights with the noise that programming leaves."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._random import Draws, Source
from .._types import Scalar, Weight
from ..fields import Field, Number, Reals, array, number
from ..noise.laws import polynomial
from .base import AbstractModifier

__all__ = ["Poly", "ProgNoise"]

# Of phase-change memory (Nandakumar et al., IEEE ICECS 2019) over 25 uS, as aihwkit has
# them; 1.965 / 25 would be 0.0786.
_PCM = (0.0105392, 0.0768, -0.046925)


class Poly(AbstractModifier):
    """W' = W + std_dev A (c_0 + c_1 r + c_2 r^2 + ...) xi, r = |W| / A.

    Attributes:
        std_dev: scale of the noise.
        coeffs: c_0, c_1, ...
    """

    std_dev: Number = number(0.0, low=0.0)
    coeffs: Field[Reals, Float[Array, " k"]] = array(_PCM)

    def change(self, weight: Weight, largest: Scalar, draws: Draws) -> Weight:
        return weight + self.std_dev * _noise(self.coeffs, weight, largest, draws)


class ProgNoise(AbstractModifier):
    """Noise as of `Poly` with std_dev / g_max, but for the sign: W' = sign(W) |W +
    noise|, as a pair keeps its sign.

    Attributes:
        std_dev: scale of the noise.
        coeffs: c_0, c_1, ..., in the unit of `g_max`.
        g_max: the conductance of a weight of A.
    """

    std_dev: Number = number(0.0, low=0.0)
    coeffs: Field[Reals, Float[Array, " k"]] = array(_PCM)
    g_max: Number = number(25.0, low=0.0, open=True)

    def change(self, weight: Weight, largest: Scalar, draws: Draws) -> Weight:
        noisy = weight + self.std_dev / self.g_max * _noise(self.coeffs, weight, largest, draws)
        return jnp.where(weight < 0, -1, 1) * jnp.abs(noisy)


def _noise(coeffs: Float[Array, " k"], weight: Weight, largest: Scalar, draws: Draws) -> Weight:
    size = largest * polynomial(coeffs, jnp.abs(weight) / largest)
    return size * draws.fold(Source.MODIFY).normal(weight.dtype)
