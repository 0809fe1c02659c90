"""Where the results of a sweep go without a store."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import numpy as np

from .layout import Layout, Task
from .part import WHOLE, Part

__all__ = ["Unstored"]


class Unstored:
    """Results in memory, which end with the process."""

    def __init__(self, layout: Layout, about: Mapping[str, str]):
        self.layout, self.about = layout, about
        self.versions: list[dict[str, str]] = []
        self._arrays = {name: np.zeros(layout.shape(name), result["dtype"]) for name, result in layout.results.items()}

    def locked(self, *, shared: bool = False) -> contextlib.AbstractContextManager[None]:
        """Nobody else knows of it."""
        return contextlib.nullcontext()

    def sign(self, versions: dict[str, str]) -> None:
        """Say by which versions the blocks are written from now on."""
        self.versions = [versions]

    def missing(self, part: Part = WHOLE) -> list[Task]:
        """The blocks of a part that are not there yet: at the start, all."""
        return [self.layout.task(block) for block in part.among(self.layout.blocks())]

    def write(self, task: Task, results: Mapping[str, np.ndarray]) -> None:
        """Put one block."""
        for name, values in results.items():
            self._arrays[name][self.layout.region(task.block)] = values.reshape(*self.layout.box(task.block), *values.shape[1:])

    def folder(self, task: Task) -> None:
        """There is none for checkpoints."""

    def read(self) -> tuple[dict[str, np.ndarray], int]:
        """All results, and the number of blocks that are missing: none, at the end."""
        return self._arrays, 0
