"""A tile: what the hardware is, the chip that was made of it, and how it stands now."""

from .checks import as_matrix as as_matrix
from .checks import as_vectors as as_vectors
from .checks import check_tile as check_tile
from .config import TileConfig as TileConfig
from .hardware import AbstractHardware as AbstractHardware
from .reading import backward as backward
from .reading import forward as forward
from .reading import observe as observe
from .reading import read_as as read_as
from .tally import PulseCounts as PulseCounts
from .tally import Tally as Tally
from .tile import Chip as Chip
from .tile import Now as Now
from .tile import Tile as Tile
from .tile import init as init
from .writing import connect as connect
from .writing import count_pulses as count_pulses
from .writing import get_weights as get_weights
from .writing import set_weights as set_weights

__all__ = [
    "AbstractHardware",
    "Chip",
    "Now",
    "PulseCounts",
    "Tally",
    "Tile",
    "TileConfig",
    "as_matrix",
    "as_vectors",
    "backward",
    "check_tile",
    "connect",
    "count_pulses",
    "forward",
    "get_weights",
    "init",
    "observe",
    "read_as",
    "set_weights",
]
