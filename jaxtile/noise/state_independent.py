"""Noise that is the same for all conductances."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import takes_reals
from ..fields import Field, Number, Reals, array, number
from .base import Conductance
from .power_law import AbstractPowerLaw

__all__ = ["StateIndependent"]


class StateIndependent(AbstractPowerLaw):
    """Programming noise and drift that are the same for all conductances (aihwkit's
    `StateIndependentNoiseModel`).

    The laws of `AbstractPowerLaw` with

        sigma_prog = 0.2 uS,   mu = drift_nu_mean,   sigma = drift_nu_std,   q = 1 uS / g_max

    so that the read noise is r_drift Q(t) uS.

    Attributes:
        drift_nu_mean, drift_nu_std: mean and spread of the exponent.

    The others: see `AbstractPowerLaw`.
    """

    prog_coeff: Field[Reals, Float[Array, " k"]] = array((0.2, 0.0, 0.0))
    drift_nu_mean: Number = number(0.1, low=0.0)
    drift_nu_std: Number = number(0.05, low=0.0)

    @takes_reals
    def nu(self, target: Conductance) -> tuple[Conductance, Conductance]:
        return jnp.full_like(target, self.drift_nu_mean), jnp.full_like(target, self.drift_nu_std)

    @takes_reals
    def read_noise(self, r: Conductance) -> Conductance:
        return jnp.full_like(r, 1 / self.converter.g_max)
