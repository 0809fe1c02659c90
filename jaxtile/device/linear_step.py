"""Linear step."""

from collections.abc import Callable
from typing import ClassVar

import jax.numpy as jnp

from .._random import Source
from .._types import Key, Scalar, Weight, flag, number
from .base import AbstractPulsedDevice, Cells, spread
from .burst import affine

__all__ = ["LinearCells", "LinearStep", "linear_step"]


class LinearCells(Cells):
    """Adds the slope of the step with the weight, in each direction."""

    slope_up: Weight
    slope_down: Weight


def linear_step(cells: LinearCells, weight: Weight, *, up: bool, dw_min_std: Scalar, mult_noise: bool) -> tuple[Weight, Weight]:
    """Mean and spread of a step that is affine in the weight; the noise is in proportion to the step, or to its part at zero."""
    at_zero, slope = (cells.step_up, cells.slope_up) if up else (cells.step_down, cells.slope_down)
    size = at_zero + slope * weight
    return size, dw_min_std * (jnp.abs(size) if mult_noise else at_zero)


class LinearStep(AbstractPulsedDevice):
    """The step changes linearly with the weight.

        w <- clip(w + (step_up + slope_up w)(1 + dw_min_std xi))         one up pulse, xi standard normal
        w <- clip(w - (step_down + slope_down w)(1 + dw_min_std xi))     one down pulse

    and with `mult_noise=False` the noise is dw_min_std times `step_up` (`step_down`) alone. The slopes are
    slope_up = -gamma_up step_up / w_max and slope_down = -gamma_down step_down / w_min: the step has shrunk by gamma at the bound.
    (aihwkit `LinearStepDevice`.)

    Attributes:
        gamma_up, gamma_down: relative loss of the step from zero to the bound.
        gamma_up_dtod, gamma_down_dtod: device-to-device spread of gamma, absolute.
        allow_increasing: keep the sign of gamma; otherwise steps always shrink towards the bound.
        mean_bound_reference: refer the slope to the nominal bounds, not to the device's own.
        mult_noise: noise in proportion to the present step.

    The other parameters: see `AbstractPulsedDevice`.
    """

    burst: ClassVar[Callable[..., Weight]] = staticmethod(affine)
    response: ClassVar[tuple[str, ...]] = ("dw_min", "up_down", "gamma_up", "gamma_down")

    gamma_up: Scalar = number(0.0)
    gamma_down: Scalar = number(0.0)
    gamma_up_dtod: Scalar = number(0.05, low=0.0)
    gamma_down_dtod: Scalar = number(0.05, low=0.0)
    allow_increasing: bool = flag(False)
    mean_bound_reference: bool = flag(True)
    mult_noise: bool = flag(True)

    def init(self, shape: tuple[int, int], *, key: Key) -> LinearCells:
        cells = super().init(shape, key=key)

        def slope(gamma, gamma_dtod, source, step, bound):
            drawn = gamma + gamma_dtod * spread(shape, key, source)
            drawn = drawn if self.allow_increasing else jnp.abs(drawn)
            return jnp.where(bound == 0, 0, -drawn * step / jnp.where(bound == 0, 1, bound))

        top, bottom = (self.w_max, self.w_min) if self.mean_bound_reference else (cells.w_max, cells.w_min)
        slope_up = slope(self.gamma_up, self.gamma_up_dtod, Source.SLOPE_UP, cells.step_up, top)
        slope_down = slope(self.gamma_down, self.gamma_down_dtod, Source.SLOPE_DOWN, cells.step_down, bottom)
        return LinearCells(**vars(cells), slope_up=slope_up, slope_down=slope_down)

    def step(self, cells: LinearCells, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        return linear_step(cells, weight, up=up, dw_min_std=self.dw_min_std, mult_noise=self.mult_noise)
