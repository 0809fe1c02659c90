"""Algorithms that hold several arrays at each crossing, as devices of a tile."""

from .base import AbstractTransfer as AbstractTransfer
from .buffered_transfer import BufferedTransfer as BufferedTransfer
from .build import build as build
from .build import preset as preset
from .carrying import Lines as Lines
from .carrying import TransferState as TransferState
from .carrying import Write as Write
from .chopped_transfer import ChoppedTransfer as ChoppedTransfer
from .chopping import AbstractChoppedTransfer as AbstractChoppedTransfer
from .chopping import Choppers as Choppers
from .dynamic_transfer import DynamicTransfer as DynamicTransfer
from .dynamic_transfer import References as References
from .mixed_precision import Accumulated as Accumulated
from .mixed_precision import MixedPrecision as MixedPrecision
from .transfer import Transfer as Transfer
from .zero_shifting import zero_shift as zero_shift

__all__ = [
    "Accumulated",
    "MixedPrecision",
    "AbstractChoppedTransfer",
    "AbstractTransfer",
    "BufferedTransfer",
    "ChoppedTransfer",
    "Choppers",
    "DynamicTransfer",
    "Lines",
    "References",
    "Transfer",
    "TransferState",
    "Write",
    "build",
    "preset",
    "zero_shift",
]
