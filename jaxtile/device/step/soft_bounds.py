"""Soft bounds."""

from typing import ClassVar

from ..._types import Key
from .linear_step import AbstractLinearDevice, LinearCells

__all__ = ["SoftBounds"]


class SoftBounds(AbstractLinearDevice):
    """The step vanishes linearly at each device's own bound.

        w <- clip(w + step_up (1 - w / w_max)(1 + dw_min_std xi))        one up pulse, xi standard normal
        w <- clip(w - step_down (1 - w / w_min)(1 + dw_min_std xi))      one down pulse

    and with `mult_noise=False` the noise is dw_min_std times `step_up` (`step_down`)
    alone. A balanced pair of up and down pulses pulls the weight to its symmetry point.
    (aihwkit `SoftBoundsDevice`: a linear step with gamma 1 and no spread of gamma.)

    Parameters: see `AbstractLinearDevice` and `AbstractPulsedDevice`.
    """

    response: ClassVar[tuple[str, ...]] = ("dw_min", "up_down", "w_max", "w_min")

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> LinearCells:
        cells = super().fabricate(shape, key=key)
        return self.sloped(cells, (1.0, 1.0), (cells.w_min, cells.w_max))
