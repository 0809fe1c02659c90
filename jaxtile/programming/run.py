"""`Run`: the loop of `program`, step by step."""

import dataclasses
from collections.abc import Mapping
from functools import partial
from operator import itemgetter
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Num

from .._loop import ended, iterate, progress_meter
from .._types import Key, Scalar, Weight
from ..compensation import AbstractCompensation
from ..datasheet import Datasheet
from ..quantities import QUANTITIES, Quantity, View, measure
from ..tile import Now, Tile, connect
from ..updating import update
from .chain import Stage
from .checkpoint import Checkpoint, StageState, checksum
from .reading import ideal_reading, read, vectors
from .result import RESULTS
from .solution import Solution
from .stopping import relative_error

__all__ = ["Run", "State"]


class State(eqx.Module):
    """The numbers that change in the course of a run."""

    # evolving; of the tile only what changes, because a loop over lanes copies what it
    # carries at every step
    step: Int[Array, ""]
    now: Now
    stage: Int[Array, ""]
    stages: tuple[StageState, ...]
    # stopping
    result: RESULTS
    # recorded; zero where steps are still to come
    read_error: Scalar
    history: dict[str, Float[Array, " step"]]


class Run(eqx.Module):
    """A run of `program`, which makes it in one go; the command line stops on the way
    to move its bar.

    Splitting a run changes no bit of its state: `advance` is one compiled program.
    `program` is another one, and agrees to rounding.
    """

    tile: Tile
    target: Weight
    stages: tuple[Stage, ...]
    compensation: AbstractCompensation | None
    key: Key
    tolerance: Scalar
    max_steps: Int[Array, ""]
    record: tuple[Quantity, ...]
    # length of a history: of structure, so it comes in powers of two, and `max_steps`
    # is a number like others
    entries: int = eqx.field(static=True)

    def start(self) -> State:
        """The state before the first step."""
        return State(
            step=jnp.asarray(0, jnp.int32),
            now=self.tile.now.recounted(),
            stage=jnp.asarray(0, jnp.int32),
            stages=tuple(map(self._enter, range(len(self.stages)))),
            result=RESULTS.running,
            read_error=jnp.asarray(jnp.inf, self.target.dtype),
            history=self._histories({}, 0),
        )

    def resume(self, solution: Solution) -> State:
        """The state before the last reading of a solution, which is made again."""
        left = solution.left()
        probes = (stage.method.probe(at.method) for stage, at in zip(self.stages, left.stages, strict=True))
        reads = jnp.asarray([vectors(probe, self.tile.shape) for probe in probes], left.tally.reads.dtype)[left.stage]
        last = jnp.where(solution.result == RESULTS.running, 0, reads)
        stricter = self.tolerance < left.tolerance
        return State(
            step=solution.stats["steps"],
            now=solution.tile.now.replace(tally=dataclasses.replace(left.tally, reads=left.tally.reads - last)),
            stage=left.stage,
            stages=tuple(at.forget_streak(stricter) for at in left.stages),
            result=RESULTS.running,
            read_error=solution.stats["read_error"],
            history=self._histories(solution.history, solution.stats["steps"]),
        )

    def _histories(self, past: Mapping[str, Float[Array, " past"]], made: Int[Array, ""] | int) -> dict[str, Float[Array, " step"]]:
        """Histories of which so many entries are made, and zeros after them. What was not
        recorded in the past is NaN.
        """
        blank = jnp.zeros(self.entries, self.target.dtype)
        kept = {}
        for one in self.record:
            values = past.get(one.name, blank + jnp.nan if past else blank)[: self.entries]
            kept[one.name] = blank.at[: values.size].set(jnp.where(jnp.arange(values.size, dtype=jnp.int32) < made, values, 0))
        return kept

    def advance(self, state: State, until: Int[Array, ""] | int, *, progress: bool = False) -> State:
        """Go on to the end, or until so many steps of the run are made."""
        meter = progress_meter(self.entries, show=progress)
        left, shown = [], meter.init()

        def goes(number: int, carry: Any) -> Bool[Array, ""]:
            state = carry[0]
            return (state.stage == number) & (state.result == RESULTS.running) & (state.step < until)

        def step(number: int, carry: Any) -> Any:
            state, at, shown = carry
            state, at = self.step(number, state, at)
            part = jnp.where(state.result == RESULTS.running, state.step / self.max_steps, 1.0)
            return state, at, meter.step(shown, part)

        for number, at in enumerate(state.stages):
            carry = (dataclasses.replace(state, stages=()), at, shown)
            state, at, shown = iterate(partial(goes, number), partial(step, number), carry, max_steps=self.entries)
            left.append(at)
        meter.close(shown)
        return dataclasses.replace(state, stages=tuple(left))

    def step(self, number: int, state: State, at: StageState) -> tuple[State, StageState]:
        """Read, test and, unless that ends the stage, pulse."""
        stage, tile, target = self.stages[number], self._tile(number), self.target
        shape = tile.shape
        method = stage.method
        read_key, propose_key, update_key = jr.split(jr.fold_in(self.key, state.step), 3)
        probe = method.probe(at.method)
        stands = tile.at(state.now.having_read(vectors(probe, shape)))
        reading = read(stands, probe, read_key)
        read_error = relative_error(reading, ideal_reading(target, probe))
        view = View(stands, target, read_error, state.step)
        found = measure(self.record, view)
        history = {name: state.history[name].at[state.step].set(value.astype(target.dtype)) for name, value in found.items()}
        (x, d), method_state = method.propose(reading, target, at.method, propose_key)
        rules: dict[str, Any] = {"tolerance": self.tolerance, "step": state.step, "max_steps": self.max_steps}
        rules |= {"steps_in_pass": method.steps_in_pass(shape)}
        later = number + 1 < len(self.stages)
        rules |= {"goes_on": later and self.stages[number + 1].pays(target, self._sheet(number + 1))}
        result, over, progress = stage.judge(read_error, (x, d), at.progress, **rules)
        done = over | (result != RESULTS.running)
        before, after = eqx.filter((at, StageState(method_state, progress)), eqx.is_array)

        def pulse() -> tuple[Now, StageState]:
            rate = method.learning_rate
            pair = (x, d)
            if self.compensation is not None:
                pair = self.compensation(x, d, self._sheet(number), stands.weight, rate)
            return update(stands, *pair, learning_rate=rate, key=update_key).now, after

        now, at = jax.lax.cond(done, lambda: (stands.now, before), pulse)
        state = State(
            step=jnp.where(done, state.step, state.step + 1),
            now=now,
            stage=jnp.where(over, state.stage + 1, state.stage),
            stages=state.stages,
            result=result,
            read_error=read_error,
            history=history,
        )
        return state, eqx.combine(at, StageState(method_state, progress))

    def end(self, state: State) -> Solution:
        """The solution that a state amounts to; its histories have `entries` entries."""
        last = self._tile(len(self.stages) - 1)
        view = View(last.at(state.now), self.target, state.read_error, state.step)
        kept = {name: values[state.step] for name, values in state.history.items()}
        measured = measure([one for name, one in QUANTITIES.items() if name not in kept], view)
        return Solution(
            tile=last.at(state.now.counted_after(self.tile.now)),
            result=state.result,
            stats=kept | measured | {"steps": state.step},  # whole, where a history holds floats
            # a run that used all its steps holds no NaN: what comes after them is cut off
            history=ended(state.history, jnp.where(state.step < self.max_steps, state.step + 1, self.entries)),
            checkpoint=Checkpoint(
                stage=state.stage,
                stages=state.stages,
                tally=state.now.tally,
                before=self.tile.now.tally,
                config=self.tile.config,
                tolerance=self.tolerance,
                target=checksum(self.target),
                key=jr.key_data(self.key),
                numbers=self.numbers,
                methods=self.methods,
            ),
        )

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods, by their names and by those of their settings that are no numbers."""
        return tuple(map(_settings, self.stages))

    @property
    def numbers(self) -> tuple[Num[Array, "..."], ...]:
        """The numbers of the stages: of methods, and of what hands over."""
        return tuple(jax.tree.leaves(eqx.filter(self.stages, eqx.is_inexact_array)))

    def _enter(self, number: int) -> StageState:
        """The state of a stage before its first step."""
        stage = self.stages[number]
        return StageState(stage.method.init(self._sheet(number), self.target), stage.init())

    def _sheet(self, number: int) -> Datasheet:
        """The datasheet of the tile as the lines of a stage are connected."""
        return Datasheet(self._tile(number).config, self.tile.shape)

    def _tile(self, number: int) -> Tile:
        """The tile as the lines of a stage are connected."""
        index = self.stages[number].connect
        return self.tile if index is None else connect(self.tile, index)


def _settings(stage: Stage) -> str:
    settings = vars(stage.method) | {"until": stage.until, "connect": stage.connect}
    shown = [
        f"{name}={value if isinstance(value, int | str) else type(value).__name__}"
        for name, value in sorted(settings.items(), key=itemgetter(0))
        if value is not None and not eqx.is_array(value)
    ]
    return f"{type(stage.method).__name__}({', '.join(shown)})"
