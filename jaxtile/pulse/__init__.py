"""Pulse types: x and d become pulse trains and counts. Knows no device."""

from .base import AbstractLines as AbstractLines
from .base import AbstractPulse as AbstractPulse
from .base import AbstractTrainPulse as AbstractTrainPulse
from .base import Counts as Counts
from .base import Trains as Trains
from .deterministic_implicit import DeterministicImplicit as DeterministicImplicit
from .mean_count import MeanCount as MeanCount
from .mean_field import MeanField as MeanField
from .none import NoneWithDevice as NoneWithDevice
from .none import NoPulse as NoPulse
from .stochastic import Stochastic as Stochastic
from .stochastic import StochasticCompressed as StochasticCompressed

__all__ = [
    "AbstractLines",
    "AbstractPulse",
    "AbstractTrainPulse",
    "Counts",
    "DeterministicImplicit",
    "MeanCount",
    "MeanField",
    "NoPulse",
    "NoneWithDevice",
    "Stochastic",
    "StochasticCompressed",
    "Trains",
]
