"""Networks whose weights live on tiles, trained by pulses."""

from . import holding as holding
from .attention import MultiheadAttention as MultiheadAttention
from .best import Best as Best
from .cells import Cell as Cell
from .chip import Summary as Summary
from .chip import apply_programming_noise as apply_programming_noise
from .chip import calibrate as calibrate
from .chip import compensate as compensate
from .chip import drift as drift
from .chip import program as program
from .chip import stick as stick
from .chip import summary as summary
from .conv import Conv as Conv
from .convert import convert as convert
from .convert import to_digital as to_digital
from .factors import Factors as Factors
from .gradient import value_and_grad as value_and_grad
from .grid import Grid as Grid
from .layers import with_key as with_key
from .linear import Linear as Linear
from .metrics import accuracy as accuracy
from .metrics import cross_entropy as cross_entropy
from .optimizer import Optimizer as Optimizer
from .optimizer import OptimizerState as OptimizerState
from .rule import Mapping as Mapping
from .rule import Rule as Rule
from .run import OUTCOMES as OUTCOMES
from .run import Run as Run
from .scan import scan as scan
from .sequential import Sequential as Sequential
from .state_dict import from_state_dict as from_state_dict
from .train import evaluate as evaluate
from .train import train as train
from .trainable import trainable as trainable

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
    "scan",
    "stick",
    "summary",
    "to_digital",
    "train",
    "trainable",
    "value_and_grad",
    "with_key",
]
