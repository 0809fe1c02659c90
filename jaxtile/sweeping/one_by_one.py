"""Points that take long, one after another: each may keep checkpoints, from which it goes
on after a kill.
"""

import inspect
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._types import Key
from .grid import Grid, Subject
from .point import describe_results, numbers_of, run_point

__all__ = ["OneByOne", "keeps_checkpoints"]


def keeps_checkpoints(run: Any) -> bool:
    """Whether a function takes the path of a file for its state."""
    try:
        return "checkpoint" in inspect.signature(run).parameters
    except ValueError:  # of functions that are not written in Python
        return False


class OneByOne:
    """A function that is called point by point, with the path of a file of its own. It is
    called as it is, since a compiled program writes no files; what it calls may be
    compiled. It is traced once, without a file, for what it returns.
    """

    waits = True

    def __init__(
        self,
        subject: Subject,
        targets: Float[Array, "n out in"] | None,
        grid: Grid,
        key: Key,
        *,
        width: int,
        devices: Sequence[Any],
    ):
        self.grid, self.width, self.devices = grid, width, devices[:1]
        self.run, self._constant = subject.run, (subject, targets, key)
        self._traced = jax.eval_shape(lambda: self._point(0, None))

    def results(self) -> dict[str, dict[str, Any]]:
        """Shape, type, names of axes, unit and label of each result of one point."""
        return describe_results(self.run, self._traced)

    def compile(self) -> int:
        """Compile nothing; the memory is not known."""
        return 0

    def __call__(self, points: np.ndarray, folder: pathlib.Path | None) -> dict[str, Array]:
        """Run some points of the grid, and wait for them.

        Args:
            points: by their numbers; one that stands there twice is run once.
            folder: where they may keep their checkpoints, if anywhere.
        """
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        results = {point: self._point(point, folder) for point in dict.fromkeys(points.tolist())}
        return {name: jnp.stack([results[point][name] for point in points.tolist()]) for name in self._traced}

    def _point(self, point: int, folder: pathlib.Path | None) -> dict[str, Array]:
        subject, targets, key = self._constant
        numbers, index = jax.tree.map(lambda values: jnp.asarray(values[0]), numbers_of(self.grid, np.asarray([point])))
        # By its place along each dimension, which stays when a store grows.
        place = "-".join(map(str, np.unravel_index(point, tuple(self.grid.sizes.values()))))
        return run_point(subject, targets, numbers, index, key, checkpoint=None if folder is None else folder / place)
