"""What a compensation of half-selection is.

It stands between method and tile: it turns what a method proposes into what is sent. To add one: subclass `AbstractCompensation`
and write `check` and `__call__`.
"""

import abc

from jaxtyping import Array, Float

from .._types import Checked, Scalar
from .._vectors import UnitVectors
from ..tile import Tile, TileConfig

__all__ = ["AbstractCompensation"]


class AbstractCompensation(Checked):
    """A compensation of half-selection, the same for every method."""

    @abc.abstractmethod
    def check(self, config: TileConfig) -> None:
        """Refuse a configuration whose half-selection it cannot compensate, as far as its numbers are known."""

    @abc.abstractmethod
    def __call__(
        self, x: Float[Array, "k in"] | UnitVectors, d: Float[Array, "k out"], tile: Tile, learning_rate: Scalar
    ) -> tuple[Float[Array, "k in"] | UnitVectors, Float[Array, "k out"]]:
        """The vectors to send so that the tile, as it stands, changes by `-learning_rate d^T x` as the proposal wanted."""
