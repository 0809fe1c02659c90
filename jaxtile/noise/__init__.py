"""The statistics of devices that are written once: programming noise, drift, read
noise. Knows no tile.
"""

from .base import AbstractNoiseModel as AbstractNoiseModel
from .converter import AbstractConverter as AbstractConverter
from .converter import CustomPair as CustomPair
from .converter import Mapping as Mapping
from .converter import NPair as NPair
from .converter import SingleDevice as SingleDevice
from .custom_drift import CustomDriftPCM as CustomDriftPCM
from .hermes import Hermes as Hermes
from .hermes import HermesOneDevice as HermesOneDevice
from .laws import AbstractLaw as AbstractLaw
from .laws import Branched as Branched
from .laws import ClippedLog as ClippedLog
from .laws import InversePower as InversePower
from .pcm import PCM as PCM
from .power_law import AbstractPowerLaw as AbstractPowerLaw
from .reram_cmo import ReRAMCMO as ReRAMCMO
from .reram_wan import ReRAMWan2022 as ReRAMWan2022
from .state_independent import StateIndependent as StateIndependent

__all__ = [
    "PCM",
    "AbstractConverter",
    "AbstractLaw",
    "AbstractNoiseModel",
    "AbstractPowerLaw",
    "Branched",
    "ClippedLog",
    "CustomDriftPCM",
    "CustomPair",
    "Hermes",
    "HermesOneDevice",
    "InversePower",
    "Mapping",
    "NPair",
    "ReRAMCMO",
    "ReRAMWan2022",
    "SingleDevice",
    "StateIndependent",
]
