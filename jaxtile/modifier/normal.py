"""Weights with Gaussian noise."""

from .._random import Draws, Source
from .._types import Scalar, Weight
from ..fields import Number, number
from .base import AbstractModifier

__all__ = ["AddNormal", "MultNormal"]


class AddNormal(AbstractModifier):
    """W' = W + std_dev A xi.

    Attributes:
        std_dev: of the noise, in units of A.
    """

    std_dev: Number = number(0.0, low=0.0)

    def change(self, weight: Weight, largest: Scalar, draws: Draws) -> Weight:
        return weight + self.std_dev * largest * draws.fold(Source.MODIFY).normal(weight.dtype)


class MultNormal(AbstractModifier):
    """W' = W (1 + std_dev A xi).

    The A is that of aihwkit's C++ tiles; its torch tile has none, and neither has
    `assumed_wmax=1`.

    Attributes:
        std_dev: relative noise of a weight, over A.
    """

    std_dev: Number = number(0.0, low=0.0)

    def change(self, weight: Weight, largest: Scalar, draws: Draws) -> Weight:
        return weight * (1 + self.std_dev * largest * draws.fold(Source.MODIFY).normal(weight.dtype))
