"""What a model of half-selection is.

To add one: subclass `AbstractHalfSelect` and write `disturb` and `gain`. Which cells are half selected, how often and with which
polarity is bookkeeping of lines and phases (`phases`), the same for every model.
"""

import abc
from typing import Literal

import equinox as eqx
from jaxtyping import Array, Num

from .._random import Draws
from .._types import Checked, Scalar
from ..device import AbstractCells, AbstractCrosspoint, State

__all__ = ["AbstractHalfSelect"]


class AbstractHalfSelect(Checked):
    """A model of what half-selected cells suffer.

    Attributes:
        phases: "all" drives all four sub-phases; "active" skips those in which no row or no column has the signs.
    """

    phases: eqx.AbstractVar[Literal["all", "active"]]

    @abc.abstractmethod
    def disturb(
        self,
        device: AbstractCrosspoint,
        cells: AbstractCells,
        state: State,
        up: Num[Array, "out in"],
        down: Num[Array, "out in"],
        noise: Draws | None,
    ) -> State:
        """Send each cell `up` half pulses up and `down` half pulses down."""

    @abc.abstractmethod
    def gain(self) -> Scalar:
        """Expected net change of a cell relative to that without half-selection: all phases driven, symmetric steps."""
