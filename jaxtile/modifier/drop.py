"""Weights that are as they are, but for those that are dropped."""

from .._random import Draws
from .._types import Scalar, Weight
from .base import AbstractModifier

__all__ = ["DropConnect"]


class DropConnect(AbstractModifier):
    """W' = W, less what `pdrop` drops.

    (Wan et al., "Regularization of neural networks using DropConnect", ICML 2013.)
    """

    def change(self, weight: Weight, largest: Scalar, draws: Draws) -> Weight:
        return weight
