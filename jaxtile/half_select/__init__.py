"""Half-selection: sub-phases of a parallel write, and models of what it does to the cells that see one line only."""

from . import phases as phases
from .base import AbstractHalfSelect as AbstractHalfSelect
from .constant_ratio import ConstantRatio as ConstantRatio

__all__ = ["AbstractHalfSelect", "ConstantRatio", "phases"]
