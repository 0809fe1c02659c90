"""Noise of the weights while they are read, as it shows at the outputs."""

import abc

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._linalg import product
from .._numerics import safe_sqrt
from .._types import Weight
from ..fields import Checked, Number, number

__all__ = ["AbstractWeightNoise", "AdditiveConstant", "PCMRead"]


class AbstractWeightNoise(Checked):
    """Independent Gaussian noise on every weight, drawn anew for every vector: a
    Gaussian at each output of known spread.
    """

    @abc.abstractmethod
    def std(self, weight: Weight, u: Float[Array, "k in"]) -> Float[Array, " k #out"]:
        """Standard deviation at the outputs, for prepared inputs u."""


class AdditiveConstant(AbstractWeightNoise):
    """Noise of one size for all weights: w_noise ||u||_2.

    Attributes:
        w_noise: standard deviation of a weight.
    """

    w_noise: Number = number(0.0, low=0.0)

    def std(self, weight: Weight, u: Float[Array, "k in"]) -> Float[Array, "k 1"]:
        return self.w_noise * safe_sqrt(jnp.sum(u * u, axis=-1, keepdims=True))


class PCMRead(AbstractWeightNoise):
    """Growing with the root of the weight, as in phase-change memory: w_noise
    sqrt(sum_j |W_ij| u_j^2).

    Attributes:
        w_noise: standard deviation of a weight of 1.
    """

    w_noise: Number = number(0.0, low=0.0)

    def std(self, weight: Weight, u: Float[Array, "k in"]) -> Float[Array, "k out"]:
        return self.w_noise * safe_sqrt(product(u * u, jnp.abs(weight).T))
