"""jaxtile inside aihwkit: a simulator tile, its configuration, programming methods, and
translators of configurations and chips.
"""

from ._check import check_installation

check_installation()

# What follows imports aihwkit, whose absence or mismatch with torch the check has
# explained.
from .config import tile_config as tile_config  # noqa: E402
from .inference import Inference as Inference  # noqa: E402
from .inference import drift_compensation_of as drift_compensation_of  # noqa: E402
from .inference import inference_of as inference_of  # noqa: E402
from .inference import input_range_of as input_range_of  # noqa: E402
from .module import RealisticTile as RealisticTile  # noqa: E402
from .module import RPUConfigWithProgram as RPUConfigWithProgram  # noqa: E402
from .network import to_analog_layers as to_analog_layers  # noqa: E402
from .noise import noise_model_of as noise_model_of  # noqa: E402
from .own_device import OwnDevice as OwnDevice  # noqa: E402
from .programming import Programmed as Programmed  # noqa: E402
from .programming import program_weights_by as program_weights_by  # noqa: E402
from .programming import program_weights_gdp as program_weights_gdp  # noqa: E402
from .programming import program_weights_gdp2 as program_weights_gdp2  # noqa: E402
from .programming import program_weights_svd as program_weights_svd  # noqa: E402
from .tile import HalfSelectedSimulatorTile as HalfSelectedSimulatorTile  # noqa: E402
from .transfer import from_analog_tile as from_analog_tile  # noqa: E402
from .transfer import to_analog_tile as to_analog_tile  # noqa: E402
from .weights import clip_of as clip_of  # noqa: E402
from .weights import modifier_of as modifier_of  # noqa: E402
from .weights import remap_of as remap_of  # noqa: E402

__all__ = [
    "HalfSelectedSimulatorTile",
    "Inference",
    "OwnDevice",
    "Programmed",
    "RPUConfigWithProgram",
    "RealisticTile",
    "clip_of",
    "drift_compensation_of",
    "from_analog_tile",
    "inference_of",
    "input_range_of",
    "modifier_of",
    "noise_model_of",
    "program_weights_by",
    "program_weights_gdp",
    "program_weights_gdp2",
    "program_weights_svd",
    "remap_of",
    "tile_config",
    "to_analog_layers",
    "to_analog_tile",
]
