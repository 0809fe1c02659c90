"""Constant ratio."""

from typing import Literal

import jax.numpy as jnp

from .._random import Draws, Source
from .._types import Key, Scalar, Weight, is_concrete
from ..device import Burst, spread
from ..fields import Number, OptionalNumber, choice, number, optional
from .base import AbstractHalfSelect
from .phases import Exposure

__all__ = ["ConstantRatio"]


class ConstantRatio(AbstractHalfSelect):
    """A half-selected cell moves by 1 / kappa of a full step, cycle noise included and
    drawn anew.

    Each half pulse is the device's own step at 1 / kappa of its size: w <- clip(w +-
    (step + noise) / kappa). With every phase driven, a cell with K full pulses sees 2 K
    more half pulses against its direction than along it. Under V/3 it sees 3 K more. So
    its net change is exactly 1 - 2 / kappa (1 - 3 / kappa) of the change without
    half-selection. This holds where up and down steps are equal and do not depend on
    the weight, without cycle noise, and while no bound is met.

    The ratio can differ by the line that pulses, by direction, and from device to
    device, with a fresh standard normal xi for each:

        kappa_cell = kappa (row or column, or neither for an idle cell under V/3) (up or down) exp(kappa_dtod xi)

    A half pulse is at most a full one: the factors may not take kappa below 1, only its
    spread may, for single cells.

    Attributes:
        kappa: switching rate at the full voltage over that at the half-select voltage.
            10 is a poor array, 1e5 a very good one; infinity is none.
        row, column: factors on kappa where the row, or the column, pulses alone; None:
            1.
        up, down: factors on kappa for pulses up, or down; None: 1.
        kappa_dtod: spread of the logarithm of kappa from device to device; None: all
            alike.
        scheme, phases: see `AbstractHalfSelect`.
    """

    kappa: Number = number(1e3, low=1.0, finite=False)
    row: OptionalNumber = optional(low=0.0, open=True)
    column: OptionalNumber = optional(low=0.0, open=True)
    up: OptionalNumber = optional(low=0.0, open=True)
    down: OptionalNumber = optional(low=0.0, open=True)
    kappa_dtod: OptionalNumber = optional(low=0.0)
    scheme: Literal["V/2", "V/3"] = choice("V/2", "V/3")
    phases: Literal["all", "active"] = choice("all", "active")

    def __check_init__(self) -> None:
        factors = [1 if factor is None else factor for factor in (self.row, self.column, self.up, self.down)]
        if not all(map(is_concrete, (self.kappa, *factors))):
            return
        row, column, up, down = map(float, factors)
        least = min(row, column) * min(up, down)
        if float(self.kappa) * least < 1 - 1e-6:  # single precision takes 7 * (1 / 7) for less than 1
            raise ValueError(
                f"{self!r} gives some half pulses a kappa of {float(self.kappa) * least:g}. They would move a cell by more than "
                f"full pulses do; pass a kappa of at least {1 / least:g} with these factors, or larger factors."
            )

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> Weight | None:
        """The factor on kappa of each cell."""
        return None if self.kappa_dtod is None else jnp.exp(self.kappa_dtod * spread(shape, key, Source.RATIO))

    def bursts(self, cells: Weight | None, memory: None, exposure: Exposure, noise: Draws | None) -> tuple[tuple[Burst, ...], None]:
        size = 1 / self.kappa if cells is None else 1 / (self.kappa * cells)
        up, down = [size if factor is None else size / factor for factor in (self.up, self.down)]
        if self.row is None and self.column is None:
            return (Burst(*self.weak(exposure), up, down, noise),), None
        rises, falls = exposure.up, exposure.down
        kinds = [(rises.by_row, falls.by_row, self.row), (rises.by_column, falls.by_column, self.column)]
        if self.scheme == "V/3":
            kinds.append((falls.idle, rises.idle, None))
        bursts = []
        for n, (count_up, count_down, factor) in enumerate(kinds):
            factor = 1 if factor is None else factor
            own = noise if noise is None or n == 0 else noise.fold(n)
            bursts.append(Burst(count_up, count_down, up / factor, down / factor, own))
        return tuple(bursts), None

    def ratio(self) -> Scalar | None:
        factors = (self.row, self.column, self.up, self.down)
        return self.kappa if self.scheme == "V/2" and all(factor is None for factor in factors) else None

    def gain(self) -> Scalar | None:
        if self.up is not None or self.down is not None or self.kappa_dtod is not None:
            return None
        by_row, by_column = (1 if factor is None else 1 / factor for factor in (self.row, self.column))
        return 1 - (by_row + by_column + self.parts - 2) / self.kappa
