"""Compensation of half-selection, between a programming method and the tile."""

from .base import AbstractCompensation as AbstractCompensation
from .expected import Expected as Expected
from .gain import Gain as Gain
from .smallest_first import SmallestFirst as SmallestFirst
from .sparsify import Sparsify as Sparsify

__all__ = ["AbstractCompensation", "Expected", "Gain", "SmallestFirst", "Sparsify"]
