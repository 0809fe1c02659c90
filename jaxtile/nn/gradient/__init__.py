"""The gradient of a loss, with a pair of vectors at each tile."""

from .factors import Factors as Factors
from .scan import scan as scan
from .trainable import trainable as trainable
from .value_and_grad import value_and_grad as value_and_grad

__all__ = ["Factors", "scan", "trainable", "value_and_grad"]
