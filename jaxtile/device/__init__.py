"""How a pulse moves a conductance; one small file each. Knows no tile."""

from . import burst as burst
from .base import AbstractCrosspoint as AbstractCrosspoint
from .base import AbstractDevice as AbstractDevice
from .base import AbstractPulsedDevice as AbstractPulsedDevice
from .base import Rewrite as Rewrite
from .base import State as State
from .cells import AbstractCells as AbstractCells
from .cells import Cells as Cells
from .constant_step import ConstantStep as ConstantStep
from .exp_step import ExpStep as ExpStep
from .ideal import Ideal as Ideal
from .linear_step import LinearCells as LinearCells
from .linear_step import LinearStep as LinearStep
from .piecewise_step import PiecewiseStep as PiecewiseStep
from .pow_step import PowStep as PowStep
from .pow_step_reference import PowStepReference as PowStepReference
from .soft_bounds import SoftBounds as SoftBounds
from .soft_bounds_pmax import SoftBoundsPmax as SoftBoundsPmax
from .soft_bounds_reference import SoftBoundsReference as SoftBoundsReference

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
    "PiecewiseStep",
    "PowStep",
    "PowStepReference",
    "Rewrite",
    "SoftBounds",
    "SoftBoundsPmax",
    "SoftBoundsReference",
    "State",
    "burst",
]
