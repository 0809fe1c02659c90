"""Making up in digital for what all devices lose."""

import abc

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._random import arange
from .._types import Key, real_array
from .._vectors import UnitVectors
from ..device import Statistical
from ..fields import Checked, flag
from ..tile import Tile, check_tile, forward

__all__ = ["AbstractDriftCompensation", "GlobalDriftCompensation", "PerColumnDriftCompensation"]

_SMALLEST = 1e-4  # of a readout, so that a dead tile is not divided by zero

Readout = Float[Array, "..."]


class AbstractDriftCompensation(Checked):
    """A factor on the outputs, from what the tile reads for unit vectors.

        alpha = readout right after the write / readout now,   each at least 1e-4

    Both are reads through the periphery, with its noise, as hardware would do them.
    (aihwkit's.)

    Attributes:
        exact_reference: the first readout is taken from the targets themselves, without
            noise. (aihwkit has it for the global one, as
            `GlobalDriftCompensationWithExactReference`.)
    """

    exact_reference: bool = flag(False)

    @abc.abstractmethod
    def readout(self, y: Float[Array, "in out"]) -> Readout:
        """Summary of what unit vectors read."""

    def baseline(self, tile: Tile, *, key: Key) -> Readout:
        """The readout right after the write.

        Args:
            tile: one of statistical devices, not drifted yet.
            key: of the read.

        Raises:
            TypeError: targets are asked for, and the tile knows none.
        """
        if not self.exact_reference:
            return self._readout(tile, key)
        check_tile(tile)
        if not isinstance(tile.device, Statistical):
            raise TypeError(f"tile={tile!r} has no targets to compare with; write it by jaxtile.apply_programming_noise.")
        return self.floored(tile.device.target(tile.state).T)

    def __call__(self, tile: Tile, baseline: Readout | float, *, key: Key) -> Readout:
        """The factor alpha, one for all outputs or one for each.

        Args:
            tile: the tile as it is now.
            baseline: its readout right after the write.
            key: of the read.
        """
        readout, baseline = self._readout(tile, key), real_array(baseline, None, "baseline")
        if baseline.shape not in ((), readout.shape):
            raise ValueError(f"baseline has shape {baseline.shape}; this tile reads {readout.shape}: pass its own baseline.")
        return baseline / readout

    def _readout(self, tile: Tile, key: Key) -> Readout:
        width = tile.shape[1]
        return self.floored(forward(tile, UnitVectors(arange(width), width), key=key))

    def floored(self, y: Float[Array, "in out"]) -> Readout:
        """The readout, at least 1e-4."""
        return jnp.maximum(self.readout(y), _SMALLEST)


class GlobalDriftCompensation(AbstractDriftCompensation):
    """One factor, from mean_ij |y_ij|."""

    def readout(self, y: Float[Array, "in out"]) -> Readout:
        return jnp.mean(jnp.abs(y))


class PerColumnDriftCompensation(AbstractDriftCompensation):
    """One factor for each output, from mean_j |y_ij|."""

    def readout(self, y: Float[Array, "in out"]) -> Readout:
        return jnp.mean(jnp.abs(y), axis=0)
