"""Unit cells: several devices at one crossing of two lines."""

from .base import AbstractUnitCell as AbstractUnitCell
from .base import UnitCells as UnitCells
from .base import UnitState as UnitState
from .one_sided import OneSided as OneSided
from .reference_cell import ReferenceCell as ReferenceCell
from .refresh import Refresh as Refresh
from .update_policy import AbstractTurns as AbstractTurns
from .update_policy import AbstractUpdatePolicy as AbstractUpdatePolicy
from .update_policy import All as All
from .update_policy import SingleFixed as SingleFixed
from .update_policy import SingleRandom as SingleRandom
from .update_policy import SingleSequential as SingleSequential
from .vector_cell import VectorCell as VectorCell

__all__ = [
    "AbstractTurns",
    "AbstractUnitCell",
    "AbstractUpdatePolicy",
    "All",
    "OneSided",
    "ReferenceCell",
    "Refresh",
    "SingleFixed",
    "SingleRandom",
    "SingleSequential",
    "UnitCells",
    "UnitState",
    "VectorCell",
]
