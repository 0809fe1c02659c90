"""Weights of few levels."""

import jax.numpy as jnp

from .._random import Draws, Source
from .._types import Scalar, Weight
from ..fields import Number, flag, number
from .base import AbstractModifier, rounded

__all__ = ["Discretize", "DiscretizeAddNormal", "DoReFa"]


class Discretize(AbstractModifier):
    """W' = A res round(W / (A res)), half away from zero.

    Attributes:
        res: step in units of A; 0: none. (aihwkit's torch tile takes it as a fraction
            of the full range: half of this number.)
        sto_round: round up or down by chance.
    """

    res: Number = number(0.0, low=0.0)
    sto_round: bool = flag(False)

    def change(self, weight: Weight, largest: Scalar, draws: Draws) -> Weight:
        return largest * rounded(weight / largest, self.res, draws if self.sto_round else None)


class DiscretizeAddNormal(AbstractModifier):
    """W' = A res round(W / (A res)) + std_dev A xi.

    Attributes:
        res, sto_round: as in `Discretize`.
        std_dev: of the noise, in units of A.
    """

    res: Number = number(0.0, low=0.0)
    sto_round: bool = flag(False)
    std_dev: Number = number(0.0, low=0.0)

    def change(self, weight: Weight, largest: Scalar, draws: Draws) -> Weight:
        coarse = largest * rounded(weight / largest, self.res, draws if self.sto_round else None)
        return coarse + self.std_dev * largest * draws.fold(Source.MODIFY).normal(weight.dtype)


class DoReFa(AbstractModifier):
    """W' = res round(tanh(W) dorefa_clip / (tanh(A) res)), half away from zero.

    (Zhou et al., "DoReFa-Net: Training low bitwidth convolutional neural networks with
    low bitwidth gradients", 2016.)

    Attributes:
        dorefa_clip: where the largest weight goes.
        res: step; 0: the weights stay as they are.
        sto_round: round up or down by chance.
    """

    dorefa_clip: Number = number(0.6, low=0.0)
    res: Number = number(0.0, low=0.0)
    sto_round: bool = flag(False)

    def change(self, weight: Weight, largest: Scalar, draws: Draws) -> Weight:
        squeezed = jnp.tanh(weight) * self.dorefa_clip / jnp.tanh(largest)
        return jnp.where(self.res > 0, rounded(squeezed, self.res, draws if self.sto_round else None), weight)
