"""Algorithms that hold several arrays at each crossing, as devices of a tile."""

from .base import AbstractTransfer as AbstractTransfer
from .carrying import Lines as Lines
from .carrying import TransferState as TransferState
from .carrying import Write as Write
from .transfer import Transfer as Transfer

__all__ = [
    "AbstractTransfer",
    "Lines",
    "Transfer",
    "TransferState",
    "Write",
]
