"""Silent lines."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Scalar, number
from .._vectors import UnitVectors
from ..tile import Tile, TileConfig
from .base import AbstractCompensation

__all__ = ["Sparsify"]


class Sparsify(AbstractCompensation):
    """Set entries of d and x to zero that are below a part of the largest of their vector: their lines stay silent.

        d_i -> d_i (|d_i| >= threshold max |d|),   and x likewise

    A line of a small entry sends few pulses, but all cells along it see them as half pulses, and few as full ones. What it leaves
    out of the change is for the next read to find: of use in a closed loop only. Unit vectors have no small entries.

    Attributes:
        threshold: the part.
    """

    threshold: Scalar = number(0.3, low=0.0, high=1.0)

    def check(self, config: TileConfig) -> None:
        pass

    def __call__(
        self, x: Float[Array, "k in"] | UnitVectors, d: Float[Array, "k out"], tile: Tile, learning_rate: Scalar
    ) -> tuple[Float[Array, "k in"] | UnitVectors, Float[Array, "k out"]]:
        return x if isinstance(x, UnitVectors) else self._large(x), self._large(d)

    def _large(self, vectors: Float[Array, "k line"]) -> Float[Array, "k line"]:
        size = jnp.abs(vectors)
        return jnp.where(size >= self.threshold * jnp.max(size, axis=-1, keepdims=True), vectors, 0)
