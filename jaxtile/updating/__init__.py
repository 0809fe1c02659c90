"""Sending pulses into a tile."""

from .update import send as send
from .update import update as update

__all__ = ["send", "update"]
