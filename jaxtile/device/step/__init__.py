"""The laws of a step: how much one pulse moves a single device. One law a file."""

from .base import AbstractPulsedDevice as AbstractPulsedDevice
from .constant_step import ConstantStep as ConstantStep
from .exp_step import ExpStep as ExpStep
from .linear_step import LinearCells as LinearCells
from .linear_step import LinearStep as LinearStep
from .piecewise_step import PiecewiseStep as PiecewiseStep
from .pow_step import PowStep as PowStep
from .pow_step_reference import PowStepReference as PowStepReference
from .soft_bounds import SoftBounds as SoftBounds
from .soft_bounds_pmax import SoftBoundsPmax as SoftBoundsPmax
from .soft_bounds_reference import SoftBoundsReference as SoftBoundsReference
from .table import Table as Table

__all__ = [
    "AbstractPulsedDevice",
    "ConstantStep",
    "ExpStep",
    "LinearCells",
    "LinearStep",
    "PiecewiseStep",
    "PowStep",
    "PowStepReference",
    "SoftBounds",
    "SoftBoundsPmax",
    "SoftBoundsReference",
    "Table",
]
