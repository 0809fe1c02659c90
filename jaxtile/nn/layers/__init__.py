"""Layers whose weights are on tiles, and how a model is taken apart into them."""

from .base import AbstractConverted as AbstractConverted
from .base import to_digital as to_digital
from .linear import Linear as Linear
from .paths import check_apart as check_apart
from .paths import is_part as is_part
from .paths import layers as layers
from .paths import map_layers as map_layers
from .paths import map_layers_with_keys as map_layers_with_keys
from .paths import parts_of as parts_of
from .paths import path_of as path_of
from .paths import with_key as with_key
from .sequential import EachSample as EachSample
from .sequential import Sequential as Sequential
from .sequential import sample_axes as sample_axes

__all__ = [
    "AbstractConverted",
    "EachSample",
    "Linear",
    "Sequential",
    "check_apart",
    "is_part",
    "layers",
    "map_layers",
    "map_layers_with_keys",
    "parts_of",
    "path_of",
    "sample_axes",
    "to_digital",
    "with_key",
]
