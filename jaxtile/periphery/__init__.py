"""The analog matrix-vector product and what stands around the array."""

from .bound_management import Iterative as Iterative
from .io import IOParameters as IOParameters
from .io import read as read
from .noise_management import AbsMax as AbsMax
from .noise_management import AbstractNoiseManagement as AbstractNoiseManagement

__all__ = ["AbsMax", "AbstractNoiseManagement", "IOParameters", "Iterative", "read"]
