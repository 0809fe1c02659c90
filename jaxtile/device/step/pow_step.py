"""Power-law step."""

from typing import ClassVar

import jax.numpy as jnp

from ..._random import Source
from ..._types import Key, Scalar, Weight
from ...fields import Number, number
from ..cells import Cells
from ..fabrication import folded_pair, spread
from .base import MOST, WIDEST, AbstractPulsedDevice

__all__ = ["AbstractPowDevice", "PowStep"]


class PowCells(Cells):
    """Adds the exponent of the step in each direction."""

    gamma_up: Weight
    gamma_down: Weight


class AbstractPowDevice(AbstractPulsedDevice):
    """A device with a step that is a power of the distance to the bound ahead, relative
    to the range.

        up:    step_up   ((w_max - w) / (w_max - w_min))^gamma_up
        down:  step_down ((w - w_min) / (w_max - w_min))^gamma_down

    The exponents are fabricated as the steps are, with a fresh standard normal xi for
    each:

        gain = 1 + pow_gamma_dtod xi,   imbalance = pow_up_down_dtod xi
        gamma_up   = |gain + imbalance + min(pow_up_down, 0)| pow_gamma
        gamma_down = |gain - imbalance - max(pow_up_down, 0)| pow_gamma

    Attributes:
        pow_gamma, pow_gamma_dtod: the exponent, and its device-to-device spread,
            relative.
        pow_up_down, pow_up_down_dtod: mean and device-to-device spread of the imbalance
            of the exponents, relative to `pow_gamma`.

    Whole numbers of pulses are sent one by one, which is exact (`burst.one_by_one`).
    """

    response: ClassVar[tuple[str, ...]] = ("dw_min", "up_down", "w_max", "w_min", "pow_gamma", "pow_up_down")

    pow_gamma: Number = number(1.0, low=0.0, open=True)
    pow_gamma_dtod: Number = number(0.1, low=0.0, most=WIDEST)
    pow_up_down: Number = number(0.0, low=-1.0, high=1.0)
    pow_up_down_dtod: Number = number(0.0, low=0.0, most=WIDEST)

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> PowCells:
        gain = 1 + self.pow_gamma_dtod * spread(shape, key, Source.EXPONENT)
        imbalance = self.pow_up_down_dtod * spread(shape, key, Source.EXPONENT_IMBALANCE)
        up, down = folded_pair(gain, imbalance, self.pow_up_down, fold=self.enforce_consistency)
        cells = super().fabricate(shape, key=key)
        return PowCells(**vars(cells), gamma_up=self.pow_gamma * up, gamma_down=self.pow_gamma * down)

    def step(self, cells: PowCells, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        if up:
            whole, room, gamma = cells.step_up, cells.w_max - weight, cells.gamma_up
        else:
            whole, room, gamma = cells.step_down, weight - cells.w_min, cells.gamma_down
        span = cells.w_max - cells.w_min
        inside = (room > 0) & (span > 0)  # at the bound a power has no derivative, or an infinite one
        share = jnp.where(inside, room / jnp.where(span > 0, span, 1), 1)
        size = jnp.where(inside, whole * jnp.minimum(share**gamma, MOST), 0)
        return size, self.dw_min_std * jnp.abs(size)

    def granularity(self) -> Scalar:
        """The mean step in the middle of the range."""
        return self.dw_min * 0.5**self.pow_gamma


class PowStep(AbstractPowDevice):
    """The step falls off as a power of the distance to the bound.

        w <- clip(w + step_up   ((w_max - w) / (w_max - w_min))^gamma_up   (1 + dw_min_std xi))    one up pulse, xi standard normal
        w <- clip(w - step_down ((w - w_min) / (w_max - w_min))^gamma_down (1 + dw_min_std xi))    one down pulse

    with each device's own bounds and exponents. (aihwkit `PowStepDevice`; Frascaroli et
    al., Sci. Rep. 8:7178, 2018.)

    Parameters: see `AbstractPowDevice` and `AbstractPulsedDevice`.
    """
