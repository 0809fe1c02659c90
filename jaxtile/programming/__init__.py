"""Programming methods, compensation of half-selection, and the loop that runs them."""

from .base import AbstractMethod as AbstractMethod
from .gdp import GDP as GDP
from .program import program as program
from .result import RESULTS as RESULTS
from .solution import Solution as Solution
from .svd import SVD as SVD

__all__ = ["GDP", "RESULTS", "SVD", "AbstractMethod", "Solution", "program"]
