"""Soft bounds."""

from collections.abc import Callable
from typing import ClassVar

import jax.numpy as jnp

from .._types import Key, Weight, flag
from .base import AbstractPulsedDevice
from .burst import affine
from .linear_step import LinearCells, linear_step

__all__ = ["SoftBounds"]


class SoftBounds(AbstractPulsedDevice):
    """The step vanishes linearly at each device's own bound.

        w <- clip(w + step_up (1 - w / w_max)(1 + dw_min_std xi))        one up pulse, xi standard normal
        w <- clip(w - step_down (1 - w / w_min)(1 + dw_min_std xi))      one down pulse

    and with `mult_noise=False` the noise is dw_min_std times `step_up` (`step_down`) alone. A balanced pair of up and down pulses
    pulls the weight to its symmetry point. (aihwkit `SoftBoundsDevice`: a linear step with gamma 1 and no spread of gamma.)

    Attributes:
        mult_noise: noise in proportion to the present step.

    The other parameters: see `AbstractPulsedDevice`.
    """

    burst: ClassVar[Callable[..., Weight]] = staticmethod(affine)
    response: ClassVar[tuple[str, ...]] = ("dw_min", "up_down", "w_max", "w_min")

    mult_noise: bool = flag(True)

    def init(self, shape: tuple[int, int], *, key: Key) -> LinearCells:
        cells = super().init(shape, key=key)

        def slope(step, bound):
            return jnp.where(bound == 0, 0, -step / jnp.where(bound == 0, 1, bound))

        slope_up, slope_down = slope(cells.step_up, cells.w_max), slope(cells.step_down, cells.w_min)
        return LinearCells(**vars(cells), slope_up=slope_up, slope_down=slope_down)

    def step(self, cells: LinearCells, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        return linear_step(cells, weight, up=up, dw_min_std=self.dw_min_std, mult_noise=self.mult_noise)
