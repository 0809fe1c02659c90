"""Sending pulses into a tile."""

from .hardware import Pulsed as Pulsed
from .update import send as send
from .update import update as update

__all__ = ["Pulsed", "send", "update"]
