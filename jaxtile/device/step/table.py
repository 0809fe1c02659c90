"""A device that is given by measured steps."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from ..._paths import readable
from ..._text_table import read_text_table
from ..._types import AnyArray, Weight, is_concrete, is_whole
from ...fields import Field, Number, Reals, array, number
from ..cells import Cells
from ..record import take_record
from .base import WIDEST, AbstractPulsedDevice

__all__ = ["Table"]

_WAYS = {"up": 1, "down": -1}
_COLUMNS = ("state", "up", "down", "up_noise", "down_noise")


class Table(AbstractPulsedDevice):
    """Steps as they were measured: their mean and spread on a grid of weights, linear
    in between.

        w <- clip(w + g_up   (up(w)   + dw_min_std up_noise(w) xi))          one up pulse, xi standard normal
        w <- clip(w - g_down (down(w) + dw_min_std down_noise(w) xi))        one down pulse

    with the gains g_up = step_up / dw_min and g_down = step_down / dw_min of each
    device. Nothing is spread unless it is said: all `_dtod` are zero, and the cycle
    noise is that of the table, which `dw_min_std` scales.

    Attributes:
        state: the grid, increasing, in normalised conductance; it holds zero. Beyond its
            ends, where bounds are wider, steps are those at its ends.
        up, down: mean size of a step there, positive in its own direction. Steps down
            whose sum is negative were written with their sign: it is turned.
        up_noise, down_noise: its spread from cycle to cycle; None: no cycle noise.
        dw_min: the step that pulse trains are planned with; None: the mean of the steps
            up and down at weight zero.
        w_max, w_min: mean bounds; None: the ends of the grid.

    The other parameters: see `AbstractPulsedDevice`.
    """

    response: ClassVar[tuple[str, ...]] = ()

    state: Field[Reals, Float[Array, " state"]] = array(units="weight")
    up: Field[Reals, Float[Array, " state"]] = array(units="weight")
    down: Field[Reals, Float[Array, " state"]] = array(units="weight")
    up_noise: Field[Reals | None, Float[Array, " state"] | None] = array(None, units="weight")
    down_noise: Field[Reals | None, Float[Array, " state"] | None] = array(None, units="weight")
    dw_min: Number = number(None, low=0.0, open=True, units="weight")
    dw_min_dtod: Number = number(0.0, low=0.0, most=WIDEST)
    dw_min_std: Number = number(1.0, low=0.0, most=WIDEST)
    up_down_dtod: Number = number(0.0, low=0.0, most=WIDEST)
    w_max: Number = number(None, low=0.0, units="weight")
    w_max_dtod: Number = number(0.0, low=0.0, most=WIDEST)
    w_min: Number = number(None, high=0.0, units="weight")
    w_min_dtod: Number = number(0.0, low=0.0, most=WIDEST)

    def __post_init__(self) -> None:
        _check_columns({name: column for name in _COLUMNS if (column := getattr(self, name)) is not None})
        self.down = jnp.where(jnp.sum(self.down) < 0, -self.down, self.down)
        if self.dw_min is None:
            self.dw_min = (self._at(0.0, self.up) + self._at(0.0, self.down)) / 2
        self.w_max = self.state[-1] if self.w_max is None else self.w_max
        self.w_min = self.state[0] if self.w_min is None else self.w_min

    def _at(self, weight, column):
        return jnp.interp(jnp.asarray(weight, self.state.dtype), self.state, column)

    def step(self, cells: Cells, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        mean, spread = (self.up, self.up_noise) if up else (self.down, self.down_noise)
        gain = (cells.step_up if up else cells.step_down) / self.dw_min
        noise = jnp.zeros_like(weight) if spread is None else self._at(weight, spread)
        return gain * self._at(weight, mean), self.dw_min_std * jnp.abs(gain) * noise

    @classmethod
    def from_csv(cls, path: str | Path, **parameters) -> "Table":
        """Read a table from a text file, one line for each state.

        Args:
            path: the file. Its first line names the columns: "state", "up", "down" and,
                if there is cycle noise, "up_noise" and "down_noise", in any order.
                Tabs, semicolons, commas or spaces separate them.
            parameters: any others of the device, such as `dw_min_dtod`.

        Raises:
            OSError: there is no such file, or it cannot be opened.
            ValueError: it holds no such table; the message names the file.
        """
        path = readable(path, "table")
        columns = _read(path)
        try:
            return cls(**columns, **parameters)
        except ValueError as error:
            raise ValueError(f"table {path}: {error}") from error

    @classmethod
    def from_pulses(cls, weights: Num[AnyArray, "device measurement"], pulses, *, n_states: int = 20, **parameters) -> "Table":
        """Make a table of measured responses: the weights of devices before the first
        pulse and after each.

        The mean step is the piecewise linear function of the state that fits all steps
        best (least squares). Its noise is the root mean square of the residuals near
        each state. The state is taken half-way through a measured step, less half a
        mean step. With the weight before the step, whose read noise is part of the step
        too, steps would fall with the weight where they do not. Read noise still counts
        as cycle noise here; `jt.device.fit` tells one from the other.

        Args:
            weights: normalised conductance, [device, measurement]; NaN: not measured.
            pulses: 1 (up), -1 (down) or 0 (only a read) before each measurement but the
                first; for all devices or for each. NaN: a new start.
            n_states: how many states the grid has, from the lowest weight to the
                highest.
            parameters: any others of the device, such as `dw_min_dtod`.
        """
        if not is_whole(n_states, 2):
            raise ValueError(f"n_states={n_states!r} must be a whole number of at least 2.")
        seen, sent = (np.asarray(a, np.float64) for a in take_record(weights, pulses))
        step, middle = np.diff(seen), (seen[:, 1:] + seen[:, :-1]) / 2
        taken = {name: (sent == way) & np.isfinite(step) for name, way in _WAYS.items()}
        for name, of_one in taken.items():
            if not of_one.any():
                raise ValueError(
                    f"no {name} step was measured: a table needs a measurement before and after pulses of {_WAYS[name]}, and both "
                    "directions; or fit a kind of device, by jaxtile.device.fit."
                )

        def columns(n_states: int) -> dict[str, np.ndarray]:
            state = np.linspace(np.nanmin(seen), np.nanmax(seen), n_states)
            found = {"state": state}
            for name, way in _WAYS.items():
                steps = middle[taken[name]], way * step[taken[name]]
                found[name], found[f"{name}_noise"] = _fit_steps(state, *steps, way, name)
            return found

        try:
            return cls(**columns(n_states), **parameters)
        except _TooFewSteps as few:
            raise ValueError(f"{few}; {_advice(columns, n_states)}.") from None


class _TooFewSteps(Exception):
    """No step was measured near a state of the grid."""


def _advice(columns: Callable[[int], Any], n_states: int) -> str:
    """The largest grid for which steps were measured near each state."""
    for fewer in range(n_states - 1, 1, -1):
        with contextlib.suppress(_TooFewSteps):
            columns(fewer)
            return f"pass a smaller n_states: {fewer} is the largest that works"
    return "no smaller n_states works: measure more of the range in both directions"


def _check_columns(columns: dict[str, Array]) -> None:
    state = columns["state"]
    for name, column in columns.items():
        if column.shape != state.shape or column.size < 2:
            raise ValueError(f"Table.{name} has shape {column.shape}; pass as many entries as Table.state has, and at least 2.")
        if name.endswith("_noise") and is_concrete(column) and (np.asarray(column) < 0).any():
            raise ValueError(f"Table.{name} holds {float(np.min(column)):g}; a spread is at least 0.")
    if is_concrete(columns["up"]) and (total := np.asarray(columns["up"]).sum()) < 0:
        raise ValueError(
            f"Table.up sums to {total:g}, so that pulses up would lower the weight; pass sizes that are "
            "positive upwards, and exchange up and down if the polarity is the other."
        )
    if is_concrete(state):
        grid = np.asarray(state)
        if not (np.diff(grid) > 0).all():
            raise ValueError(f"Table.state is not increasing at entry {int(np.argmax(np.diff(grid) <= 0)) + 1}; sort the table.")
        if not grid[0] <= 0 <= grid[-1]:
            raise ValueError(
                f"Table.state runs from {grid[0]:g} to {grid[-1]:g}, without zero; normalise conductances, for instance to -1 to 1."
            )


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        names, values, _ = read_text_table(path, header=True)
    except ValueError as error:
        raise ValueError(f"table {path}: {error}.") from None
    names = [name.lower() for name in names or ()]
    missing = [name for name in _COLUMNS[:3] if name not in names]
    unknown = [name for name in names if name not in _COLUMNS]
    if missing or unknown:
        wrong = f"has no column {missing[0]!r}" if missing else f"has an unknown column {unknown[0]!r}"
        raise ValueError(
            f"table {path} {wrong}; name the columns {', '.join(_COLUMNS)} in its first line (the last two may be left out)."
        )
    return dict(zip(names, values.T, strict=True))


def _fit_steps(state, middle, step, way, name):
    """Mean and noise, on the grid, of steps taken around `middle`."""
    mean, near, back, hats = np.zeros_like(state), np.zeros_like(state), np.zeros_like(step), np.zeros((step.size, state.size))
    for _ in range(3):  # the state before a step depends on the mean step
        before = np.clip(middle - way * back / 2, state[0], state[-1])
        hats = np.maximum(1 - np.abs(before[:, None] - state) / (state[1] - state[0]), 0)
        near = hats.sum(axis=0)
        if (near < 1).any():
            raise _TooFewSteps(f"no {name} step was measured near weight {state[np.argmin(near)]:.3g}")
        mean = np.linalg.lstsq(hats, step, rcond=None)[0]
        back = hats @ mean
    return mean, np.sqrt(hats.T @ (step - back) ** 2 / near)
