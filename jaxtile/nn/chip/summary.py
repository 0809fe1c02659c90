"""A table of the layers of a network and the hardware that they take."""

from typing import NamedTuple

from jaxtyping import PyTree

from ..group import AnyTile
from ..layers import layers

__all__ = ["Summary", "summary"]


class Row(NamedTuple):
    """The hardware of one layer.

    Attributes:
        path: path of the layer.
        shape: (out, in) of its matrix.
        tiles: number of its tiles.
        tile_shape: (out, in) of each.
        device: class of its devices.
    """

    path: str
    shape: tuple[int, int]
    tiles: int
    tile_shape: tuple[int, int]
    device: str

    @property
    def cells(self) -> int:
        """Cells of all its tiles."""
        return self.tiles * self.tile_shape[0] * self.tile_shape[1]

    @property
    def utilisation(self) -> float:
        """Part of the cells that hold a weight."""
        return self.shape[0] * self.shape[1] / self.cells


class Summary(NamedTuple):
    """The hardware of a network; as text, a table.

    Attributes:
        rows: its layers.
    """

    rows: tuple[Row, ...]

    @property
    def tiles(self) -> int:
        """Tiles of all layers."""
        return sum(row.tiles for row in self.rows)

    @property
    def cells(self) -> int:
        """Cells of all tiles."""
        return sum(row.cells for row in self.rows)

    @property
    def utilisation(self) -> float:
        """Part of the cells that hold a weight."""
        return sum(row.cells * row.utilisation for row in self.rows) / self.cells

    def __repr__(self) -> str:
        lines = [("layer", "matrix", "tiles", "cells", "used", "device")]
        for row in self.rows:
            tiles = f"{row.tiles} of {_by(row.tile_shape)}"
            lines.append((row.path, _by(row.shape), tiles, f"{row.cells}", f"{row.utilisation:.0%}", row.device))
        lines.append(("all", "", f"{self.tiles}", f"{self.cells}", f"{self.utilisation:.0%}", ""))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _by(shape: tuple[int, int]) -> str:
    return " x ".join(map(str, shape))


def summary(model: PyTree) -> Summary:
    """The hardware that a model takes: its layers, tiles and cells.

    Args:
        model: a model with layers on tiles.
    """
    return Summary(tuple(_row(path, layer.tile) for path, layer in layers(model).items()))


def _row(path: str, tile: AnyTile) -> Row:
    return Row(path, tile.shape, tile.count, tile.tiles.shape, type(tile.device).__name__)
