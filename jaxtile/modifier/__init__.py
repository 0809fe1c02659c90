"""Modifiers: noisy, coarse or thinned copies of the weights, which training reads see."""

from .base import AbstractModifier as AbstractModifier
from .discretize import Discretize as Discretize
from .discretize import DiscretizeAddNormal as DiscretizeAddNormal
from .discretize import DoReFa as DoReFa
from .drop import DropConnect as DropConnect
from .normal import AddNormal as AddNormal
from .normal import MultNormal as MultNormal
from .pcm import PCMNoise as PCMNoise
from .programmed import Poly as Poly
from .programmed import ProgNoise as ProgNoise

__all__ = [
    "AbstractModifier",
    "AddNormal",
    "Discretize",
    "DiscretizeAddNormal",
    "DoReFa",
    "DropConnect",
    "MultNormal",
    "PCMNoise",
    "Poly",
    "ProgNoise",
]
