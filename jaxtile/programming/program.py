"""`program`: make a tile hold a target."""

import warnings
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Num

from .._random import as_key
from .._types import AnyArray, Key, Real, Weight, as_number, is_concrete, is_whole
from ..compensation import AbstractCompensation
from ..datasheet import Datasheet
from ..quantities import RECORD, Record, as_quantities
from ..tile import Tile, as_matrix, check_tile, connect
from .base import AbstractMethod
from .chain import Chain, stages_of
from .checkpoint import checksum
from .result import RESULTS
from .run import Run
from .solution import Solution

__all__ = ["prepare", "program"]

_ENTRIES = 128  # of the shortest history: runs of fewer steps share one program


def program(
    tile: Tile | Solution,
    target: Num[AnyArray, "out in"],
    method: AbstractMethod | Chain,
    *,
    key: Key,
    max_steps: int,
    tolerance: Real = 1e-2,
    compensation: AbstractCompensation | None = None,
    record: Record = RECORD,
    progress: bool = False,
    throw: bool = True,
) -> Solution:
    """Program a target into a tile: read, test, propose, compensate, pulse, and again.

    The run begins where the weights stand. A tile that has converged is not pulsed
    further. Pure: works under `jax.jit`, `jax.vmap` and, with `jt.pulse.MeanField`,
    `jax.grad`. Of the methods, `jt.GDP` and `jt.RiskSVD` have a derivative
    (docs/explanation/stepping.md says why the others do not).

    A run can go on from a solution: pass it in place of the tile, with the same target,
    method and key. The result is that of one longer run, history and counts included:
    to the bit where both are one compiled program, and else to rounding. The last
    reading of the solution is made again, and counted once.

    Args:
        tile: a fabricated tile; or a `Solution`, to go on from where it ended.
        target: the weights wanted, [out, in].
        method: what to read and what to propose; or a `chain` of methods.
        key: key of this run; step s reads, proposes and pulses with the three keys of
            `split(fold_in(key, s), 3)`.
        max_steps: most pulse steps, those of a solution that is gone on from included.
        tolerance: stop when the read error is below this; a mini-batch method must stay
            below it for a full pass. At 0 a run ends early only if the method has
            nothing more to propose.
        compensation: turns proposals into what is sent; None sends them as they are.
        record: quantities that `history` keeps: a tuple of names of
            `jaxtile.quantities.QUANTITIES`, of `jaxtile.Quantity` objects and of
            functions. A function `view -> number` is recorded under its own name; it
            sees the tile as it stands (`jaxtile.quantities.View`). The default is all
            that are cheap: the spectral error is measured at the end, and step by step
            if it is named here.
        progress: show a progress bar.
        throw: raise an error if the run ends with a state that is not finite. Under a
            trace nothing is raised: there, look at `result`.

    Returns:
        The outcome, see `Solution`. Running out of steps and stalling are results, not
        errors.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, shape or range, or does
            not belong to the solution; the message names it.
        RuntimeError: the run ended with a state that is not finite.
    """
    going_on = tile if isinstance(tile, Solution) else None
    start = _restore(tile) if isinstance(tile, Solution) else tile
    options = {"key": key, "max_steps": max_steps, "tolerance": tolerance, "compensation": compensation, "record": record}
    run = prepare(start, target, method, **options)
    if going_on is not None:
        _check_fit(going_on, run, max_steps)
    solution = _at_once(run, going_on, progress=progress).cut(max_steps)
    if throw and is_concrete(solution.stats["steps"]) and solution.result == RESULTS.nonfinite:
        raise RuntimeError(RESULTS[RESULTS.nonfinite])
    return solution


@eqx.filter_jit
def _at_once(run: Run, going_on: Solution | None, *, progress: bool) -> Solution:
    state = run.start() if going_on is None else run.resume(going_on)
    return run.end(run.advance(state, run.max_steps + 1, progress=progress))


def prepare(
    tile: Tile,
    target: Num[AnyArray, "out in"],
    method: AbstractMethod | Chain,
    *,
    key: Key,
    max_steps: int,
    tolerance: Real,
    compensation: AbstractCompensation | None,
    record: Record,
) -> Run:
    """The run of these arguments of `program`, checked."""
    stages = stages_of(method)
    weight = check_tile(tile)
    _check(tile, compensation, max_steps)
    quantities = as_quantities("record", record)
    key = as_key(key)
    threshold = as_number("tolerance", tolerance, low=0.0)
    target = as_matrix("target", target, weight)
    for stage in stages:
        if stage.gamma is not None and stage.connect is not None:
            stage.check(Datasheet(connect(tile, stage.connect).config, tile.shape))
    _warn_out_of_range(tile, target)
    steps, entries = jnp.asarray(max_steps, jnp.int32), max(_ENTRIES, 1 << int(max_steps).bit_length())
    return Run(tile, target, stages, compensation, key, threshold, steps, quantities, entries)


def _restore(solution: Solution) -> Tile:
    """The tile of a solution as it stands, connected and counted as before its run."""
    left = solution.left()
    return Tile(left.config, solution.tile.chip, solution.tile.now.replace(tally=left.before))


def _check_fit(solution: Solution, run: Run, max_steps: int) -> None:
    """Refuse to go on from a solution of another method, of another target or of more
    steps.
    """
    left, steps = solution.left(), solution.stats["steps"]
    ours, theirs = eqx.filter_eval_shape(run.start).stages, eqx.filter_eval_shape(lambda: left.stages)
    shapes = [[number.shape for number in numbers] for numbers in (left.numbers, run.numbers)]
    if left.methods != run.methods or shapes[0] != shapes[1] or not eqx.tree_equal(ours, theirs):
        methods = ", ".join(repr(stage.method) for stage in run.stages)
        raise ValueError(
            f"tile={solution!r} is a solution by {', '.join(left.methods)}. Its state does not fit method={methods}; pass the "
            "same method to go on, or sol.tile to begin anew."
        )
    known = [(a, b) for a, b in zip(left.numbers, run.numbers, strict=True) if is_concrete(a) and is_concrete(b)]
    if not all(np.array_equal(a, b) for a, b in known):
        methods = ", ".join(repr(stage.method) for stage in run.stages)
        raise ValueError(
            f"method={methods} has other numbers than the method of tile={solution!r}; pass the same method to go on, or "
            "sol.tile to begin anew."
        )
    key = jr.key_data(run.key)
    if is_concrete(left.key) and is_concrete(key) and not np.array_equal(left.key, key):
        raise ValueError(f"key is not the key of tile={solution!r}; pass the same key to go on, or sol.tile to begin anew.")
    if is_concrete(left.target) and is_concrete(run.target) and int(checksum(run.target)) != int(left.target):
        raise ValueError(
            f"target is not the target of tile={solution!r}; pass the same target to go on, or sol.tile to begin anew."
        )
    if is_concrete(steps) and max_steps < int(steps):
        raise ValueError(f"max_steps={max_steps} counts all steps, and tile={solution!r} has made {int(steps)}; pass more.")


def _check(tile: Tile, compensation: Any, max_steps: Any) -> None:
    if compensation is not None and not isinstance(compensation, AbstractCompensation):
        raise TypeError(f"compensation={compensation!r} is no compensation; pass None, or one such as jaxtile.compensation.Gain().")
    if compensation is not None:
        compensation.check(Datasheet(tile.config, tile.shape))
    if not is_whole(max_steps, 1) or max_steps >= 2**31:
        raise ValueError(
            f"max_steps={max_steps!r:.80} must be a whole number of at least 1 (below 2**31): the length of the history."
        )


def _warn_out_of_range(tile: Tile, target: Weight) -> None:
    bounds = tile.device.bounds()
    if bounds is None or not all(map(is_concrete, (target, *bounds))):
        return
    low, high = map(float, bounds)
    beyond = np.mean((np.asarray(target) < low) | (np.asarray(target) > high))
    if beyond > 0:
        raw = " If these are conductances, map them by jaxtile.device.Conductance(g_min, g_max).weight."
        warnings.warn(
            f"{beyond:.2%} of target lie outside the device's range [w_min, w_max] = [{low:g}, {high:g}] and cannot be "
            f"reached: scale the target, or widen the range.{raw if np.min(target) > high else ''}",
            stacklevel=4,
        )
