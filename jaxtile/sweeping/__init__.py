"""Thousands of tiles in one call: over numbers, chips, targets and seeds, on all
devices, into a store that can be resumed.
"""

from .dataset import load as load
from .dataset import progress_of as progress_of
from .programming import Programming as Programming
from .store import Progress as Progress
from .sweep import sweep as sweep

__all__ = ["Programming", "Progress", "load", "progress_of", "sweep"]
