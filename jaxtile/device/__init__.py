"""How a pulse moves a conductance; one small file each. Knows no tile."""

from . import burst as burst
from .base import AbstractCells as AbstractCells
from .base import AbstractCrosspoint as AbstractCrosspoint
from .base import AbstractDevice as AbstractDevice
from .base import AbstractPulsedDevice as AbstractPulsedDevice
from .base import Cells as Cells
from .base import Rewrite as Rewrite
from .base import State as State
from .constant_step import ConstantStep as ConstantStep
from .exp_step import ExpStep as ExpStep
from .ideal import Ideal as Ideal
from .linear_step import LinearCells as LinearCells
from .linear_step import LinearStep as LinearStep
from .soft_bounds import SoftBounds as SoftBounds

__all__ = [
    "AbstractCells",
    "AbstractCrosspoint",
    "AbstractDevice",
    "AbstractPulsedDevice",
    "Cells",
    "ConstantStep",
    "ExpStep",
    "Ideal",
    "LinearCells",
    "LinearStep",
    "Rewrite",
    "SoftBounds",
    "State",
    "burst",
]
