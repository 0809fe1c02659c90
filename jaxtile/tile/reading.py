"""Reading a tile through its periphery."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, Num

from .._random import as_key
from .._types import AnyArray, Key, Scalar, Weight
from .._vectors import UnitVectors
from ..device import Ideal
from ..periphery import Channels, IOParameters, read, remember
from ..pulse import NoPulse
from .checks import as_matrix, as_vectors, check_tile
from .config import TileConfig
from .tile import Chip, Tile

__all__ = ["backward", "forward", "observe", "read_as"]


def forward(tile: Tile, x: Num[AnyArray, "... in"] | UnitVectors, *, key: Key) -> Float[Array, "... out"]:
    """Read W x through the forward periphery, each vector for itself.

    Args:
        tile: the tile.
        x: one vector or many.
        key: of the read noise.
    """
    weight = check_tile(tile)
    return _read(tile.config.forward, weight, "x", x, key, tile.chip.forward, tile.now.forward)


def backward(tile: Tile, d: Num[AnyArray, "... out"], *, key: Key) -> Float[Array, "... in"]:
    """Read W^T d through the backward periphery, each vector for itself; bound
    management never acts here, as in aihwkit.

    Args:
        tile: the tile.
        d: one vector or many.
        key: of the read noise.
    """
    weight = check_tile(tile)
    io = eqx.tree_at(lambda io: io.bound_management, tile.config.backward, None, is_leaf=lambda leaf: leaf is None)
    return _read(io, weight.T, "d", d, key, tile.chip.backward, tile.now.backward)


def _read(
    io: IOParameters, weight: Weight, name: str, vectors: Any, key: Key, channels: Channels, average: Scalar | None
) -> Float[Array, "... line"]:
    dense = as_vectors(name, vectors, weight.shape[1], weight.dtype)
    flat = vectors if isinstance(vectors, UnitVectors) else dense.reshape(-1, dense.shape[-1])
    return _jit_read(io, weight, flat, as_key(key), channels, average).reshape(*dense.shape[:-1], weight.shape[0])


_jit_read = eqx.filter_jit(read)


def observe(
    tile: Tile, *, x: Num[AnyArray, "... in"] | UnitVectors | None = None, d: Num[AnyArray, "... out"] | UnitVectors | None = None
) -> Tile:
    """Let the noise management remember vectors; a read itself never changes a tile.

    Of use for `AverageAbsMax`, the one that remembers; each direction has a memory of
    its own.

    Args:
        tile: the tile.
        x: vectors that are read forward, in their order; None: none.
        d: vectors that are read backward; None: none.
    """
    dtype = check_tile(tile).dtype
    now, (out, width) = tile.now, tile.shape
    if x is not None:
        seen = as_vectors("x", x, width, dtype).reshape(-1, width)
        now = now.replace(forward=remember(tile.config.forward, now.forward, seen))
    if d is not None:
        seen = as_vectors("d", d, out, dtype).reshape(-1, out)
        now = now.replace(backward=remember(tile.config.backward, now.backward, seen))
    return tile.at(now)


def read_as(tile: Tile, weight: Num[AnyArray, "out in"]) -> Tile:
    """The same periphery around other weights, held as they are by ideal devices: what
    reads see of a modified tile.

    Args:
        tile: the tile.
        weight: what is read instead of its weights; gradients reach it.
    """
    weight, ideal = as_matrix("weight", weight, check_tile(tile), finite=False), Ideal()
    config = TileConfig(ideal, NoPulse(), forward=tile.config.forward, backward=tile.config.backward)
    chip = Chip(tile.shape, ideal.fabricate(tile.shape, key=None), forward=tile.chip.forward, backward=tile.chip.backward)
    return Tile(config, chip, tile.now.replace(state=weight, half_memory=None))
