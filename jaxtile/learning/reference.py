"""The reference of a fast array, estimated from what is read of it."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._types import Scalar
from .carrying import Lines

__all__ = ["Reference"]


class Reference(eqx.Module):
    """A running mean of what is read of each cell, and where it stood when it was last
    taken for the reference.

    A fast array drifts to its symmetry point, which the mean follows.

    Attributes:
        mean: the running mean.
        past: the reference.
    """

    mean: Float[Array, "line across"]
    past: Float[Array, "line across"]

    @classmethod
    def start(cls, shape: tuple[int, int]) -> "Reference":
        """Nothing read."""
        zero = jnp.zeros(shape, float)
        return cls(zero, zero)

    def follow(self, lines: Lines, share: Scalar) -> "Reference":
        """The same once lines were read, which count `share` in the mean."""
        i = lines.numbers
        return dataclasses.replace(self, mean=self.mean.at[i].set((1 - share) * self.mean[i] + share * lines.values))

    def settle(self, numbers: Int[Array, " n"], now: Bool[Array, " n"] | Bool[Array, ""]) -> "Reference":
        """The same with the mean of some lines as their reference, where it is time."""
        where = jnp.reshape(now, (-1, 1))
        return dataclasses.replace(self, past=self.past.at[numbers].set(jnp.where(where, self.mean[numbers], self.past[numbers])))
