"""One block of a sweep: a fixed number of tiles on each device, one call of one
compiled program.

XLA's sums and products depend on the width of a batch in their last bits. So the width
is fixed and the last block is padded. A point gets the same bits whichever block,
chunk, device or process it falls into.
"""

import functools
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float

from .._random import stream
from .._types import Key
from ..tile import init
from .grid import CHIP, SEED, TARGET, Grid, Subject

__all__ = ["Blocks"]

_FABRICATE = 0
_RUN = 1


class Blocks:
    """A program that runs `width` points on each device; traced here, and compiled when
    it is first used, so that what it returns can be refused in between.

    A chip is fabricated from `fold_in(fold_in(key, 0), chip)`; its run draws from the
    key with 1, chip, target and seed folded in. Numbers fold nothing in: points that
    differ in numbers alone share chips and draws, which makes differences between them
    sharp. Without a target, the function gets the configuration and the latter key.
    """

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
            subject = subject.placed(numbers)
            run_key = stream(key, _RUN, index[CHIP], index[TARGET], index[SEED])
            if targets is None:
                results = subject.run(subject.config, run_key)
            else:
                tile = init(subject.config, targets.shape[1:], key=stream(key, _FABRICATE, index[CHIP]))
                results = subject.run(tile, targets[index[TARGET]], run_key)
            named = isinstance(results, dict) and results and all(isinstance(name, str) for name in results)
            if not named or not all(_is_of_numbers(part) for part in results.values()):
                raise TypeError(f"run={subject.run!r} returns {results!r:.80}; return arrays by name, such as {{'error': error}}.")
            return {name: jnp.asarray(part) for name, part in results.items()}

        mesh = Mesh(np.asarray(devices), ("tile",))
        along, everywhere = PartitionSpec("tile"), PartitionSpec()
        lanes = jax.vmap(one, in_axes=(0, 0, None, None))
        program = jax.shard_map(lanes, mesh=mesh, in_specs=(along, along, everywhere, everywhere), out_specs=along, check_vma=False)
        self._sharding = NamedSharding(mesh, along)
        constant = jax.device_put((arrays, key), NamedSharding(mesh, everywhere))
        points = jax.tree.map(
            lambda one: jax.ShapeDtypeStruct((self.points,), one.dtype, sharding=self._sharding), self._at(np.zeros(1, int))
        )
        self._traced = jax.jit(program).lower(*points, *constant)
        self._constant = constant
        self.run = subject.run

    def results(self) -> dict[str, dict[str, Any]]:
        """Shape, type, names of axes, unit and label of each result of one point."""
        run = self.run
        described = {}
        for name, leaf in self._traced.out_info.items():
            shape = leaf.shape[1:]
            dims = run.dims(name) if hasattr(run, "dims") else tuple(f"{name}_{axis}" for axis in range(len(shape)))
            units = run.units(name) if hasattr(run, "units") else ""
            label = run.label(name) if hasattr(run, "label") else name.replace("_", " ")
            described[name] = {"shape": list(shape), "dtype": str(leaf.dtype), "dims": list(dims), "units": units, "label": label}
        return described

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

    def __call__(self, points: np.ndarray) -> dict[str, Array]:
        """Run some points, at most `self.points`, of the grid."""
        placed = jax.device_put(self._at(np.resize(points, self.points)), self._sharding)
        return self._program(*placed, *self._constant)

    def _at(self, points: np.ndarray) -> tuple[dict[str, Array], dict[str, np.ndarray]]:
        numbers, index = self.grid.at(points)
        return {path: jnp.asarray(value, float) for path, value in numbers.items()}, index


def _is_of_numbers(part: Any) -> bool:
    return eqx.is_array_like(part) and not jnp.issubdtype(jnp.asarray(part).dtype, jax.dtypes.extended)  # such as keys
