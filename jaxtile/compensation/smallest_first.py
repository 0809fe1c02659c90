"""Order of the pairs."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Scalar
from .._vectors import UnitVectors
from ..tile import Tile, TileConfig
from .base import AbstractCompensation

__all__ = ["SmallestFirst"]


class SmallestFirst(AbstractCompensation):
    """Send the pairs of a proposal in ascending order of their size |d| |x|, and leave them as they are.

    Half pulses pull a cell back in proportion to its weight, and small pairs send few. So what is written first stands through all
    that follows: `SVD` proposes the largest component first and exposes it to every later one; sent last, it is met by nothing.
    For an open loop, where nobody corrects that, the order is what helps most (`SVD(refresh=False, triplets=n)` with all n in one
    update; docs/compensation.md has figures). To a closed loop it does not matter. It is the order within an update: one pair alone
    has none.
    """

    def check(self, config: TileConfig) -> None:
        pass

    def __call__(
        self, x: Float[Array, "k in"] | UnitVectors, d: Float[Array, "k out"], tile: Tile, learning_rate: Scalar
    ) -> tuple[Float[Array, "k in"] | UnitVectors, Float[Array, "k out"]]:
        square = jnp.sum(d**2, axis=1)
        if isinstance(x, UnitVectors):
            order = jnp.argsort(square)
            return UnitVectors(x.columns[order], x.width), d[order]
        order = jnp.argsort(square * jnp.sum(x**2, axis=1))
        return x[order], d[order]
