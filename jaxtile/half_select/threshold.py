"""Threshold switching."""

from typing import Literal

import jax.numpy as jnp

from .._random import Draws, Source
from .._types import Key, Weight
from ..device import Burst, spread
from ..fields import Number, choice, number
from .base import AbstractHalfSelect
from .phases import Exposure

__all__ = ["Threshold"]


class Threshold(AbstractHalfSelect):
    """A cell moves only above its threshold, at a rate (|V| / V_t - 1)^alpha; most
    cells are immune, some are not.

    Each device has a threshold of its own, V_t = threshold (1 + threshold_dtod xi) with
    xi standard normal, fabricated. Where the half-select voltage V / n (n = 2 under
    V/2, 3 under V/3) is above it, a half pulse moves the cell by

        1 / kappa = ((V / (n V_t) - 1) / (V / V_t - 1))^alpha

    of a full step, cycle noise included and drawn anew; where it is not, by nothing.
    The law gives the ratio only: a full step is the device's own, whatever its
    threshold. The share of cells that are exposed is Phi((V / (n threshold) - 1) /
    threshold_dtod). Thresholds are cut off at zero. (VTEAM: Kvatinsky et al., IEEE
    Trans. Circuits Syst. II 62:786, 2015; a spread of 0.26 was measured on a passive
    TiOx array, Kim et al., Nat. Commun. 12, 2021.)

    Attributes:
        voltage: the write voltage V of a fully selected cell, in volts.
        threshold, threshold_dtod: mean V_t in volts, and its spread from device to
            device, relative.
        alpha: the exponent.
        scheme, phases: see `AbstractHalfSelect`.
    """

    voltage: Number = number(1.25, low=0.0, open=True)
    threshold: Number = number(1.0, low=0.0, open=True)
    threshold_dtod: Number = number(0.26, low=0.0)
    alpha: Number = number(1.0, low=0.0, open=True)
    scheme: Literal["V/2", "V/3"] = choice("V/2", "V/3")
    phases: Literal["all", "active"] = choice("all", "active")

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> Weight:
        """The threshold of each cell."""
        return jnp.maximum(self.threshold * (1 + self.threshold_dtod * spread(shape, key, Source.RATIO)), 0)

    def bursts(self, cells: Weight, memory: None, exposure: Exposure, noise: Draws | None) -> tuple[tuple[Burst, ...], None]:
        size = self.size(cells)
        return (Burst(*self.weak(exposure), size, size, noise),), None

    def size(self, cells: Weight) -> Weight:
        """1 / kappa of each cell."""
        margin = self.voltage / self.parts - cells
        exposed = margin > 0
        share = jnp.where(exposed, margin, 1) / jnp.where(exposed, self.voltage - cells, 1)
        return jnp.where(exposed, share**self.alpha, 0)

    def gain(self) -> None:
        return None
