"""Wrappers: effects that are put around a device, whatever its law of a step."""

from .base import AbstractWrapper as AbstractWrapper
from .drifting import DriftCells as DriftCells
from .drifting import Drifted as Drifted
from .drifting import Drifting as Drifting
from .write_noise import WriteNoise as WriteNoise
from .write_noise import Written as Written

__all__ = ["AbstractWrapper", "DriftCells", "Drifted", "Drifting", "WriteNoise", "Written"]
