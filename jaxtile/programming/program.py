"""`program`: the loop that makes a tile hold a target."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._linalg import safe_norm, spectral_norm
from .._loop import iterate, progress_meter
from .._random import as_key
from .._types import Key, Scalar, Weight, check_number, is_concrete, is_whole, scalar
from ..compensation import AbstractCompensation
from ..tile import Tile, as_matrix, check_tile, connect, get_weights
from ..update import Pulsed, update
from .base import AbstractMethod
from .chain import Chain, Progress, Stage, handovers, stages_of
from .reading import read, wanted
from .result import RESULTS
from .solution import Solution
from .stopping import relative_error

__all__ = ["QUANTITIES", "Run", "program"]

QUANTITIES: dict[str, Callable[[Tile, Weight, Scalar], Scalar]] = {
    "read_error": lambda tile, target, read_error: read_error,
    "frobenius_error": lambda tile, target, read_error: safe_norm(get_weights(tile) - target),
    # Eigenvalues of a degenerate residual have no gradient: the estimate is a diagnostic, not an objective.
    "spectral_error": lambda tile, target, read_error: spectral_norm(jax.lax.stop_gradient(get_weights(tile) - target)),
    "full_pulses": lambda tile, target, read_error: tile.full_pulses,
    "half_pulses": lambda tile, target, read_error: tile.half_pulses,
}


class StageState(eqx.Module):
    """Of the method of a stage, and what decides when the stage ends."""

    method: Any
    progress: Progress


class State(eqx.Module):
    """What changes in the course of a run."""

    # evolving; of the tile only what changes, because a loop over lanes copies what it carries at every step
    step: Int[Array, ""]
    pulsed: Pulsed
    stage: Int[Array, ""]
    stages: tuple[StageState, ...]
    # stopping
    result: RESULTS
    # recorded
    read_error: Scalar
    history: dict[str, Float[Array, " step"]]


def program(
    tile: Tile,
    target: Float[Array, "out in"],
    method: AbstractMethod | Chain,
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
        method: what to read and what to propose; or a `chain` of methods.
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
    stages: tuple[Stage, ...]
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
        method: AbstractMethod | Chain,
        *,
        key: Key,
        max_steps: int,
        tolerance: Scalar | float,
        compensation: AbstractCompensation | None,
        record: tuple[str, ...],
    ) -> "Run":
        """The run of these arguments of `program`, checked."""
        stages = stages_of(method)
        _check(tile, compensation, max_steps, record)
        key = as_key(key)
        threshold = scalar(tolerance)
        check_number("tolerance", threshold, low=0.0)
        target = as_matrix("target", target, tile)
        _warn_out_of_range(tile, target)
        return cls(tile, target, stages, compensation, key, threshold, int(max_steps), tuple(record))

    def start(self) -> State:
        """The state before the first step."""
        zero, tile = jnp.asarray(0, jnp.int32), self.tile
        return State(
            step=zero,
            pulsed=Pulsed(tile.state, jnp.zeros_like(tile.full_pulses), jnp.zeros_like(tile.half_pulses)),
            stage=zero,
            stages=tuple(StageState(stage.method.init(tile.shape, self.target), stage.begin()) for stage in self.stages),
            result=RESULTS.running,
            read_error=jnp.asarray(jnp.nan, self.target.dtype),
            history={name: jnp.full(self.max_steps + 1, jnp.nan, self.target.dtype) for name in self.record},
        )

    def step(self, state: State, number: int, goes_on: bool | Bool[Array, ""]) -> State:
        """Read, test and, unless that ends the run or the stage of this number, pulse; of the stages the state holds this one."""
        tile, target, stage, own = self._connected(number), self.target, self.stages[number], state.stages[0]
        method = stage.method
        read_key, propose_key, update_key = jr.split(jr.fold_in(self.key, state.step), 3)
        now, probe = state.pulsed.put(tile), method.probe(own.method)
        reading = read(now, probe, read_key)
        read_error = relative_error(reading, wanted(target, probe))
        history = {name: kept.at[state.step].set(QUANTITIES[name](now, target, read_error)) for name, kept in state.history.items()}
        (x, d), method_state = method.propose(reading, target, own.method, propose_key)
        rules = {"tolerance": self.tolerance, "step": state.step, "max_steps": self.max_steps}
        steps_in_pass = method.steps_in_pass(tile.shape)
        result, over, progress = stage.judge(
            read_error, (x, d), own.progress, goes_on=goes_on, steps_in_pass=steps_in_pass, **rules
        )
        done = over | (result != RESULTS.running)

        def pulse(pulsed: Pulsed) -> Pulsed:
            sent = (x, d) if self.compensation is None else self.compensation(x, d, tile.config)
            return Pulsed.of(update(pulsed.put(tile), *sent, learning_rate=method.learning_rate, key=update_key))

        return State(
            step=jnp.where(done, state.step, state.step + 1),
            pulsed=jax.lax.cond(done, lambda pulsed: pulsed, pulse, state.pulsed),
            stage=jnp.where(over, number + 1, state.stage),
            stages=(StageState(method_state, progress),),
            result=result,
            read_error=read_error,
            history=history,
        )

    def advance(self, state: State, until: Int[Array, ""] | int, *, progress: bool = False) -> State:
        """On to the end, or until so many steps are made: each stage in a loop of its own, empty where it is not its turn."""
        meter = progress_meter(self.max_steps, show=progress)
        shown = meter.init()
        for number, (_, goes_on) in enumerate(handovers(self.stages, self.target)):

            def goes(carry: tuple[State, Any], number: int = number) -> Bool[Array, ""]:
                now = carry[0]
                return (now.result == RESULTS.running) & (now.stage == number) & (now.step < until)

            def step(carry: tuple[State, Any], number: int = number, goes_on: Any = goes_on) -> tuple[State, Any]:
                now = self.step(carry[0], number, goes_on)
                done = now.result != RESULTS.running
                return now, meter.step(carry[1], jnp.where(done, 1.0, now.step.astype(float) / self.max_steps))

            stages = list(state.stages)
            begun = dataclasses.replace(state, stages=(stages[number],))
            state, shown = iterate(goes, step, (begun, shown), max_steps=self.max_steps + 1)
            stages[number] = state.stages[0]
            state = dataclasses.replace(state, stages=tuple(stages))
        meter.close(shown)
        return state

    def _connected(self, number: int) -> Tile:
        """The tile, as the stage of this number writes it."""
        chosen = [stage.connect for stage in self.stages[: number + 1] if stage.connect is not None]
        return connect(self.tile, chosen[-1]) if chosen else self.tile

    def end(self, state: State) -> Solution:
        """What the last state amounts to."""
        tile = self._connected(len(self.stages) - 1)
        ended = state.pulsed.put(tile)
        kept = {name: values[state.step] for name, values in state.history.items()}
        measured = {name: measure(ended, self.target, state.read_error) for name, measure in QUANTITIES.items() if name not in kept}
        unreachable = jnp.mean(tile.device.clip(tile.cells, self.target) != self.target)
        return Solution(
            tile=Pulsed(ended.state, tile.full_pulses + ended.full_pulses, tile.half_pulses + ended.half_pulses).put(tile),
            result=state.result,
            stats=kept | measured | {"steps": state.step, "unreachable": unreachable},
            history=state.history,
        )


@eqx.filter_jit
def _at_once(run: Run, *, progress: bool) -> Solution:
    return run.end(run.advance(run.start(), run.max_steps + 1, progress=progress))


def _check(tile: Any, compensation: Any, max_steps: Any, record: Any) -> None:
    check_tile(tile)
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
