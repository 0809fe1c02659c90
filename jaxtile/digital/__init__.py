"""Digital work around a tile: clipping and mapping of weights, ranges of inputs, scales
of outputs.
"""

from ..nn.layers import Linear as _Layer
from .clip import AbstractClip as AbstractClip
from .clip import AverageChannelMax as AverageChannelMax
from .clip import FixedValue as FixedValue
from .clip import LayerGaussian as LayerGaussian
from .drift_compensation import AbstractDriftCompensation as AbstractDriftCompensation
from .drift_compensation import GlobalDriftCompensation as GlobalDriftCompensation
from .drift_compensation import PerColumnDriftCompensation as PerColumnDriftCompensation
from .input_range import InputRange as InputRange
from .scales import AbstractRemap as AbstractRemap
from .scales import ChannelwiseSymmetric as ChannelwiseSymmetric
from .scales import LayerwiseSymmetric as LayerwiseSymmetric
from .scales import map_weights as map_weights

Linear = _Layer.around
"""The name that `jaxtile.nn.Linear.around` had before there were networks."""

__all__ = [
    "AbstractClip",
    "AbstractDriftCompensation",
    "AbstractRemap",
    "AverageChannelMax",
    "ChannelwiseSymmetric",
    "FixedValue",
    "GlobalDriftCompensation",
    "InputRange",
    "LayerGaussian",
    "LayerwiseSymmetric",
    "PerColumnDriftCompensation",
    "map_weights",
]
