"""Exponential step."""

from typing import ClassVar

import jax.numpy as jnp

from ..._types import Scalar, Weight
from ...fields import Number, number
from ..cells import Cells
from .base import MOST, WIDEST, AbstractPulsedDevice

__all__ = ["ExpStep"]


class ExpStep(AbstractPulsedDevice):
    """The step falls off exponentially towards the bounds.

        z = 2 a w / (w_max - w_min) + b
        w <- clip(w + step_up   max(1 - A_up   exp( gamma_up   z), 0)(1 + dw_min_std xi))      one up pulse, xi standard normal
        w <- clip(w - step_down max(1 - A_down exp(-gamma_down z), 0)(1 + dw_min_std xi))      one down pulse

    with each device's own bounds. More generally the spread of a step of mean size s is
    dw_min_std (|s| + dw_min_std_add + dw_min_std_slope |w|). (aihwkit `ExpStepDevice`;
    the default numbers are a fit to a ReRAM device, Gong et al., Nat. Commun. 9:2102,
    2018.)

    Attributes:
        A_up, A_down, gamma_up, gamma_down, a, b: shape of the response.
        dw_min_std_add: noise that does not depend on the step, in weight units.
        dw_min_std_slope: noise that grows with |w|.

    The other parameters: see `AbstractPulsedDevice`.
    """

    response: ClassVar[tuple[str, ...]] = ("dw_min", "up_down", "A_up", "A_down")  # gammas hardly show, next to these

    A_up: Number = number(0.00081)
    A_down: Number = number(0.36833)
    gamma_up: Number = number(12.44625)
    gamma_down: Number = number(12.78785)
    a: Number = number(0.244)
    b: Number = number(0.2425)
    dw_min_std_add: Number = number(0.0, low=0.0, units="weight")
    dw_min_std_slope: Number = number(0.0, low=0.0, most=WIDEST)

    def step(self, cells: Cells, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        span = cells.w_max - cells.w_min
        z = 2 * weight / jnp.where(span > 0, span, 1) * self.a + self.b
        size = self._response(z, up=up) * jnp.where(span > 0, cells.step_up if up else cells.step_down, 0)
        return size, self.dw_min_std * (jnp.abs(size) + self.dw_min_std_add + self.dw_min_std_slope * jnp.abs(weight))

    def _response(self, z, *, up: bool):
        a, exponent = (self.A_up, self.gamma_up * z) if up else (self.A_down, -self.gamma_down * z)
        return jnp.clip(1 - a * jnp.exp(jnp.minimum(exponent, 80)), 0, MOST)

    def granularity(self) -> Scalar:
        """The mean down step at weight zero (`dw_min` if that is zero): the convention
        of aihwkit, kept for equal pulse counts.
        """
        at_zero = (1 + jnp.minimum(0, -self.up_down)) * self._response(self.b, up=False)
        return self.dw_min * jnp.where(at_zero > 0, at_zero, 1)
