"""The ideal device."""

from typing import ClassVar

from .._types import Key, Weight
from .base import AbstractCells, AbstractDevice

__all__ = ["Ideal"]


class NoCells(AbstractCells):
    """Ideal devices have no parameters."""


class Ideal(AbstractDevice):
    """Holds any number and adds exactly what it is told: `W <- W - lr d^T x`, whatever
    the pulse type.
    """

    takes_pulses: ClassVar[bool] = False

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> NoCells:
        return NoCells()

    def clip(self, cells: NoCells, weight: Weight) -> Weight:
        return weight

    def bounds(self) -> None:
        return None
