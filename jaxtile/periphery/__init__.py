"""The analog matrix-vector product and what stands around the array."""

from .bound_management import AbstractBoundManagement as AbstractBoundManagement
from .bound_management import Iterative as Iterative
from .bound_management import IterativeWorstCase as IterativeWorstCase
from .channels import Channels as Channels
from .channels import fabricate as fabricate
from .channels import has_own_numbers as has_own_numbers
from .channels import remember as remember
from .channels import start as start
from .io import IOParameters as IOParameters
from .ir_drop import AbstractIRDrop as AbstractIRDrop
from .ir_drop import IRDrop as IRDrop
from .ladder import LadderIRDrop as LadderIRDrop
from .mv_type import AbstractMVType as AbstractMVType
from .mv_type import BitWise as BitWise
from .mv_type import OnePass as OnePass
from .mv_type import PosNegSeparate as PosNegSeparate
from .mv_type import PosNegSeparateDigitalSum as PosNegSeparateDigitalSum
from .mv_type import SplitMode as SplitMode
from .network import WireNetwork as WireNetwork
from .network import currents as currents
from .noise_management import AbsMax as AbsMax
from .noise_management import AbsMaxNPSum as AbsMaxNPSum
from .noise_management import AbstractNoiseManagement as AbstractNoiseManagement
from .noise_management import AverageAbsMax as AverageAbsMax
from .noise_management import Constant as Constant
from .noise_management import Max as Max
from .output_lines import OutputNonlinearity as OutputNonlinearity
from .output_lines import VoltageOffset as VoltageOffset
from .read import read as read
from .weight_noise import AbstractWeightNoise as AbstractWeightNoise
from .weight_noise import AdditiveConstant as AdditiveConstant
from .weight_noise import PCMRead as PCMRead

__all__ = [
    "AbsMax",
    "AbsMaxNPSum",
    "AbstractBoundManagement",
    "AbstractIRDrop",
    "AbstractMVType",
    "AbstractNoiseManagement",
    "AbstractWeightNoise",
    "AdditiveConstant",
    "AverageAbsMax",
    "BitWise",
    "Channels",
    "Constant",
    "IOParameters",
    "IRDrop",
    "Iterative",
    "IterativeWorstCase",
    "LadderIRDrop",
    "Max",
    "OnePass",
    "OutputNonlinearity",
    "PCMRead",
    "PosNegSeparate",
    "PosNegSeparateDigitalSum",
    "SplitMode",
    "VoltageOffset",
    "WireNetwork",
    "currents",
    "fabricate",
    "has_own_numbers",
    "read",
    "remember",
    "start",
]
