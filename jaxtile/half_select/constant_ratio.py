"""Constant ratio."""

from typing import Literal

from jaxtyping import Array, Num

from .._random import Draws
from .._types import Scalar, choice, number
from ..device import AbstractCells, AbstractCrosspoint, State
from .base import AbstractHalfSelect

__all__ = ["ConstantRatio"]


class ConstantRatio(AbstractHalfSelect):
    """A half-selected cell moves by 1 / kappa of a full step, cycle noise included and drawn anew.

    Each half pulse is the device's own step at 1 / kappa of its size:  w <- clip(w +- (step + noise) / kappa).  With every phase
    driven, a cell with K full pulses sees 2 K more half pulses against its direction than along it, so its net change is exactly
    1 - 2 / kappa of that without half-selection, provided its up and down steps are equal and do not depend on the weight, there
    is no cycle noise, and no bound is met.

    Attributes:
        kappa: switching rate at the full voltage over that at the half-select voltage. 10 is a poor array, 1e5 a very good one;
            infinity is none.
        scheme: "V/2": selected lines carry half the write voltage each, idle lines none.
        phases: "all" or "active", see `AbstractHalfSelect`.
    """

    kappa: Scalar = number(1e3, low=1.0, finite=False)
    scheme: Literal["V/2"] = choice("V/2")
    phases: Literal["all", "active"] = choice("all", "active")

    def disturb(
        self,
        device: AbstractCrosspoint,
        cells: AbstractCells,
        state: State,
        up: Num[Array, "out in"],
        down: Num[Array, "out in"],
        noise: Draws | None,
    ) -> State:
        return device.pulses(cells, state, up, down, size=1 / self.kappa, noise=noise)

    def gain(self) -> Scalar:
        return 1 - 2 / self.kappa
