"""Soft bounds, by a number of pulses."""

from typing import Any

import jax.numpy as jnp

from ..._types import Real, as_number
from .soft_bounds import SoftBounds

__all__ = ["SoftBoundsPmax"]


def SoftBoundsPmax(
    *,
    p_max: Real = 1000.0,
    alpha: Real = 0.0005,
    range_min: Real = -1.0,
    range_max: Real = 1.0,
    **shared: Any,
) -> SoftBounds:
    """Soft bounds, given by the pulses that take the weight from one end of a range to
    the other.

        B = (range_max - range_min) / (1 - exp(-alpha p_max))
        w_min = range_min,   w_max = range_min + B,   dw_min = alpha B,   up_down = 1 + 2 range_min / B

    These are aihwkit's numbers (`SoftBoundsPmaxDevice`). They are meant for w =
    range_min + B (1 - exp(-alpha n)) after n pulses up: `p_max` of them would end at
    `range_max`. But the share of the distance to `w_max` that a pulse covers is alpha B
    / w_max, not alpha. So they end farther up: at 1.36 instead of 1 with the defaults.

    Args:
        p_max: pulses up from `range_min` that are meant to end at `range_max`.
        alpha: share of the distance to `w_max` that one of them is meant to cover.
        range_min: where they start, in weight units.
        range_max: where they are meant to end.
        **shared: the other parameters of `SoftBounds`.

    Raises:
        ValueError: a number is out of range, or follows from the others.
    """
    p_max = as_number("SoftBoundsPmax.p_max", p_max, low=0.0, open=True)
    alpha = as_number("SoftBoundsPmax.alpha", alpha, low=0.0, open=True)
    range_min = as_number("SoftBoundsPmax.range_min", range_min, high=0.0)
    range_max = as_number("SoftBoundsPmax.range_max", range_max, low=0.0, open=True)
    full = (range_max - range_min) / -jnp.expm1(-alpha * p_max)
    derived = {"w_min": range_min, "w_max": range_min + full, "dw_min": alpha * full, "up_down": 1 + 2 * range_min / full}
    for name in derived.keys() & shared.keys():
        raise ValueError(f"SoftBoundsPmax.{name}={shared[name]!r} follows from p_max, alpha and the range; leave it out.")
    return SoftBounds(**derived, **shared)
