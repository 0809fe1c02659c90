"""How a pulse moves a conductance; one small file each. Knows no tile."""

from .._types import number as number
from . import burst as burst
from .base import AbstractCells as AbstractCells
from .base import AbstractDevice as AbstractDevice
from .base import AbstractPulsedDevice as AbstractPulsedDevice
from .base import Cells as Cells
from .constant_step import ConstantStep as ConstantStep
from .exp_step import ExpStep as ExpStep
from .fitting import Fit as Fit
from .fitting import fit as fit
from .ideal import Ideal as Ideal
from .linear_step import LinearCells as LinearCells
from .linear_step import LinearStep as LinearStep
from .measuring import measure as measure
from .soft_bounds import SoftBounds as SoftBounds
from .table import Table as Table

__all__ = [
    "AbstractCells",
    "AbstractDevice",
    "AbstractPulsedDevice",
    "Cells",
    "ConstantStep",
    "ExpStep",
    "Fit",
    "Ideal",
    "LinearCells",
    "LinearStep",
    "SoftBounds",
    "Table",
    "burst",
    "fit",
    "measure",
    "number",
]
