"""The quantities of a tile in training: one table for histories and plots.

To add one, add an entry to the table.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..._types import Scalar
from ...quantities import Quantity, measure
from ...tile import Tile
from ..group import AnyTile
from ..layers import layers

__all__ = ["OF_TILES", "Epoch", "label_of", "measure_tiles", "names_of"]


class Epoch(NamedTuple):
    """A tile in an epoch of training.

    Attributes:
        before: the tile before it.
        tile: the tile after it.
    """

    before: AnyTile
    tile: AnyTile


def _pulses(epoch: Epoch) -> Scalar:
    return epoch.tile.full_pulses - epoch.before.full_pulses


def _saturated(epoch: Epoch) -> Scalar:
    rows, columns = epoch.tile.shape
    at_bounds, meant = epoch.tile.each(_cells_at_bounds, x=jnp.ones(columns), d=jnp.ones(rows))
    return jnp.sum(at_bounds) / jnp.sum(meant)


def _cells_at_bounds(tile: Tile, x: Float[Array, " in"], d: Float[Array, " out"]) -> tuple[Scalar, Scalar]:
    """How many of the cells that pulses are meant for are at a bound, and how many such
    cells there are. Cells that are not connected, as at the rim of a grid, stay where
    they began.
    """
    meant, weight = jnp.outer(d, x), tile.weight
    if tile.device.bounds() is None:
        return jnp.zeros(()), jnp.sum(meant)
    low, high = (tile.device.clip(tile.cells, jnp.full_like(weight, end)) for end in (-1e6, 1e6))
    near = 0.01 * (high - low)
    at_bound = (weight >= high - near) | (weight <= low + near)
    return jnp.sum(jnp.where(at_bound, meant, 0)), jnp.sum(meant)


def _largest(epoch: Epoch) -> Scalar:
    return jnp.max(jnp.abs(epoch.tile.weight))


_TABLE = (
    Quantity("pulses", "pulses per cell", "full pulses per cell and epoch", _pulses),
    Quantity("saturated", "1", "fraction of cells at a bound", _saturated),
    Quantity("largest", "weight", "largest |weight| (weight units)", _largest),
)

OF_TILES = {quantity.name: quantity for quantity in _TABLE}
"""The quantities by name. A history has them by path and name, as "layers.0.pulses"."""


def names_of(model: PyTree) -> list[str]:
    """The names in a history, for all layers of a model."""
    return [f"{path}.{name}" for path in layers(model) for name in OF_TILES]


def label_of(name: str) -> str:
    """The label of an axis, for a name in a history; a loss or a metric is one itself."""
    path, _, own = name.rpartition(".")
    return f"{OF_TILES[own].label}\n{path}" if own in OF_TILES and path else name.replace("_", " ")


def measure_tiles(before: PyTree, model: PyTree) -> dict[str, Scalar]:
    """The quantities of all tiles, by path and name."""
    earlier, found = layers(before), {}
    for path, layer in layers(model).items():
        values = measure(OF_TILES.values(), Epoch(earlier[path].tile, layer.tile))
        found |= {f"{path}.{name}": value for name, value in values.items()}
    return found
