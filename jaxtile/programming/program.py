"""`program`: the loop that makes a tile hold a target."""

import warnings
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from .._loop import iterate, progress_meter
from .._random import as_key
from .._types import AnyArray, Key, Real, Scalar, Weight, check_number, is_concrete, is_whole, scalar
from ..compensation import AbstractCompensation
from ..quantities import QUANTITIES, RECORD, Quantity, Record, View, as_quantities
from ..tile import Now, Tile, as_matrix, check_tile, connect
from ..updating import update
from .base import AbstractMethod
from .chain import Chain, Progress, Stage, goes_on, stages_of
from .reading import ideal_reading, read, vectors
from .result import RESULTS
from .solution import Solution
from .stopping import relative_error

__all__ = ["Run", "program"]


class State(eqx.Module):
    """The numbers that change in the course of a run."""

    # evolving; of the tile only what changes, because a loop over lanes copies what it carries at every step
    step: Int[Array, ""]
    now: Now
    # stopping
    result: RESULTS
    # recorded
    read_error: Scalar
    history: dict[str, Float[Array, " step"]]


class InStage(eqx.Module):
    """The same, within a stage."""

    run: State
    method: Any
    progress: Progress
    over: Bool[Array, ""]

    @property
    def goes(self) -> Bool[Array, ""]:
        """True if the stage goes on."""
        return ~self.over & (self.run.result == RESULTS.running)


def program(
    tile: Tile,
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
    """Program a target into a tile, from where its weights stand: read, test, propose, compensate, pulse, and again.

    A tile that has converged is not pulsed further. Pure: works under `jax.jit`, `jax.vmap` and, with `jt.pulse.MeanField`,
    `jax.grad`: of the methods, `jt.GDP` and `jt.RiskSVD` have a derivative (docs/stepping.md says why the others do not).

    Args:
        tile: a fabricated tile.
        target: the weights wanted, [out, in].
        method: what to read and what to propose; or a `chain` of methods.
        key: of this run; step s reads, proposes and pulses with the three keys of `split(fold_in(key, s), 3)`.
        max_steps: most pulse steps.
        tolerance: stop when the read error is below this; a mini-batch method must stay below it for a full pass. At 0 a run ends
            early only if the method has nothing more to propose.
        compensation: turns proposals into what is sent; None sends them as they are.
        record: quantities that `history` keeps: a tuple of names of
            `jaxtile.quantities.QUANTITIES`, of `jaxtile.Quantity` objects and of
            functions. A function `view -> number` is recorded under its own name; it
            sees the tile as it stands (`jaxtile.quantities.View`). The default is all
            that are cheap: the spectral error is measured at the end, and step by step
            if it is named here.
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
    """A run of `program`, which goes through its stages in one program; the command line stops on the way to move its bar.

    Splitting a run changes no bit of its state: `advance` is one compiled program.
    `program` is another one, and agrees to rounding.
    """

    tile: Tile
    target: Weight
    stages: tuple[Stage, ...]
    compensation: AbstractCompensation | None
    key: Key
    tolerance: Scalar
    max_steps: int = eqx.field(static=True)
    record: tuple[Quantity, ...]

    @classmethod
    def of(
        cls,
        tile: Tile,
        target: Num[AnyArray, "out in"],
        method: AbstractMethod | Chain,
        *,
        key: Key,
        max_steps: int,
        tolerance: Real,
        compensation: AbstractCompensation | None,
        record: Record,
    ) -> "Run":
        """The run of these arguments of `program`, checked."""
        stages = stages_of(method)
        _check(tile, compensation, max_steps)
        quantities = as_quantities("record", record)
        key = as_key(key)
        threshold = scalar(tolerance)
        check_number("tolerance", threshold, low=0.0)
        target = as_matrix("target", target, tile)
        _warn_out_of_range(tile, target)
        return cls(tile, target, stages, compensation, key, threshold, int(max_steps), quantities)

    def start(self) -> State:
        """The state before the first step."""
        return State(
            step=jnp.asarray(0, jnp.int32),
            now=self.tile.now.recounted(),
            result=RESULTS.running,
            read_error=jnp.asarray(jnp.nan, self.target.dtype),
            history={one.name: jnp.full(self.max_steps + 1, jnp.nan, self.target.dtype) for one in self.record},
        )

    def enter(self, number: int, state: State) -> InStage:
        """Into a stage, from where the run stands."""
        stage = self.stages[number]
        method = stage.method.init(self.tile.shape, self.target)
        return InStage(state, method, stage.begin(), over=jnp.asarray(False))

    def step(self, number: int, at: InStage) -> InStage:
        """Read, test and, unless that ends the stage, pulse."""
        run, stage, tile, target = at.run, self.stages[number], self._tile(number), self.target
        method = stage.method
        read_key, propose_key, update_key = jr.split(jr.fold_in(self.key, run.step), 3)
        probe = method.probe(at.method)
        stands = tile.at(run.now.having_read(vectors(probe, tile.shape)))
        reading = read(stands, probe, read_key)
        read_error = relative_error(reading, ideal_reading(target, probe))
        view = View(stands, target, read_error, run.step)
        history = {one.name: run.history[one.name].at[run.step].set(one(view).astype(target.dtype)) for one in self.record}
        (x, d), method_state = method.propose(reading, target, at.method, propose_key)
        rules = {"tolerance": self.tolerance, "step": run.step, "max_steps": self.max_steps}
        rules |= {"steps_in_pass": method.steps_in_pass(tile.shape), "goes_on": goes_on(self.stages, number, target)}
        result, over, progress = stage.judge(read_error, (x, d), at.progress, **rules)
        done = over | (result != RESULTS.running)

        def pulse(now: Now) -> Now:
            stands, rate = tile.at(now), method.learning_rate
            pair = (x, d) if self.compensation is None else self.compensation(x, d, stands, rate)
            return update(stands, *pair, learning_rate=rate, key=update_key).now

        run = State(
            step=jnp.where(done, run.step, run.step + 1),
            now=jax.lax.cond(done, lambda now: now, pulse, stands.now),
            result=result,
            read_error=read_error,
            history=history,
        )
        return InStage(run, method_state, progress, over)

    def advance(self, number: int, at: InStage, until: Int[Array, ""] | int) -> InStage:
        """On to the end of a stage, or until so many steps of the run are made."""
        return iterate(lambda at: at.goes & (at.run.step < until), partial(self.step, number), at, max_steps=self.max_steps + 1)

    def end(self, state: State) -> Solution:
        """The solution that the last state amounts to."""
        tile, last = self.tile, self._tile(len(self.stages) - 1)
        view = View(last.at(state.now), self.target, state.read_error, state.step)
        kept = {name: values[state.step] for name, values in state.history.items()}
        measured = {name: measure(view) for name, measure in QUANTITIES.items() if name not in kept}
        return Solution(
            tile=last.at(state.now.counted_after(tile.now)),
            result=state.result,
            stats=kept | measured | {"steps": state.step},  # whole, where a history holds floats
            history=state.history,
        )

    def _tile(self, number: int) -> Tile:
        """The tile as the lines of a stage are connected."""
        connected = [stage.connect for stage in self.stages[: number + 1] if stage.connect is not None]
        return connect(self.tile, connected[-1]) if connected else self.tile


@eqx.filter_jit
def _at_once(run: Run, *, progress: bool) -> Solution:
    meter = progress_meter(run.max_steps, show=progress)

    def step(number: int, carry: tuple[InStage, Any]) -> tuple[InStage, Any]:
        at, shown = run.step(number, carry[0]), carry[1]
        part = at.run.step.astype(float) / run.max_steps
        return at, meter.step(shown, jnp.where(at.run.result != RESULTS.running, 1.0, part))

    state, shown = run.start(), meter.init()
    for number in range(len(run.stages)):
        begun = (run.enter(number, state), shown)
        at, shown = iterate(lambda carry: carry[0].goes, partial(step, number), begun, max_steps=run.max_steps + 1)
        state = at.run
    meter.close(shown)
    return run.end(state)


def _check(tile: Any, compensation: Any, max_steps: Any) -> None:
    check_tile(tile)
    if compensation is not None and not isinstance(compensation, AbstractCompensation):
        raise TypeError(f"compensation={compensation!r} is not one; pass None or an object such as jaxtile.compensation.Gain().")
    if compensation is not None:
        compensation.check(tile.config)
    if not is_whole(max_steps, 1):
        raise ValueError(f"max_steps={max_steps!r} must be a whole number of at least 1; it sets the length of the history.")


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
