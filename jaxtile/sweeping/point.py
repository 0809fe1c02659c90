"""One point of a sweep: its chip, its draws and its results."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._random import stream
from .._types import Key
from ..tile import init
from .grid import CHIP, SEED, TARGET, Grid, Subject

__all__ = ["describe_results", "numbers_of", "run_point"]

_FABRICATE = 0
_RUN = 1


def run_point(
    subject: Subject, targets: Float[Array, "n out in"] | None, numbers: Any, index: Any, key: Key, **options: Any
) -> dict[str, Array]:
    """Run one point.

    A chip is fabricated from `fold_in(fold_in(key, 0), chip)`; its run draws from the
    key with 1, chip, target and seed folded in. Numbers fold nothing in: points that
    differ in numbers alone share chips and draws, which makes differences between them
    sharp. Without a target, the function gets the configuration and the latter key.

    Args:
        subject: what is run, and on which hardware.
        targets: all of them, or None.
        numbers: of this point, by path.
        index: of its chip, target and seed.
        key: of the whole sweep.
        **options: for the function.

    Raises:
        TypeError: the function returns something else than arrays by name.
    """
    subject = subject.placed(numbers)
    run_key = stream(key, _RUN, index[CHIP], index[TARGET], index[SEED])
    if targets is None:
        results = subject.run(subject.config, run_key, **options)
    else:
        tile = init(subject.config, targets.shape[1:], key=stream(key, _FABRICATE, index[CHIP]))
        results = subject.run(tile, targets[index[TARGET]], run_key, **options)
    named = isinstance(results, dict) and results and all(isinstance(name, str) for name in results)
    if not named or not all(map(_is_of_numbers, results.values())):
        raise TypeError(f"run={subject.run!r} returns {results!r:.80}; return arrays by name, such as {{'error': error}}.")
    return {name: jnp.asarray(part) for name, part in results.items()}


def numbers_of(grid: Grid, points: np.ndarray) -> tuple[dict[str, Array], dict[str, np.ndarray]]:
    """The numbers of some points in the precision of the run, and their indices."""
    numbers, index = grid.at(points)
    return {path: jnp.asarray(value, float) for path, value in numbers.items()}, index


def describe_results(run: Any, results: dict[str, jax.ShapeDtypeStruct]) -> dict[str, dict[str, Any]]:
    """Shape, type, names of axes, unit and label of each result of one point."""
    described = {}
    for name, leaf in results.items():
        dims = run.dims(name) if hasattr(run, "dims") else tuple(f"{name}_{axis}" for axis in range(len(leaf.shape)))
        units = run.units(name) if hasattr(run, "units") else ""
        label = run.label(name) if hasattr(run, "label") else name.replace("_", " ")
        described[name] = {"shape": list(leaf.shape), "dtype": str(leaf.dtype), "dims": list(dims), "units": units, "label": label}
    return described


def _is_of_numbers(part: Any) -> bool:
    return eqx.is_array_like(part) and not jnp.issubdtype(jnp.asarray(part).dtype, jax.dtypes.extended)  # such as keys
