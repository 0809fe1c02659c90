"""Linear step."""

from collections.abc import Callable
from typing import ClassVar

import jax.numpy as jnp

from ..._random import Source
from ..._types import Key, Scalar, Weight
from ...fields import Number, flag, number
from ..burst import affine
from ..cells import Cells
from ..fabrication import spread
from .base import WIDEST, AbstractPulsedDevice

__all__ = ["AbstractLinearDevice", "LinearCells", "LinearStep"]


class LinearCells(Cells):
    """Adds the slope of the step with the weight, in each direction."""

    slope_up: Weight
    slope_down: Weight


class AbstractLinearDevice(AbstractPulsedDevice):
    """A device with a step that is affine in the weight.

    From weight zero to a bound the step loses gamma of its size at zero. It is the
    bound ahead or, reversed, the bound behind:

        slope_up   = -gamma_up   step_up   / w_max            reversed: / (w_min - reverse_offset)
        slope_down = -gamma_down step_down / w_min            reversed: / (w_max + reverse_offset)

    Attributes:
        mult_noise: noise in proportion to the present step, not to that at zero.
        reverse_up, reverse_down: the step grows along its direction. Asks for
            `mult_noise`.
        reverse_offset: keeps a reversed step above zero at the bound behind, in weight
            units.

    Pulses of one direction sum up exactly (`burst.affine`).
    """

    burst: ClassVar[Callable[..., Weight]] = staticmethod(affine)

    mult_noise: bool = flag(True)
    reverse_up: bool = flag(False)
    reverse_down: bool = flag(False)
    reverse_offset: Number = number(0.01, low=0.0, units="weight")

    def __check_init__(self) -> None:
        if (self.reverse_up or self.reverse_down) and not self.mult_noise:
            raise ValueError(
                f"{type(self).__name__}.mult_noise=False does not go with reversed steps; use mult_noise=True, or "
                "reverse_up=False and reverse_down=False."
            )

    def step(self, cells: LinearCells, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        at_zero, slope = (cells.step_up, cells.slope_up) if up else (cells.step_down, cells.slope_down)
        size = at_zero + slope * weight
        return size, self.dw_min_std * (jnp.abs(size) if self.mult_noise else at_zero)

    def sloped(
        self, cells: Cells, gammas: tuple[Weight | float, Weight | float], bounds: tuple[Weight | Scalar, Weight | Scalar]
    ) -> LinearCells:
        """The cells with slopes, from gamma up and down and the bounds (lower, upper)
        that they refer to.
        """
        low, high = bounds
        ends = low - self.reverse_offset if self.reverse_up else high, high + self.reverse_offset if self.reverse_down else low
        slope_up, slope_down = (
            jnp.where(end == 0, 0, -gamma * step / jnp.where(end == 0, 1, end))
            for gamma, step, end in zip(gammas, (cells.step_up, cells.step_down), ends, strict=True)
        )
        return LinearCells(**vars(cells), slope_up=slope_up, slope_down=slope_down)


class LinearStep(AbstractLinearDevice):
    """The step changes linearly with the weight.

        w <- clip(w + (step_up + slope_up w)(1 + dw_min_std xi))         one up pulse, xi standard normal
        w <- clip(w - (step_down + slope_down w)(1 + dw_min_std xi))     one down pulse

    and with `mult_noise=False` the noise is dw_min_std times `step_up` (`step_down`)
    alone. Slopes: see `AbstractLinearDevice`. (aihwkit `LinearStepDevice`.)

    Attributes:
        gamma_up, gamma_down: relative loss of the step from zero to the bound.
        gamma_up_dtod, gamma_down_dtod: device-to-device spread of gamma, absolute.
        allow_increasing: keep the sign of gamma; otherwise it is made positive.
        mean_bound_reference: refer the slope to the nominal bounds, not to the device's
            own.

    The other parameters: see `AbstractLinearDevice` and `AbstractPulsedDevice`.
    """

    response: ClassVar[tuple[str, ...]] = ("dw_min", "up_down", "gamma_up", "gamma_down")

    gamma_up: Number = number(0.0, most=WIDEST)
    gamma_down: Number = number(0.0, most=WIDEST)
    gamma_up_dtod: Number = number(0.05, low=0.0, most=WIDEST)
    gamma_down_dtod: Number = number(0.05, low=0.0, most=WIDEST)
    allow_increasing: bool = flag(False)
    mean_bound_reference: bool = flag(True)

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> LinearCells:
        cells = super().fabricate(shape, key=key)
        gamma_up = self.gamma_up + self.gamma_up_dtod * spread(shape, key, Source.SLOPE_UP)
        gamma_down = self.gamma_down + self.gamma_down_dtod * spread(shape, key, Source.SLOPE_DOWN)
        if not self.allow_increasing:
            gamma_up, gamma_down = jnp.abs(gamma_up), jnp.abs(gamma_down)
        bounds = (self.w_min, self.w_max) if self.mean_bound_reference else (cells.w_min, cells.w_max)
        return self.sloped(cells, (gamma_up, gamma_down), bounds)
