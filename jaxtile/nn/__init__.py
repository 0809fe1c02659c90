"""Networks whose weights live on tiles, trained by pulses."""

from . import holding as holding
from .chip import Summary as Summary
from .chip import apply_programming_noise as apply_programming_noise
from .chip import calibrate as calibrate
from .chip import compensate as compensate
from .chip import drift as drift
from .chip import program as program
from .chip import renormalise as renormalise
from .chip import stick as stick
from .chip import summary as summary
from .convert import convert as convert
from .converted import Cell as Cell
from .converted import Conv as Conv
from .converted import MultiheadAttention as MultiheadAttention
from .gradient import Factors as Factors
from .gradient import scan as scan
from .gradient import trainable as trainable
from .gradient import value_and_grad as value_and_grad
from .grid import Grid as Grid
from .layers import Linear as Linear
from .layers import Sequential as Sequential
from .layers import to_digital as to_digital
from .layers import with_key as with_key
from .rule import Mapping as Mapping
from .rule import Rule as Rule
from .state_dict import from_state_dict as from_state_dict
from .training import OUTCOMES as OUTCOMES
from .training import Best as Best
from .training import Optimizer as Optimizer
from .training import OptimizerState as OptimizerState
from .training import Run as Run
from .training import accuracy as accuracy
from .training import cross_entropy as cross_entropy
from .training import evaluate as evaluate
from .training import train as train

__all__ = [
    "OUTCOMES",
    "Best",
    "Cell",
    "Conv",
    "Factors",
    "Grid",
    "Linear",
    "Mapping",
    "MultiheadAttention",
    "Optimizer",
    "OptimizerState",
    "Rule",
    "Run",
    "Sequential",
    "Summary",
    "accuracy",
    "apply_programming_noise",
    "calibrate",
    "compensate",
    "convert",
    "cross_entropy",
    "drift",
    "evaluate",
    "from_state_dict",
    "holding",
    "program",
    "renormalise",
    "scan",
    "stick",
    "summary",
    "to_digital",
    "train",
    "trainable",
    "value_and_grad",
    "with_key",
]
