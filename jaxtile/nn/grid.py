"""A matrix on a grid of equal tiles.

Block (r, c) of the matrix is on tile (r, c). Each tile keeps its own chip, converters
and half-selected lines. They are read and pulsed as one batch; of a large grid, row by row
in a loop, so that the cells of a batch fit into a cache. What the tiles of a row read is
added up digitally.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from .._loop import one_by_one
from .._types import Key, Weights
from ..tile import AbstractHardware
from ..tile import backward as backward_of_tile
from ..tile import forward as forward_of_tile
from .group import AbstractGroup

__all__ = ["Blocks", "Grid", "backward", "forward"]

# Cells of a batch of tiles, at most: two MiB of weights.
_MOST = 2**19


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


class Grid(AbstractGroup):
    """Equal arrays that hold one matrix.

    Attributes:
        held: the tiles, or whatever holds a block; their numbers with leading axes
            [row, column] of the grid.
        rows: the outputs, in blocks.
        columns: the inputs, in blocks.
    """

    axes: ClassVar[int] = 2

    held: AbstractHardware
    rows: Blocks = eqx.field(static=True)
    columns: Blocks = eqx.field(static=True)

    @classmethod
    def of(cls, make: Callable[..., AbstractHardware], rows: Blocks, columns: Blocks, *, key: Key) -> "Grid":
        """Fabricate the arrays of a grid, each from a key of its own.

        Args:
            make: `(shape, key=key)` fabricates an array.
            rows: the outputs, in blocks.
            columns: the inputs, in blocks.
            key: of the chips.
        """
        keys = jr.split(key, (len(rows.sizes), len(columns.sizes)))
        each = eqx.filter_vmap(eqx.filter_vmap(lambda key: make((rows.lines, columns.lines), key=key)))
        return cls(each(keys), rows, columns)

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of the matrix."""
        return sum(self.rows.sizes), sum(self.columns.sizes)

    @property
    def weight(self) -> Weights:
        """The matrix that is read, [out, in]."""
        return self._join(jnp.moveaxis(self.held.weight, (-4, -3), (0, 1)))

    def _split(self, matrix: Float[Array, "out in"]) -> Float[Array, "row column lines_out lines_in"]:
        columns = self.columns.split(matrix)
        return jnp.swapaxes(self.rows.split(jnp.swapaxes(columns, -1, -2)), -1, -2)

    def _join(self, blocks: Float[Array, "row column *chips lines_out lines_in"]) -> Weights:
        rows = jnp.swapaxes(self.rows.join(jnp.swapaxes(blocks, -1, -2)), -1, -2)
        return self.columns.join(rows)

    def _keys(self, key: Key) -> Any:
        return jr.split(key, (len(self.rows.sizes), len(self.columns.sizes)))

    def each(self, verb: Callable[..., Any], **given: Any) -> Any:
        """Apply a verb to each tile; results have leading axes [row, column].

        Args:
            verb: a function of a tile.
            **given: what it is given by name: of x the columns of the tile, of d its rows,
                of a matrix (`weight` or `target`) its block, and a key of its own.
        """
        if self._cells <= _MOST:
            return self._each(verb, given)
        # A loop outside of a program would be compiled at each call.
        known, found = _arrays(self), _changed(self, verb, given)
        return jax.tree.map(lambda leaf: known[leaf.number] if isinstance(leaf, Same) else leaf, found)

    def _each(self, verb: Callable[..., Any], given: dict[str, Any]) -> Any:
        by_row, by_column, shares = {}, {}, {}
        for name, value in given.items():
            split, row, column = _SPLITS[name]
            by_row[name], by_column[name] = (None if value is None else axis for axis in (row, column))
            shares[name] = None if value is None else split(self, value)
        of_row = _along(lambda array, given: array.each(verb, **given), by_column, cells=self._cells // len(self.rows.sizes))
        return _along(of_row, by_row, cells=self._cells)(self.held, shares)

    @property
    def _cells(self) -> int:
        """Cells of all its arrays."""
        return len(self.rows.sizes) * self.rows.lines * len(self.columns.sizes) * self.columns.lines

    def outputs(self, y: Float[Array, "row column ..."], x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        """Sum of the outputs that the arrays of each row read."""
        along_columns = eqx.filter_vmap(lambda array, y, x: array.outputs(y, x))
        parts = eqx.filter_vmap(along_columns, in_axes=(0, 0, None))(self.held, y, self.columns.split(x))
        return self.rows.join(jnp.sum(parts, axis=1))

    def inputs(self, x: Float[Array, "row column ..."], d: Float[Array, "... out"]) -> Float[Array, "... in"]:
        """Sum of the inputs that the arrays of each column read."""
        along_columns = eqx.filter_vmap(lambda array, x, d: array.inputs(x, d), in_axes=(0, 0, None))
        parts = eqx.filter_vmap(along_columns)(self.held, x, self.rows.split(d))
        return self.columns.join(jnp.sum(parts, axis=0))


@dataclasses.dataclass(frozen=True)
class Same:
    """In the place of an array that a program would return as it was given, in a copy.

    Attributes:
        number: which of its inputs.
    """

    number: int


@eqx.filter_jit
def _changed(grid: Grid, verb: Callable[..., Any], given: dict[str, Any]) -> Any:
    known = {id(leaf): Same(number) for number, leaf in enumerate(_arrays(grid))}
    return jax.tree.map(lambda leaf: known.get(id(leaf), leaf), grid._each(verb, given))


def _arrays(grid: Grid) -> list[Array]:
    return jax.tree.leaves(eqx.filter(grid, eqx.is_array))


def _along(
    function: Callable[..., Any], axes: dict[str, int | None], *, cells: int
) -> Callable[[AbstractHardware, dict[str, Any]], Any]:
    """A function of the arrays along an axis of a grid, and of what they are given: all at
    once, or one after another where that would be too many cells.

    Args:
        function: of one array, and what it is given.
        axes: 0 for what each array has its own of, None for what is the same for all.
        cells: of all arrays.
    """
    if cells <= _MOST:
        return eqx.filter_vmap(function, in_axes=(0, axes))

    def in_turn(held: AbstractHardware, given: dict[str, Any]) -> Any:
        own = {name: value for name, value in given.items() if axes[name] is not None}
        return one_by_one(lambda array, own: function(array, given | own), held, own)

    return in_turn


# How each argument of a verb is split, and along which of its axes the rows and the columns of the grid run.
_SPLITS: dict[str, tuple[Callable[[Grid, Any], Any], int | None, int | None]] = {
    "x": (lambda grid, x: grid.columns.split(x), None, 0),
    "d": (lambda grid, d: grid.rows.split(d), 0, None),
    "weight": (Grid._split, 0, 0),
    "target": (Grid._split, 0, 0),
    "key": (Grid._keys, 0, 0),
}


def forward(hardware: AbstractHardware, x: Float[Array, "... in"], *, key: Key) -> Float[Array, "... out"]:
    """Read W x through all tiles."""
    return hardware.outputs(hardware.each(forward_of_tile, x=x, key=key), x)


def backward(hardware: AbstractHardware, d: Float[Array, "... out"], *, key: Key) -> Float[Array, "... in"]:
    """Read W^T d through all tiles."""
    return hardware.inputs(hardware.each(backward_of_tile, d=d, key=key), d)
