"""Which points a sweep has, what they are called, and which of them a block holds."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .grid import TARGET

__all__ = ["Block", "Layout", "Task", "block_of", "labels_of"]

Block = tuple[int, ...]  # its number along each dimension


class Task(NamedTuple):
    """A block, and those of its points that are still to be run."""

    block: Block
    lanes: np.ndarray


def block_of(sizes: Mapping[str, int], width: int) -> dict[str, int]:
    """The shape of a block of at most `width` points: whole along the last dimensions,
    in equal parts along the one before, and 1 along the first ones.
    """
    shape, room = {}, width
    for dim, size in reversed([*sizes.items()]):
        shape[dim] = -(-size // -(-size // min(size, room)))
        room //= shape[dim]
    return {dim: shape[dim] for dim in sizes}


def labels_of(
    coordinates: dict[str, list[Any] | int], zipped: dict[str, list[float]], targets: list[str]
) -> dict[str, list[Any] | int]:
    """By dimension, what tells its places apart: not how many points and targets there
    are, but what they are.
    """
    rows = {"point": [list(row) for row in zip(*zipped.values(), strict=True)], TARGET: targets}
    return {dim: rows.get(dim, along) for dim, along in coordinates.items()}


@dataclasses.dataclass(frozen=True)
class Layout:
    """The dimensions of a sweep and how they are cut into blocks.

    A block is a box of points, and a chunk of each array. So arrays have the shape and
    the names that users see, and grow without a chunk being moved.

    Attributes:
        coordinates: for each dimension the names or numbers along it, or how many there
            are where they are counted; those of configurations and runs come first.
        zipped: the numbers by path of the dimension "point".
        targets: a checksum of each target.
        units: of the numbers, by path.
        block: length of a block along each dimension.
        width: tiles that one call runs on each device.
        results: shape, type, names of axes, unit and label of each result of a point.
    """

    coordinates: dict[str, list[Any] | int]
    zipped: dict[str, list[float]]
    targets: list[str]
    units: dict[str, str]
    block: dict[str, int]
    width: int
    results: dict[str, dict[str, Any]]

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each dimension."""
        return {dim: along if isinstance(along, int) else len(along) for dim, along in self.coordinates.items()}

    @property
    def along(self) -> dict[str, tuple[str, list[Any]]]:
        """By name the dimension of each coordinate, and what is along it."""
        counted = {dim: list(range(along)) if isinstance(along, int) else along for dim, along in self.coordinates.items()}
        return {dim: (dim, values) for dim, values in counted.items()} | {path: ("point", v) for path, v in self.zipped.items()}

    def has(self, dim: str, name: str) -> bool:
        """Whether a name is along a dimension, or the only one of a dimension that is not
        there.
        """
        along = self.coordinates.get(dim, [name])
        return isinstance(along, list) and name in along

    @property
    def labels(self) -> dict[str, list[Any] | int]:
        """By dimension, what tells its places apart."""
        return labels_of(self.coordinates, self.zipped, self.targets)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a result of all points."""
        return (*self.sizes.values(), *self.results[name]["shape"])

    def blocks(self) -> list[Block]:
        """All blocks, those of one group after another."""
        return list(itertools.product(*(range(-(-size // self.block[dim])) for dim, size in self.sizes.items())))

    def region(self, block: Block) -> tuple[slice, ...]:
        """Where a block stands in an array of all points."""
        ends = zip(block, self.sizes.items(), strict=True)
        return tuple(slice(n * self.block[dim], min((n + 1) * self.block[dim], size)) for n, (dim, size) in ends)

    def box(self, block: Block) -> tuple[int, ...]:
        """Shape of a block, which is cut at the end of a dimension."""
        return tuple(part.stop - part.start for part in self.region(block))

    def task(self, block: Block) -> Task:
        """A block to be run as a whole."""
        return Task(block, np.arange(math.prod(self.box(block))))

    def group(self, block: Block) -> int:
        """Number of the group of a block: one kind of hardware with one function."""
        outer = self._outer
        return int(np.ravel_multi_index(block[:outer], tuple(self.sizes.values())[:outer])) if outer else 0

    def points(self, task: Task) -> np.ndarray:
        """The points of a task, by their numbers in the grid of each group."""
        sizes, region = tuple(self.sizes.values())[self._outer :], self.region(task.block)[self._outer :]
        places = np.ix_(*(np.arange(part.start, part.stop) for part in region))
        return np.ravel_multi_index(places, sizes).ravel()[task.lanes]

    @property
    def _outer(self) -> int:
        return sum(dim in ("config", "run") for dim in self.coordinates)
