"""Soft bounds, by the number of pulses."""

from typing import Any

import jax.numpy as jnp

from .._types import Scalar, check_number, scalar
from .soft_bounds import SoftBounds

__all__ = ["SoftBoundsPmax"]


def SoftBoundsPmax(
    *,
    p_max: Scalar | float = 1000.0,
    alpha: Scalar | float = 0.0005,
    range_min: Scalar | float = -1.0,
    range_max: Scalar | float = 1.0,
    **shared: Any,
) -> SoftBounds:
    """Soft bounds, given by how `p_max` pulses up take the weight from `range_min` to `range_max`.

    After n pulses up from there the weight is

        w = range_min + B (1 - exp(-alpha n)),    B = (range_max - range_min) / (1 - exp(-alpha p_max))

    which are the soft bounds w_min = range_min, w_max = range_min + B, dw_min = alpha B, up_down = 1 + 2 range_min / B. (aihwkit
    `SoftBoundsPmaxDevice`, which is no more than this change of parameters either.)

    Args:
        p_max: pulses up from `range_min` to `range_max`.
        alpha: share of the distance to `w_max` that one pulse covers.
        range_min: where the pulses start, in weight units.
        range_max: where they end.
        **shared: the other parameters of `SoftBounds`.

    Raises:
        ValueError: a number is out of range, or follows from the others.
    """
    p_max, alpha, range_min, range_max = (scalar(value) for value in (p_max, alpha, range_min, range_max))
    check_number("SoftBoundsPmax.p_max", p_max, low=0.0, open=True)
    check_number("SoftBoundsPmax.alpha", alpha, low=0.0, open=True)
    check_number("SoftBoundsPmax.range_min", range_min, high=0.0)
    check_number("SoftBoundsPmax.range_max", range_max, low=0.0, open=True)
    full = (range_max - range_min) / -jnp.expm1(-alpha * p_max)
    derived = {"w_min": range_min, "w_max": range_min + full, "dw_min": alpha * full, "up_down": 1 + 2 * range_min / full}
    for name in derived.keys() & shared.keys():
        raise ValueError(f"SoftBoundsPmax.{name}={shared[name]!r} follows from p_max, alpha and the range; leave it out.")
    return SoftBounds(**derived, **shared)
