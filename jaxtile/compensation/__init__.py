"""Compensation of half-selection, between a programming method and the tile."""

from .base import AbstractCompensation as AbstractCompensation
from .gain import Gain as Gain

__all__ = ["AbstractCompensation", "Gain"]
