"""Weights of conductances, and conductances of weights."""

from jaxtyping import Num

from .._types import AnyArray, Real, is_concrete, real_array
from ..fields import Checked, Number, Reals, number

__all__ = ["Conductance"]


class Conductance(Checked):
    """The line between the conductance of a device and its weight, from -1 at `g_min`
    to 1 at `g_max`.

        w = 2 (g - g_min) / (g_max - g_min) - 1

    Attributes:
        g_min, g_max: the conductances of the lowest and the highest weight, in S, uS or
            any other unit, the same as of the conductances.
    """

    g_min: Number = number(0.0, kw_only=False)
    g_max: Number = number(1.0, kw_only=False)

    def __check_init__(self) -> None:
        if is_concrete(self.g_min) and is_concrete(self.g_max) and not float(self.g_min) < float(self.g_max):
            raise ValueError(f"Conductance: g_min={float(self.g_min):g} must be below g_max={float(self.g_max):g}.")

    def weight(self, conductance: Reals | Real) -> Num[AnyArray, "..."]:
        """The weight of a conductance, in the unit of `g_min`; without unit."""
        return 2 * (real_array(conductance, float, "conductance") - self.g_min) / (self.g_max - self.g_min) - 1

    def conductance(self, weight: Reals | Real) -> Num[AnyArray, "..."]:
        """The conductance of a weight, in the unit of `g_min`."""
        return self.g_min + (real_array(weight, float, "weight") + 1) * (self.g_max - self.g_min) / 2
