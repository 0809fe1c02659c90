"""The types that send no pulses: the outer product itself is added."""

from typing import ClassVar

from .base import AbstractPulse

__all__ = ["NoPulse", "NoneWithDevice"]


class NoPulse(AbstractPulse):
    """`W <- W - lr d^T x` in floating point, as if the devices were ideal: they are not
    fabricated at all, and have no bounds.
    """

    sends_pulses: ClassVar[bool] = False
    uses_device: ClassVar[bool] = False


class NoneWithDevice(AbstractPulse):
    """`W <- W - lr d^T x` in floating point, one vector after another, each followed by
    the clip to the devices' own bounds.
    """

    sends_pulses: ClassVar[bool] = False
