"""Soft bounds with a reference."""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp

from ..._random import Source
from ..._types import Key, Weight
from ...fields import Number, flag, number
from ..burst import affine
from ..cells import Cells
from ..fabrication import spread
from .base import WIDEST
from .reference import AbstractReferenceDevice

__all__ = ["SoftBoundsReference"]


class ReferenceCells(Cells):
    """Adds the reference that a weight is counted from."""

    reference: Weight


class SoftBoundsReference(AbstractReferenceDevice):
    """Soft bounds of a conductance v, of which a reference is subtracted: w = v -
    reference.

        v <- clip(v + step_up (1 - v / v_max + dw_min_std xi))        one up pulse, xi standard normal
        v <- clip(v - step_down (1 - v / v_min + dw_min_std xi))      one down pulse

    and with `mult_noise=True` the noise is in proportion to the whole step. The bounds
    are v_max = w_max / |1 + slope_up_dtod xi| and v_min = w_min / |1 + slope_down_dtod
    xi|, from the device's own `w_max` and `w_min`. The symmetry point is (step_up -
    step_down) / (step_up / v_max - step_down / v_min). Without a bound on its side of
    zero a step vanishes nowhere. (aihwkit `SoftBoundsReferenceDevice`.) Pulses of one
    direction sum up exactly (`burst.affine`).

    Attributes:
        mult_noise: noise in proportion to the present step, not to that at v = 0.
        slope_up_dtod, slope_down_dtod: device-to-device spread of the slopes, relative.

    The other parameters: see `AbstractReferenceDevice` and `AbstractPulsedDevice`.
    """

    burst: ClassVar[Callable[..., Weight]] = staticmethod(affine)
    response: ClassVar[tuple[str, ...]] = ("dw_min", "up_down", "w_max", "w_min")  # another reference is other bounds

    mult_noise: bool = flag(False)
    slope_up_dtod: Number = number(0.0, low=0.0, most=WIDEST)
    slope_down_dtod: Number = number(0.0, low=0.0, most=WIDEST)

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> ReferenceCells:
        cells = super().fabricate(shape, key=key)
        around_zero = (cells.w_max > 0) & (cells.w_min < 0)
        steeper_up = jnp.abs(1 + self.slope_up_dtod * spread(shape, key, Source.SLOPE_UP))
        steeper_down = jnp.abs(1 + self.slope_down_dtod * spread(shape, key, Source.SLOPE_DOWN))
        v_max = cells.w_max / jnp.where(around_zero, steeper_up, 1)
        v_min = cells.w_min / jnp.where(around_zero, steeper_down, 1)
        cells = eqx.tree_at(lambda c: (c.w_min, c.w_max), cells, (v_min, v_max))
        symmetry_point = None
        if self.subtract_symmetry_point:
            slopes = cells.step_up / jnp.where(around_zero, v_max, 1) - cells.step_down / jnp.where(around_zero, v_min, -1)
            moves = around_zero & (slopes != 0)
            symmetry_point = jnp.where(moves, (cells.step_up - cells.step_down) / jnp.where(moves, slopes, 1), 0)
        return ReferenceCells(**self.referred(cells, shape, symmetry_point, key=key))

    def step(self, cells: ReferenceCells, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        if up:
            at_zero, room, whole = cells.step_up, cells.w_max - weight, cells.w_max + cells.reference
        else:
            at_zero, room, whole = cells.step_down, weight - cells.w_min, -(cells.w_min + cells.reference)
        size = at_zero * jnp.where(whole > 0, room / jnp.where(whole > 0, whole, 1), 1)
        return size, self.dw_min_std * (jnp.abs(size) if self.mult_noise else at_zero)
