"""Cells: the numbers that fabrication draws for each device."""

import equinox as eqx

from .._types import Weight

__all__ = ["AbstractCells", "Cells"]


class AbstractCells(eqx.Module):
    """The realised parameters of every device of a tile, drawn once at fabrication.

    Arrays are [out, in], or [out, in, ...] where a cell has several numbers. A scalar
    is one number for the whole tile.
    """


class Cells(AbstractCells):
    """The numbers that distinguish one device from the next.

    Attributes:
        step_up, step_down: sizes of the steps at weight zero.
        w_min, w_max: bounds.
        decay_scale: what one decay leaves of the distance to `reset_bias`.
        diffusion_rate: spread of one diffusion.
        reset_bias: where decay and reset lead.
    """

    step_up: Weight
    step_down: Weight
    w_min: Weight
    w_max: Weight
    decay_scale: Weight
    diffusion_rate: Weight
    reset_bias: Weight
