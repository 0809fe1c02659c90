"""A matrix on a grid of equal tiles.

Block (r, c) of the matrix is on tile (r, c). Each tile keeps its own chip, converters
and half-selected lines. They are read and pulsed as one batch. What the tiles of a row
read is added up digitally.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from .._types import Key, Scalar, Weights
from ..device import AbstractCells, AbstractDevice
from ..tile import Now, Tile, TileConfig, init
from ..tile import backward as backward_of_tile
from ..tile import forward as forward_of_tile

__all__ = ["AnyTile", "Blocks", "Grid", "backward", "change", "forward", "regrid", "run"]


class Blocks(NamedTuple):
    """Lines in blocks, each at the beginning of the lines of a tile.

    Attributes:
        sizes: lines of each block.
        lines: lines of a tile, at least as many; the rest is not connected.
    """

    sizes: tuple[int, ...]
    lines: int

    @classmethod
    def of(cls, lines: int, most: int, *, balanced: bool) -> "Blocks":
        """The blocks of some lines.

        Args:
            lines: how many lines there are.
            most: lines of the largest array.
            balanced: sizes of blocks differ by at most one, as in aihwkit; otherwise
                tiles are full, but for the last one.
        """
        count = -(-lines // most)
        small, more = divmod(lines, count)
        if balanced or count == 1:
            return cls(tuple(small + (n < more) for n in range(count)), small + (more > 0))
        return cls((most,) * (count - 1) + (lines - most * (count - 1),), most)

    @property
    def _places(self) -> np.ndarray:
        """Where each line is among those of all tiles."""
        return np.concatenate([n * self.lines + np.arange(size) for n, size in enumerate(self.sizes)])

    def split(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """[..., lines of all] as [block, ..., lines of a tile]; zero where nothing is
        connected.
        """
        wide = jnp.zeros((*x.shape[:-1], len(self.sizes) * self.lines), x.dtype).at[..., self._places].set(x)
        return jnp.moveaxis(wide.reshape(*x.shape[:-1], len(self.sizes), self.lines), -2, 0)

    def join(self, y: Float[Array, "..."]) -> Float[Array, "..."]:
        """The opposite of `split`."""
        together = jnp.moveaxis(y, 0, -2)
        return together.reshape(*together.shape[:-2], -1)[..., self._places]


class Grid(eqx.Module):
    """Equal tiles that hold one matrix.

    Attributes:
        tiles: the tiles, their arrays with leading axes [row, column] of the grid.
        rows: the outputs, in blocks.
        columns: the inputs, in blocks.
    """

    tiles: Tile
    rows: Blocks = eqx.field(static=True)
    columns: Blocks = eqx.field(static=True)

    @classmethod
    def of(cls, config: TileConfig, rows: Blocks, columns: Blocks, *, key: Key) -> "Grid":
        """Fabricate the tiles of a grid, each from a key of its own."""
        keys = jr.split(key, (len(rows.sizes), len(columns.sizes)))
        make = eqx.filter_vmap(eqx.filter_vmap(lambda key: init(config, (rows.lines, columns.lines), key=key)))
        return cls(make(keys), rows, columns)

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of the matrix."""
        return sum(self.rows.sizes), sum(self.columns.sizes)

    @property
    def config(self) -> TileConfig:
        """The configuration of the first tile, for its structure and its numbers."""
        return jax.tree.map(lambda leaf: leaf[0, 0], self.tiles.config)

    @property
    def device(self) -> AbstractDevice:
        """The device that was fabricated."""
        return self.config.built_device

    @property
    def weight(self) -> Weights:
        """The matrix that is read, [out, in]."""
        blocks = jnp.moveaxis(self.tiles.weight, (-4, -3), (0, 1))
        return self._join(blocks)

    @property
    def cells(self) -> AbstractCells:
        """The realised parameters of each device of the tiles."""
        return self.tiles.cells

    @property
    def now(self) -> Now:
        """How the tiles stand."""
        return self.tiles.now

    def at(self, now: Now) -> "Grid":
        """The same hardware as it stands at another time."""
        return Grid(self.tiles.at(now), self.rows, self.columns)

    @property
    def full_pulses(self) -> Scalar:
        """Pulses at the full voltage since fabrication, mean over the cells."""
        return jnp.mean(self.now.tally.full, axis=(-2, -1))

    def _split(self, matrix: Float[Array, "out in"]) -> Float[Array, "row column lines_out lines_in"]:
        columns = self.columns.split(matrix)
        return jnp.swapaxes(self.rows.split(jnp.swapaxes(columns, -1, -2)), -1, -2)

    def _join(self, blocks: Float[Array, "row column *chips lines_out lines_in"]) -> Weights:
        rows = jnp.swapaxes(self.rows.join(jnp.swapaxes(blocks, -1, -2)), -1, -2)
        return self.columns.join(rows)

    def each(self, verb: Callable[..., Any], **given: Any) -> Any:
        """Apply a verb to each tile; results have leading axes [row, column].

        Args:
            verb: a function of a tile.
            **given: what it is given by name: of x the columns of the tile, of d its rows,
                of a matrix (`weight` or `target`) its block, and a key of its own.
        """
        by_row, by_column = {}, {}
        for name, value in given.items():
            split, row, column = _SPLITS[name]
            by_row[name], by_column[name] = (None if value is None else axis for axis in (row, column))
            given[name] = None if value is None else split(self, value)

        def one(tile: Tile, given: dict[str, Any]) -> Any:
            return verb(tile, **given)

        along_columns = eqx.filter_vmap(one, in_axes=(0, by_column))
        return eqx.filter_vmap(along_columns, in_axes=(0, by_row))(self.tiles, given)


def _keys(grid: Grid, key: Key) -> Any:
    return jr.split(key, (len(grid.rows.sizes), len(grid.columns.sizes)))


# How each argument of a verb is split, and along which of its axes the rows and the columns of the grid run.
_SPLITS: dict[str, tuple[Callable[[Grid, Any], Any], int | None, int | None]] = {
    "x": (lambda grid, x: grid.columns.split(x), None, 0),
    "d": (lambda grid, d: grid.rows.split(d), 0, None),
    "weight": (Grid._split, 0, 0),
    "target": (Grid._split, 0, 0),
    "key": (_keys, 0, 0),
}

AnyTile = Tile | Grid


def run(verb: Callable[..., Any], tile: AnyTile, *, options: dict[str, Any] | None = None, **given: Any) -> Any:
    """Apply a verb to a tile, or to each tile of a grid; see `Grid.each`.

    Args:
        verb: a function of a tile.
        tile: the tile or the grid.
        options: arguments that are the same for all tiles.
        **given: arguments that are split over the tiles of a grid.
    """
    alike = partial(verb, **(options or {}))
    return tile.each(alike, **given) if isinstance(tile, Grid) else alike(tile, **given)


def change(verb: Callable[..., Tile], tile: AnyTile, *, options: dict[str, Any] | None = None, **given: Any) -> AnyTile:
    """The tile or grid after a verb that returns a tile; as `run`."""
    return regrid(tile, run(verb, tile, options=options, **given))


def regrid(tile: AnyTile, changed: Tile) -> AnyTile:
    """The tile that `run` returned, or the grid of those that it returned."""
    return Grid(changed, tile.rows, tile.columns) if isinstance(tile, Grid) else changed


def forward(tile: AnyTile, x: Float[Array, "... in"], *, key: Key) -> Float[Array, "... out"]:
    """Read W x: of a grid, what the tiles of each row read, added up."""
    y = run(forward_of_tile, tile, x=x, key=key)
    return tile.rows.join(jnp.sum(y, axis=1)) if isinstance(tile, Grid) else y


def backward(tile: AnyTile, d: Float[Array, "... out"], *, key: Key) -> Float[Array, "... in"]:
    """Read W^T d: of a grid, what the tiles of each column read, added up."""
    x = run(backward_of_tile, tile, d=d, key=key)
    return tile.columns.join(jnp.sum(x, axis=0)) if isinstance(tile, Grid) else x
