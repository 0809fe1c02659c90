"""jaxtile: analog in-memory-computing crossbar tiles in JAX, programmed by pulses."""

from . import _begin as _begin
from . import compensation as compensation
from . import costs as costs
from . import device as device
from . import digital as digital
from . import fields as fields
from . import fitting as fitting
from . import half_select as half_select
from . import learning as learning
from . import modifier as modifier
from . import nn as nn
from . import noise as noise
from . import periphery as periphery
from . import plot as plot
from . import presets as presets
from . import programming as programming
from . import pulse as pulse
from . import quantities as quantities
from . import targets as targets
from ._vectors import UnitVectors as UnitVectors
from ._version import __version__ as __version__
from .costs import Costs as Costs
from .datasheet import Datasheet as Datasheet
from .io import load as load
from .io import save as save
from .nn import train as train
from .periphery import IOParameters as IOParameters
from .programming import GDP as GDP
from .programming import RESULTS as RESULTS
from .programming import SVD as SVD
from .programming import After as After
from .programming import OneHotPays as OneHotPays
from .programming import Plateau as Plateau
from .programming import PowerSVD as PowerSVD
from .programming import ProgramVerify as ProgramVerify
from .programming import RiskSVD as RiskSVD
from .programming import Solution as Solution
from .programming import Stage as Stage
from .programming import chain as chain
from .programming import program as program
from .programming import residual as residual
from .quantities import Quantity as Quantity
from .sweeping import Programming as Programming
from .sweeping import sweep as sweep
from .tile import Chip as Chip
from .tile import Now as Now
from .tile import Tile as Tile
from .tile import TileConfig as TileConfig
from .tile import backward as backward
from .tile import connect as connect
from .tile import count_pulses as count_pulses
from .tile import forward as forward
from .tile import get_weights as get_weights
from .tile import init as init
from .tile import observe as observe
from .tile import read_as as read_as
from .tile import set_weights as set_weights
from .updating import send as send
from .updating import update as update
from .upkeep import apply_programming_noise as apply_programming_noise
from .upkeep import decay as decay
from .upkeep import diffuse as diffuse
from .upkeep import drift as drift
from .upkeep import reset as reset

__all__ = [
    "__version__",
    "After",
    "Chip",
    "GDP",
    "Costs",
    "Datasheet",
    "IOParameters",
    "Now",
    "OneHotPays",
    "Plateau",
    "PowerSVD",
    "ProgramVerify",
    "Programming",
    "Quantity",
    "RESULTS",
    "RiskSVD",
    "SVD",
    "Solution",
    "Stage",
    "Tile",
    "TileConfig",
    "UnitVectors",
    "apply_programming_noise",
    "backward",
    "chain",
    "compensation",
    "costs",
    "connect",
    "count_pulses",
    "decay",
    "device",
    "diffuse",
    "digital",
    "drift",
    "fields",
    "fitting",
    "forward",
    "get_weights",
    "half_select",
    "init",
    "learning",
    "load",
    "modifier",
    "nn",
    "noise",
    "observe",
    "periphery",
    "plot",
    "presets",
    "program",
    "programming",
    "pulse",
    "quantities",
    "read_as",
    "reset",
    "residual",
    "save",
    "send",
    "set_weights",
    "sweep",
    "targets",
    "train",
    "update",
]
