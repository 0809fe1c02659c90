"""Saving anything to one file, and loading it without running anything from it."""

from .file import load as load
from .file import save as save

__all__ = ["load", "save"]
