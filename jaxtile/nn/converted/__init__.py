"""Layers of equinox whose matrices are on tiles."""

from .attention import MultiheadAttention as MultiheadAttention
from .cells import Cell as Cell
from .conv import Conv as Conv

__all__ = ["Cell", "Conv", "MultiheadAttention"]
