"""One block of a sweep: a fixed number of tiles on each device, one call of one
compiled program.

XLA's sums and products depend on the width of a batch in their last bits. So the width
is fixed and the last block is padded. A point gets the same bits whichever block,
chunk, device or process it falls into.
"""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from .._types import Key
from .grid import Grid, Subject
from .point import describe_results, numbers_of, run_point

__all__ = ["Blocks"]


class Blocks:
    """A program that runs `width` points on each device; traced here, and compiled when
    it is first used, so that what it returns can be refused in between.
    """

    waits = False

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
        self.grid, self.width, self.devices = grid, width, devices
        arrays, static = eqx.partition((subject, targets), eqx.is_array)

        def one(numbers, index, arrays, key):
            subject, targets = eqx.combine(arrays, static)
            return run_point(subject, targets, numbers, index, key)

        mesh = Mesh(np.asarray(devices), ("tile",))
        along, everywhere = PartitionSpec("tile"), PartitionSpec()
        lanes = jax.vmap(one, in_axes=(0, 0, None, None))
        program = jax.shard_map(lanes, mesh=mesh, in_specs=(along, along, everywhere, everywhere), out_specs=along, check_vma=False)
        self._sharding = NamedSharding(mesh, along)
        constant = jax.device_put((arrays, key), NamedSharding(mesh, everywhere))
        like = numbers_of(grid, np.zeros(1, int))
        points = jax.tree.map(lambda one: jax.ShapeDtypeStruct((self.points,), one.dtype, sharding=self._sharding), like)
        self._traced = jax.jit(program).lower(*points, *constant)
        self._constant = constant
        self.run = subject.run

    def results(self) -> dict[str, dict[str, Any]]:
        """Shape, type, names of axes, unit and label of each result of one point."""
        leaves = self._traced.out_info.items()
        return describe_results(self.run, {name: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) for name, leaf in leaves})

    @functools.cached_property
    def _program(self) -> Any:
        return self._traced.compile()

    def compile(self) -> int:
        """Compile the program, unless that is done; the bytes that one call takes on each
        device.
        """
        used: Any = self._program.memory_analysis()
        return used.temp_size_in_bytes + used.argument_size_in_bytes + used.output_size_in_bytes

    @property
    def points(self) -> int:
        """Number of points that one call runs."""
        return self.width * len(self.devices)

    def __call__(self, points: np.ndarray, folder: pathlib.Path | None) -> dict[str, Array]:
        """Run some points, at most `self.points`, of the grid, and do not wait for them. The
        folder is for checkpoints, which a compiled program does not write.
        """
        placed = jax.device_put(numbers_of(self.grid, np.resize(points, self.points)), self._sharding)
        return self._program(*placed, *self._constant)
