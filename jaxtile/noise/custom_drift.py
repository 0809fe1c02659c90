"""Phase-change memory whose drift was measured."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._types import is_concrete, takes_reals
from ..fields import Field, OptionalNumber, Reals, array, optional
from .base import Conductance
from .laws import AbstractLaw, InversePower, law
from .pcm import PROGRAMMING
from .power_law import AbstractPowerLaw

__all__ = ["CustomDriftPCM"]


class CustomDriftPCM(AbstractPowerLaw):
    """`PCM` with exponents from a list, linear in between (aihwkit's
    `CustomDriftPCMLikeNoiseModel`).

    Attributes:
        g_lst: conductances, increasing, uS; they hold the range of the converter.
        nu_mean_lst, nu_std_lst: mean and spread of the exponent there.
        read: relative 1/f noise, that of `PCM`.

    The others: see `AbstractPowerLaw`.

    Raises:
        ValueError: the lists have different lengths or order, or do not hold the range
            of the converter.
    """

    g_lst: Field[Reals, Float[Array, " point"]] = array()
    nu_mean_lst: Field[Reals, Float[Array, " point"]] = array()
    nu_std_lst: Field[Reals, Float[Array, " point"]] = array()
    prog_coeff: Field[Reals, Float[Array, " k"]] = array(PROGRAMMING)
    prog_coeff_g_max_reference: OptionalNumber = optional(25.0, low=0.0, open=True)
    read: AbstractLaw = law(lambda: InversePower(factor=0.0088, exponent=0.65, high=0.2))

    def __check_init__(self) -> None:
        lists = (self.g_lst, self.nu_mean_lst, self.nu_std_lst)
        if self.g_lst.size < 2 or len({a.shape for a in lists}) > 1:
            shapes = ", ".join(str(a.shape) for a in lists)
            raise ValueError(f"CustomDriftPCM: the lists have shapes {shapes}; pass three of one length, at least 2.")
        if not is_concrete(self.g_lst):
            return
        g_lst = np.asarray(self.g_lst)
        if np.any(np.diff(g_lst) <= 0):
            raise ValueError(f"CustomDriftPCM.g_lst={g_lst.tolist()} must increase.")
        ends = (self.converter.g_min, self.converter.g_max)
        if all(map(is_concrete, ends)) and (float(ends[0]) < g_lst[0] or float(ends[1]) > g_lst[-1]):
            low, high = map(float, ends)
            raise ValueError(
                f"CustomDriftPCM.g_lst ends at {g_lst[0]:g} and {g_lst[-1]:g} uS; the converter goes from {low:g} to {high:g}."
            )

    @takes_reals
    def nu(self, target: Conductance) -> tuple[Conductance, Conductance]:
        return jnp.interp(target, self.g_lst, self.nu_mean_lst), jnp.interp(target, self.g_lst, self.nu_std_lst)

    @takes_reals
    def read_noise(self, r: Conductance) -> Conductance:
        return self.read(r)
