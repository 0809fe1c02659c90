"""Algorithms that hold several arrays at each crossing, as devices of a tile."""

from .base import AbstractTransfer as AbstractTransfer
from .buffered_transfer import AbstractBufferedTransfer as AbstractBufferedTransfer
from .buffered_transfer import BufferedTransfer as BufferedTransfer
from .build import build as build
from .carrying import Lines as Lines
from .carrying import TransferState as TransferState
from .carrying import Write as Write
from .chopped_transfer import ChoppedTransfer as ChoppedTransfer
from .chopping import AbstractChoppedTransfer as AbstractChoppedTransfer
from .chopping import Choppers as Choppers
from .dynamic_transfer import DynamicTransfer as DynamicTransfer
from .dynamic_transfer import References as References
from .e_rider import ERider as ERider
from .e_rider import Tracking as Tracking
from .filtered_transfer import FilteredTransfer as FilteredTransfer
from .mixed_precision import Accumulated as Accumulated
from .mixed_precision import MixedPrecision as MixedPrecision
from .preset import preset as preset
from .reference import Reference as Reference
from .residual_learning import ResidualLearning as ResidualLearning
from .residual_learning import has_plateau as has_plateau
from .residual_learning import next_stage as next_stage
from .transfer import Transfer as Transfer
from .zero_shifting import zero_shift as zero_shift

__all__ = [
    "AbstractBufferedTransfer",
    "AbstractChoppedTransfer",
    "AbstractTransfer",
    "Accumulated",
    "BufferedTransfer",
    "ChoppedTransfer",
    "Choppers",
    "DynamicTransfer",
    "ERider",
    "FilteredTransfer",
    "Lines",
    "MixedPrecision",
    "Reference",
    "References",
    "ResidualLearning",
    "Tracking",
    "Transfer",
    "TransferState",
    "Write",
    "build",
    "has_plateau",
    "next_stage",
    "preset",
    "zero_shift",
]
