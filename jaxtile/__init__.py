"""jaxtile: analog in-memory-computing crossbar tiles in JAX, programmed by pulses."""

from . import compensation as compensation
from . import device as device
from . import half_select as half_select
from . import periphery as periphery
from . import plot as plot
from . import pulse as pulse
from ._vectors import UnitVectors as UnitVectors
from .periphery import IOParameters as IOParameters
from .programming import GDP as GDP
from .programming import RESULTS as RESULTS
from .programming import SVD as SVD
from .programming import Solution as Solution
from .programming import program as program
from .tile import Tile as Tile
from .tile import TileConfig as TileConfig
from .tile import backward as backward
from .tile import forward as forward
from .tile import get_weights as get_weights
from .tile import init as init
from .tile import set_weights as set_weights
from .update import send as send
from .update import update as update
