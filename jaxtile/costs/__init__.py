"""Costs of programming in time and energy, by models that one chooses."""

from .base import AbstractCosts as AbstractCosts
from .ohmic import Costs as Costs

__all__ = ["AbstractCosts", "Costs"]
