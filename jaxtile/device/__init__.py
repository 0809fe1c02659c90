"""Devices: how a pulse moves a conductance. Knows no tile.

`step/` holds the laws of a step, `around/` the wrappers of a device, `cell/` the unit
cells. This file is their table of contents; it lists `jaxtile.fitting`, too.
"""

from ..fields import number as number
from ..fitting import Conductance as Conductance
from ..fitting import Curves as Curves
from ..fitting import Fit as Fit
from ..fitting import fit as fit
from ..fitting import measure as measure
from . import around, cell, step
from . import burst as burst
from .around import *
from .base import AbstractCrosspoint as AbstractCrosspoint
from .base import AbstractDevice as AbstractDevice
from .base import Rewrite as Rewrite
from .base import State as State
from .burst import Burst as Burst
from .cell import *
from .cells import AbstractCells as AbstractCells
from .cells import Cells as Cells
from .fabrication import spread as spread
from .ideal import Ideal as Ideal
from .routine import AbstractRoutine as AbstractRoutine
from .routine import Sending as Sending
from .routine import Vector as Vector
from .statistical import Programmed as Programmed
from .statistical import Statistical as Statistical
from .step import *

__all__ = [
    "AbstractCells",
    "AbstractCrosspoint",
    "AbstractDevice",
    "AbstractRoutine",
    "Burst",
    "Cells",
    "Conductance",
    "Curves",
    "Fit",
    "Ideal",
    "Programmed",
    "Rewrite",
    "Sending",
    "State",
    "Statistical",
    "Vector",
    "burst",
    "fit",
    "measure",
    "number",
    "spread",
]
__all__ += step.__all__
__all__ += around.__all__
__all__ += cell.__all__
