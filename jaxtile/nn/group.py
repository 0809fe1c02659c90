"""Hardware around other hardware, which holds a matrix in several parts."""

import dataclasses
import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Scalar
from ..device import AbstractCells, AbstractDevice
from ..tile import AbstractHardware, Now, Tile, TileConfig

__all__ = ["AbstractGroup", "AnyTile"]


class AbstractGroup(AbstractHardware):
    """Hardware around other hardware.

    Attributes:
        held: the parts, as one whose arrays have the leading axes of this group.
    """

    axes: ClassVar[int] = 0

    held: eqx.AbstractVar[AbstractHardware]

    @property
    def tiles(self) -> Any:
        """The tiles of all parts, as one whose arrays have leading axes."""
        return self.held.tiles

    @property
    def depth(self) -> int:
        """The number of leading axes of the tiles."""
        return self.axes + (self.held.depth if isinstance(self.held, AbstractGroup) else 0)

    @property
    def count(self) -> int:
        """The number of tiles."""
        full = self.now.tally.full
        return math.prod(full.shape[full.ndim - self.depth :])

    @property
    def config(self) -> TileConfig:
        """The configuration of the first tile, for its structure and its numbers."""
        return jax.tree.map(lambda leaf: leaf[(0,) * self.depth], self.tiles.config)

    @property
    def device(self) -> AbstractDevice:
        """The device that was fabricated."""
        return self.config.built_device

    @property
    def cells(self) -> AbstractCells:
        """The realised parameters of each device of the tiles."""
        return self.tiles.cells

    @property
    def now(self) -> Now:
        """How the tiles stand."""
        return self.tiles.now

    @property
    def full_pulses(self) -> Scalar:
        """Pulses at the full voltage since fabrication, mean over the cells."""
        return jnp.mean(self.now.tally.full, axis=tuple(range(-self.depth, 0)))

    @property
    def trains(self) -> bool:
        """True where pulses for vectors x and d change the matrix by their product."""
        return self.held.trains

    def with_tiles(self, tiles: Any) -> "AbstractGroup":
        """The same with other tiles."""
        return dataclasses.replace(self, held=self.held.with_tiles(tiles))

    def at(self, now: Now) -> "AbstractGroup":
        """The same hardware as it stands at another time."""
        return self.with_tiles(self.tiles.at(now))


AnyTile = Tile | AbstractGroup
"""Hardware that a layer may be read from."""
