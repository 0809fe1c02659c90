"""`program`: the loop that makes a tile hold a target."""

import warnings
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from .._linalg import safe_norm, spectral_norm
from .._loop import iterate, progress_meter
from .._random import as_key
from .._types import Key, Scalar, Weight, check_number, is_concrete, is_whole, scalar
from .._vectors import UnitVectors
from ..compensation import AbstractCompensation
from ..tile import Tile, as_matrix, check_tile, forward, get_weights
from ..update import Pulsed, update
from .base import AbstractMethod
from .inputs import outputs
from .result import RESULTS
from .solution import Solution
from .stopping import Streaks, judge, relative_error

__all__ = ["QUANTITIES", "Run", "program"]

QUANTITIES: dict[str, Callable[[Tile, Weight, Scalar], Scalar]] = {
    "read_error": lambda tile, target, read_error: read_error,
    "frobenius_error": lambda tile, target, read_error: safe_norm(get_weights(tile) - target),
    # Eigenvalues of a degenerate residual have no gradient: the estimate is a diagnostic, not an objective.
    "spectral_error": lambda tile, target, read_error: spectral_norm(jax.lax.stop_gradient(get_weights(tile) - target)),
    "full_pulses": lambda tile, target, read_error: tile.full_pulses,
    "half_pulses": lambda tile, target, read_error: tile.half_pulses,
    "row_pulses": lambda tile, target, read_error: tile.tally.row,
    "column_pulses": lambda tile, target, read_error: tile.tally.column,
    "phases": lambda tile, target, read_error: tile.tally.phases,
    "reads": lambda tile, target, read_error: tile.tally.reads,
}


class State(eqx.Module):
    """What changes in the course of a run."""

    # evolving; of the tile only what changes, because a loop over lanes copies what it carries at every step
    step: Int[Array, ""]
    pulsed: Pulsed
    method: Any
    # stopping
    result: RESULTS
    streaks: Streaks
    # recorded
    read_error: Scalar
    history: dict[str, Float[Array, " step"]]


def program(
    tile: Tile,
    target: Float[Array, "out in"],
    method: AbstractMethod,
    *,
    key: Key,
    max_steps: int,
    tolerance: Scalar | float = 1e-2,
    compensation: AbstractCompensation | None = None,
    record: tuple[str, ...] = tuple(QUANTITIES),
    progress: bool = False,
    throw: bool = True,
) -> Solution:
    """Program a target into a tile, from where its weights stand: read, test, propose, compensate, pulse, and again.

    A tile that has converged is not pulsed further. Pure: works under `jax.jit`, `jax.vmap` and (with `jt.pulse.MeanField` and
    `jt.GDP`) `jax.grad`.

    Args:
        tile: a fabricated tile.
        target: the weights wanted, [out, in].
        method: what to read and what to propose.
        key: of this run; step s reads, proposes and pulses with the three keys of `split(fold_in(key, s), 3)`.
        max_steps: most pulse steps.
        tolerance: stop when the read error is below this; a mini-batch method must stay below it for a full pass. At 0 a run ends
            early only if the method has nothing more to propose.
        compensation: turns proposals into what is sent; None sends them as they are.
        record: which quantities `history` keeps.
        progress: show a progress bar.
        throw: raise an error if the run ends with a state that is not finite.

    Returns:
        What happened, see `Solution`. Running out of steps and stalling are results, not errors.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, shape or range; the message names it.
    """
    run = Run.of(tile, target, method, key=key, max_steps=max_steps, tolerance=tolerance, compensation=compensation, record=record)
    solution = _at_once(run, progress=progress)
    if throw:
        solution = eqx.error_if(solution, solution.result == RESULTS.nonfinite, RESULTS[RESULTS.nonfinite])
    return solution


class Run(eqx.Module):
    """A run of `program`, which goes from its start to its end in one loop; the command line stops on the way to move its bar.

    The state after some steps has the same bits in how many parts soever they were made: a test.
    """

    tile: Tile
    target: Weight
    method: AbstractMethod
    compensation: AbstractCompensation | None
    key: Key
    tolerance: Scalar
    max_steps: int = eqx.field(static=True)
    record: tuple[str, ...] = eqx.field(static=True)

    @classmethod
    def of(
        cls,
        tile: Tile,
        target: Float[Array, "out in"],
        method: AbstractMethod,
        *,
        key: Key,
        max_steps: int,
        tolerance: Scalar | float,
        compensation: AbstractCompensation | None,
        record: tuple[str, ...],
    ) -> "Run":
        """The run of these arguments of `program`, checked."""
        _check(tile, method, compensation, max_steps, record)
        key = as_key(key)
        threshold = scalar(tolerance)
        check_number("tolerance", threshold, low=0.0)
        target = as_matrix("target", target, tile)
        _warn_out_of_range(tile, target)
        return cls(tile, target, method, compensation, key, threshold, int(max_steps), tuple(record))

    def start(self) -> State:
        """The state before the first step."""
        zero, tile = jnp.asarray(0, jnp.int32), self.tile
        return State(
            step=zero,
            pulsed=Pulsed.fresh(tile),
            method=self.method.init(tile.shape, self.target),
            result=RESULTS.running,
            streaks=Streaks(zero, zero),
            read_error=jnp.asarray(jnp.nan, self.target.dtype),
            history={name: jnp.full(self.max_steps + 1, jnp.nan, self.target.dtype) for name in self.record},
        )

    def step(self, state: State) -> State:
        """Read, test and, unless that ends the run, pulse."""
        tile, target, method = self.tile, self.target, self.method
        read_key, propose_key, update_key = jr.split(jr.fold_in(self.key, state.step), 3)
        probe = method.probe(state.method)
        before = state.pulsed.having_read(_vectors_in(probe, tile.shape))
        now = before.put(tile)
        reading, read_error = _read(now, target, probe, read_key)
        history = {name: kept.at[state.step].set(QUANTITIES[name](now, target, read_error)) for name, kept in state.history.items()}
        (x, d), method_state = method.propose(reading, target, state.method, propose_key)
        rules = {"tolerance": self.tolerance, "step": state.step, "max_steps": self.max_steps}
        steps_in_pass = method.steps_in_pass(tile.shape)
        result, streaks = judge(read_error, (x, d), state.streaks, steps_in_pass=steps_in_pass, **rules)
        done = result != RESULTS.running

        def pulse(pulsed: Pulsed) -> Pulsed:
            sent = (x, d) if self.compensation is None else self.compensation(x, d, tile.config)
            return Pulsed.of(update(pulsed.put(tile), *sent, learning_rate=method.learning_rate, key=update_key))

        pulsed = jax.lax.cond(done, lambda pulsed: pulsed, pulse, before)
        return State(
            step=jnp.where(done, state.step, state.step + 1),
            pulsed=pulsed,
            method=method_state,
            result=result,
            streaks=streaks,
            read_error=read_error,
            history=history,
        )

    def advance(self, state: State, until: Int[Array, ""] | int) -> State:
        """On to the end, or until so many steps are made."""
        return iterate(lambda s: (s.result == RESULTS.running) & (s.step < until), self.step, state, max_steps=self.max_steps + 1)

    def end(self, state: State) -> Solution:
        """What the last state amounts to."""
        tile, ended = self.tile, state.pulsed.put(self.tile)
        kept = {name: values[state.step] for name, values in state.history.items()}
        measured = {name: measure(ended, self.target, state.read_error) for name, measure in QUANTITIES.items() if name not in kept}
        unreachable = jnp.mean(tile.device.clip(tile.cells, self.target) != self.target)
        return Solution(
            tile=state.pulsed.after(tile).put(tile),
            result=state.result,
            stats=kept | measured | {"steps": state.step, "unreachable": unreachable},
            history=state.history,
        )


@eqx.filter_jit
def _at_once(run: Run, *, progress: bool) -> Solution:
    meter = progress_meter(run.max_steps, show=progress)

    def step(carry: tuple[State, Any]) -> tuple[State, Any]:
        state = run.step(carry[0])
        done = state.result != RESULTS.running
        return state, meter.step(carry[1], jnp.where(done, 1.0, state.step.astype(float) / run.max_steps))

    begun = (run.start(), meter.init())
    final, shown = iterate(lambda carry: carry[0].result == RESULTS.running, step, begun, max_steps=run.max_steps + 1)
    meter.close(shown)
    return run.end(final)


def _read(tile: Tile, target: Weight, x: Any, key: Key) -> tuple[Float[Array, "..."], Scalar]:
    """What a method is given, and its error relative to the largest number wanted."""
    reading = get_weights(tile) if x is None else forward(tile, x, key=key)
    wanted = target if x is None else outputs(target, x)
    return reading, relative_error(reading, wanted)


def _vectors_in(probe: Any, shape: tuple[int, int]) -> int:
    """How many vectors are read: of the weights themselves, one for each column, as many as a chip needs to show them."""
    if probe is None:
        return shape[1]
    return probe.columns.shape[0] if isinstance(probe, UnitVectors) else probe.shape[0]


def _check(tile: Any, method: Any, compensation: Any, max_steps: Any, record: Any) -> None:
    check_tile(tile)
    if not isinstance(method, AbstractMethod):
        raise TypeError(f"method={method!r} is not an AbstractMethod; pass a method such as jaxtile.GDP() or jaxtile.SVD().")
    if compensation is not None and not isinstance(compensation, AbstractCompensation):
        raise TypeError(f"compensation={compensation!r} is not one; pass None or an object such as jaxtile.compensation.Gain().")
    if compensation is not None:
        compensation.check(tile.config)
    if not is_whole(max_steps, 1):
        raise ValueError(f"max_steps={max_steps!r} must be a whole number of at least 1; it sets the length of the history.")
    if isinstance(record, str) or not isinstance(record, tuple | list):
        raise TypeError(f"record={record!r} must be a tuple of names, such as ('read_error',).")
    unknown = [name for name in record if name not in QUANTITIES]
    if unknown:
        raise ValueError(f"record names {unknown}, which are unknown; choose from {', '.join(QUANTITIES)}.")


def _warn_out_of_range(tile: Tile, target: Weight) -> None:
    bounds = tile.device.bounds()
    if bounds is None or not all(map(is_concrete, (target, *bounds))):
        return
    low, high = map(float, bounds)
    beyond = np.mean((np.asarray(target) < low) | (np.asarray(target) > high))
    if beyond > 0:
        warnings.warn(
            f"{beyond:.2%} of target lie outside the device's range [w_min, w_max] = [{low:g}, {high:g}] and cannot be "
            "reached: scale the target, or widen the range.",
            stacklevel=4,
        )
