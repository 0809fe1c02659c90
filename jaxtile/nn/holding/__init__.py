"""Ways to hold the weights of a matrix in devices."""

from .base import AbstractHolding as AbstractHolding
from .bit_slices import BitSlices as BitSlices
from .bit_slices import Slices as Slices
from .offset import Column as Column
from .offset import DigitalOffset as DigitalOffset
from .offset import OffsetColumn as OffsetColumn
from .offset import Raised as Raised
from .one_device import OneDevice as OneDevice

__all__ = ["AbstractHolding", "BitSlices", "Column", "DigitalOffset", "OffsetColumn", "OneDevice", "Raised", "Slices"]
