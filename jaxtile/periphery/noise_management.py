"""Noise management: scaling a vector to the range of the DAC."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["AbsMax", "AbstractNoiseManagement"]


class AbstractNoiseManagement(eqx.Module):
    """Chooses the number alpha by which each vector is divided before the DAC, and its result multiplied after the ADC."""

    @abc.abstractmethod
    def alpha(self, x: Float[Array, "k in"]) -> Float[Array, "k 1"]:
        """The scale of each vector; a vector of scale zero reads as exactly zero."""


class AbsMax(AbstractNoiseManagement):
    """alpha = max_j |x_j|: every vector uses the full range of the DAC."""

    def alpha(self, x: Float[Array, "k in"]) -> Float[Array, "k 1"]:
        return jnp.max(jnp.abs(x), axis=-1, keepdims=True)
