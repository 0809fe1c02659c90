"""How a pulse moves a conductance; one small file each. Knows no tile."""

from .._types import number as number
from . import burst as burst
from .base import AbstractCrosspoint as AbstractCrosspoint
from .base import AbstractDevice as AbstractDevice
from .base import AbstractPulsedDevice as AbstractPulsedDevice
from .base import Rewrite as Rewrite
from .base import State as State
from .burst import Burst as Burst
from .cells import AbstractCells as AbstractCells
from .cells import Cells as Cells
from .constant_step import ConstantStep as ConstantStep
from .drifting import DriftCells as DriftCells
from .drifting import Drifted as Drifted
from .drifting import Drifting as Drifting
from .exp_step import ExpStep as ExpStep
from .fabrication import spread as spread
from .fitting import Fit as Fit
from .fitting import fit as fit
from .ideal import Ideal as Ideal
from .linear_step import LinearCells as LinearCells
from .linear_step import LinearStep as LinearStep
from .measuring import measure as measure
from .one_sided import OneSided as OneSided
from .piecewise_step import PiecewiseStep as PiecewiseStep
from .pow_step import PowStep as PowStep
from .pow_step_reference import PowStepReference as PowStepReference
from .reference_cell import ReferenceCell as ReferenceCell
from .refresh import Refresh as Refresh
from .routine import AbstractRoutine as AbstractRoutine
from .routine import Sending as Sending
from .routine import Vector as Vector
from .soft_bounds import SoftBounds as SoftBounds
from .soft_bounds_pmax import SoftBoundsPmax as SoftBoundsPmax
from .soft_bounds_reference import SoftBoundsReference as SoftBoundsReference
from .statistical import Programmed as Programmed
from .statistical import Statistical as Statistical
from .table import Table as Table
from .unit_cell import AbstractUnitCell as AbstractUnitCell
from .unit_cell import UnitCells as UnitCells
from .unit_cell import UnitState as UnitState
from .update_policy import AbstractUpdatePolicy as AbstractUpdatePolicy
from .update_policy import All as All
from .update_policy import SingleFixed as SingleFixed
from .update_policy import SingleRandom as SingleRandom
from .update_policy import SingleSequential as SingleSequential
from .vector_cell import VectorCell as VectorCell
from .write_noise import WriteNoise as WriteNoise
from .write_noise import Written as Written

__all__ = [
    "AbstractCells",
    "AbstractCrosspoint",
    "AbstractDevice",
    "AbstractPulsedDevice",
    "AbstractRoutine",
    "AbstractUnitCell",
    "AbstractUpdatePolicy",
    "All",
    "Burst",
    "Cells",
    "ConstantStep",
    "DriftCells",
    "Drifted",
    "Drifting",
    "ExpStep",
    "Fit",
    "Ideal",
    "LinearCells",
    "LinearStep",
    "OneSided",
    "PiecewiseStep",
    "PowStep",
    "PowStepReference",
    "Programmed",
    "ReferenceCell",
    "Refresh",
    "Rewrite",
    "Sending",
    "SingleFixed",
    "SingleRandom",
    "SingleSequential",
    "SoftBounds",
    "SoftBoundsPmax",
    "SoftBoundsReference",
    "State",
    "Statistical",
    "UnitCells",
    "UnitState",
    "Vector",
    "VectorCell",
    "WriteNoise",
    "Written",
    "Table",
    "burst",
    "fit",
    "measure",
    "number",
    "spread",
]
