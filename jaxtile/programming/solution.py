"""The outcome of a programming run."""

import textwrap
from dataclasses import replace
from functools import partial
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Num

from .._numerics import divisor
from .._show import html_table, text_of
from .._types import Weights, is_concrete
from ..costs import AbstractCosts, Costs
from ..device import WriteNoise
from ..tile import Tile
from .checkpoint import Checkpoint
from .result import RESULTS

__all__ = ["Solution"]


class Solution(eqx.Module):
    """The outcome of `program`.

    Attributes:
        tile: the tile after the last pulse.
        result: code of how the run ended; `RESULTS[result]` is its message.
        stats: the quantities of `jaxtile.quantities.QUANTITIES`, which says what they
            are, and all that were recorded, at the end of the run.
        history: what `record=` asked for, in arrays of length max_steps + 1. Entry s is
            the state after s pulse steps, NaN after the end. `jaxtile.Costs` makes time
            and energy of the counts.
        checkpoint: what else a run needs to go on from here.
    """

    tile: Tile
    result: RESULTS
    stats: dict[str, Num[Array, "*runs"]]
    history: dict[str, Float[Array, "*runs step"]]
    checkpoint: Checkpoint | None = None

    @property
    def weight(self) -> Weights:
        """The programmed weights, without read noise."""
        return self.tile.weight

    @property
    def method_state(self) -> Any:
        """The state of the method before its last reading; of a chain, a tuple of them."""
        states = tuple(at.method for at in self.left().stages)
        return states[0] if len(states) == 1 else states

    def summary(self, costs: AbstractCosts | None = None) -> str:
        """Errors, pulses, time and energy of the run in a few lines; of several runs,
        their medians.

        Args:
            costs: model of time and energy; None: `jaxtile.Costs` with its defaults.
        """
        title, rows = self._summary(Costs() if costs is None else costs)
        hang = {"width": 100, "subsequent_indent": 16 * " "}
        return "\n".join([title, *(textwrap.fill(f"{name:14}  {text}", **hang) for name, text in rows)])

    def _summary(self, costs: AbstractCosts) -> tuple[str, list[tuple[str, str]]]:
        stats = {name: float(np.median(value)) for name, value in self.stats.items()}
        time, energy = float(np.median(costs.time(self.stats))), float(np.median(costs.energy(self.stats, self.tile)))
        runs = np.size(self.stats["steps"])
        rows = [
            ("relative error", f"{stats['relative_error']:.4g}: Frobenius norm of the error, over that of the target"),
            ("read error", f"{stats['read_error']:.4g}, as the method saw it"),
            ("out of reach", f"{stats['unreachable']:.2%} of the target"),
            ("work", f"{stats['steps']:.0f} steps, {stats['reads']:.0f} vectors read"),
            ("pulses a cell", f"{stats['full_pulses']:.4g} full, {stats['half_pulses']:.4g} half"),
            ("time, energy", f"{1e3 * time:.3g} ms, {1e6 * energy:.3g} uJ, by the assumptions of {type(costs).__name__}"),
        ]
        for name in ("converged", "stalled", "max_steps_reached", "nonfinite", "running"):
            end = getattr(RESULTS, name)
            count = int(np.sum(self.result == end))
            if count:
                rows.append(("ended", RESULTS[end] + (f" ({count} of {runs} runs)" if runs > 1 else "")))
        if self.remark is not None:
            rows.append(("note", f"It {self.remark}"))
        return (f"medians of {runs} runs on {self.tile!r}" if runs > 1 else repr(self.tile)), rows

    @property
    def remark(self) -> str | None:
        """A sentence on a run that ended with a larger error than it began with, and
        why; None: it did not, or its `frobenius_error` was not recorded.
        """
        if "frobenius_error" not in self.history:
            return None
        ratio = float(np.median(self.stats["frobenius_error"] / divisor(self.history["frobenius_error"][..., 0])))
        if not ratio > 1:
            return None
        said = f"ended above where it started, at {ratio:.3g} times the error of no pulse at all: {self._reason()}"
        if "spectral_error" in self.history:
            first, last = np.median(self.history["spectral_error"][..., 0]), np.median(self.stats["spectral_error"])
            if last < first:
                said += f" The largest singular value of the error did fall, from {first:.3g} to {last:.3g}."
        return said

    def _reason(self) -> str:
        device = self.tile.device
        if isinstance(device, WriteNoise):
            steps = float(np.median(device.write_noise_std))
            return f"each write of this device leaves an error of {steps:.3g} steps, which is its physics and no fault of the run."
        return "the noise of its pulses, or half-selected cells, undo more than the method corrects."

    def cut(self, max_steps: int) -> "Solution":
        """The solution with histories of `max_steps + 1` entries."""
        return replace(self, history=_beginning(self.history, max_steps + 1))

    def left(self) -> Checkpoint:
        """The checkpoint.

        Raises:
            ValueError: it has none.
        """
        if self.checkpoint is None:
            raise ValueError(f"tile={self!r} has no checkpoint to go on from; pass its tile, or a solution of `program`.")
        absent = [name for name in Checkpoint.__dataclass_fields__ if not hasattr(self.checkpoint, name)]
        if absent:
            raise ValueError(
                f"tile={self!r} is of an older jaxtile, whose checkpoint says nothing of {', '.join(absent)}; pass its tile to "
                "begin anew."
            )
        return self.checkpoint

    def __repr__(self) -> str:
        steps = self.stats["steps"]
        if not is_concrete(steps):
            return f"Solution({self.tile!r})"
        if steps.ndim:
            return f"Solution({' x '.join(map(str, steps.shape))} runs, {_errors(self)}, {self.tile!r})"
        ended = RESULTS[self.result].partition(".")[0]
        return f"Solution({int(steps)} steps, {_errors(self)}, {ended!r}, {self.tile!r})"

    __pdoc__ = text_of

    def _repr_html_(self) -> str:
        return html_table(*self._summary(Costs())) if is_concrete(self.stats["steps"]) else html_table(repr(self), [])


def _errors(solution: Solution) -> str:
    """Errors of a run, or medians of those of several."""
    shown = [f"{name}={float(np.median(solution.stats[name])):.3g}" for name in ("relative_error", "read_error")]
    return ("median " if solution.stats["steps"].ndim else "") + ", ".join(shown)


@partial(jax.jit, static_argnums=1)
def _beginning(histories: dict[str, Float[Array, "*runs step"]], entries: int) -> dict[str, Float[Array, "*runs entry"]]:
    """The first entries of histories, in one call for all of them."""
    return {name: values[..., :entries] for name, values in histories.items()}
