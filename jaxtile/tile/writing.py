"""Setting a tile without pulses: weights, connections, and the counting of pulses."""

import dataclasses

from jaxtyping import Num

from .._random import as_key
from .._types import AnyArray, Key, Weight
from .checks import as_matrix, check_tile
from .tally import PulseCounts
from .tile import Tile

__all__ = ["connect", "count_pulses", "get_weights", "set_weights"]


def set_weights(tile: Tile, weight: Num[AnyArray, "out in"], *, key: Key | None = None) -> Tile:
    """Put weights into a tile exactly, clipped to what each of its devices can hold (as
    aihwkit does).

    Args:
        tile: the tile.
        weight: what to put in.
        key: of the write noise, for devices that have it; None: leave none.

    Raises:
        ValueError: the shape is not the tile's, or a weight is not finite.
    """
    weight = as_matrix("weight", weight, check_tile(tile))
    noise = None if key is None else tile.chip.draws(as_key(key))
    return tile.with_state(tile.device.write(tile.cells, tile.state, weight, noise=noise))


def get_weights(tile: Tile) -> Weight:
    """The weights as they are, without read noise: a simulator knows them, and no
    hardware can.
    """
    return tile.weight


def count_pulses(tile: Tile) -> Tile:
    """Count the pulses of each cell and of each line from now on, from zero:
    `tile.tally.each`.

    Args:
        tile: the tile. By default it counts means only, which cost nothing.
    """
    check_tile(tile)
    tally = dataclasses.replace(tile.tally, each=PulseCounts.start(*tile.shape))
    return tile.at(tile.now.replace(tally=tally))


def connect(tile: Tile, index: int) -> Tile:
    """Connect the lines of a tile to another device of each of its unit cells.

    Args:
        tile: one of `ReferenceCell` or of `VectorCell` with the policy `SingleFixed`.
        index: which device.

    Raises:
        TypeError, ValueError: the cells have no such choice, or no such device.
    """
    check_tile(tile)
    return dataclasses.replace(tile, config=tile.config.connect(index))
