"""Training: the steps of an optimizer, epoch by epoch."""

from .best import Best as Best
from .data import as_arrays as as_arrays
from .metrics import accuracy as accuracy
from .metrics import cross_entropy as cross_entropy
from .optimizer import Optimizer as Optimizer
from .optimizer import OptimizerState as OptimizerState
from .quantities import label_of as label_of
from .run import OUTCOMES as OUTCOMES
from .run import Run as Run
from .verbs import evaluate as evaluate
from .verbs import train as train

__all__ = [
    "OUTCOMES",
    "Best",
    "Optimizer",
    "OptimizerState",
    "Run",
    "accuracy",
    "as_arrays",
    "cross_entropy",
    "evaluate",
    "label_of",
    "train",
]
