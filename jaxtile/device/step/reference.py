"""Devices of which a reference is subtracted."""

from typing import Any

from ..._random import Source
from ..._types import Key, Scalar, Weight
from ...fields import Number, flag, number
from ..cells import Cells
from ..fabrication import spread
from .base import AbstractPulsedDevice

__all__ = ["AbstractReferenceDevice"]


class AbstractReferenceDevice(AbstractPulsedDevice):
    """A device with a conductance v of which a fixed reference is subtracted: the
    weight is w = v - reference.

        reference = reference_mean + reference_std xi + symmetry point          (the last if it is to be subtracted)

    The symmetry point is the v at which the mean steps up and down are equal: with it
    in the reference, pairs of them lead to weight zero, but for the error of the
    reference. It counts as zero for a device whose bounds are not on either side of
    zero.

    Pulses, bounds, decay, reset and diffusion act on v; a reset leads to v = `reset`,
    or `reset` from the symmetry point if that is subtracted. In `Cells`, bounds and
    reset bias are those of w. (aihwkit clips and resets w as if it were v, except in a
    pulse.)

    Attributes:
        reference_mean, reference_std: mean and device-to-device spread of the
            reference, in weight units.
        subtract_symmetry_point: add the device's symmetry point to the reference.
    """

    reference_mean: Number = number(0.0, units="weight")
    reference_std: Number = number(0.0, low=0.0, units="weight")
    subtract_symmetry_point: bool = flag(False)

    def bounds(self) -> tuple[Scalar, Scalar]:
        return self.w_min - self.reference_mean, self.w_max - self.reference_mean

    def referred(self, cells: Cells, shape: tuple[int, int], symmetry_point: Weight | None, *, key: Key | None) -> dict[str, Any]:
        """The fields of devices, given by their v, once their weights are counted from
        a reference; and that reference.
        """
        shift = self.reference_mean + self.reference_std * spread(shape, key, Source.REFERENCE)
        bias = cells.reset_bias
        if symmetry_point is not None:
            shift, bias = shift + symmetry_point, bias + symmetry_point
        moved = {"w_min": cells.w_min - shift, "w_max": cells.w_max - shift, "reset_bias": bias - shift}
        return {**vars(cells), **moved, "reference": shift}
