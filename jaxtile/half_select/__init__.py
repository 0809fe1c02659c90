"""Half-selection: sub-phases of a parallel write, and models of what it does to the
cells that see one line only.
"""

from . import phases as phases
from .accumulation import Accumulation as Accumulation
from .base import AbstractHalfSelect as AbstractHalfSelect
from .constant_ratio import ConstantRatio as ConstantRatio
from .sinh import Sinh as Sinh
from .stochastic import Stochastic as Stochastic
from .threshold import Threshold as Threshold

__all__ = ["AbstractHalfSelect", "Accumulation", "ConstantRatio", "Sinh", "Stochastic", "Threshold", "phases"]
