"""Programming methods, compensation of half-selection, and the loop that runs them."""

from .base import AbstractMethod as AbstractMethod
from .chain import Chain as Chain
from .chain import Stage as Stage
from .chain import chain as chain
from .chain import residual as residual
from .chain import stages_of as stages_of
from .gate import AbstractGate as AbstractGate
from .gate import OneHotPays as OneHotPays
from .gdp import GDP as GDP
from .inputs import AbstractInputs as AbstractInputs
from .inputs import Gaussian as Gaussian
from .inputs import Hadamard as Hadamard
from .inputs import outputs as outputs
from .power_svd import PowerSVD as PowerSVD
from .program import program as program
from .program_verify import ProgramVerify as ProgramVerify
from .reading import Probe as Probe
from .reading import Reads as Reads
from .reading import ideal_reading as ideal_reading
from .reading import read as read
from .result import RESULTS as RESULTS
from .risk_svd import RiskSVD as RiskSVD
from .solution import Solution as Solution
from .stopping import relative_error as relative_error
from .svd import SVD as SVD
from .switching import AbstractSwitch as AbstractSwitch
from .switching import After as After
from .switching import Plateau as Plateau

__all__ = [
    "GDP",
    "RESULTS",
    "SVD",
    "AbstractGate",
    "AbstractInputs",
    "AbstractMethod",
    "AbstractSwitch",
    "After",
    "Chain",
    "Gaussian",
    "Hadamard",
    "OneHotPays",
    "Plateau",
    "PowerSVD",
    "Probe",
    "ProgramVerify",
    "Reads",
    "RiskSVD",
    "Solution",
    "Stage",
    "chain",
    "ideal_reading",
    "outputs",
    "program",
    "read",
    "relative_error",
    "residual",
    "stages_of",
]
