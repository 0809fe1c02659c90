"""Phase-change memory."""

from jaxtyping import Array, Float

from .._types import takes_reals
from ..fields import Field, OptionalNumber, Reals, array, optional
from .base import Conductance
from .laws import AbstractLaw, ClippedLog, InversePower, law
from .power_law import AbstractPowerLaw

__all__ = ["PCM"]

PROGRAMMING = (0.26348, 1.9650, -1.1731)  # uS, of devices of 25 uS


class PCM(AbstractPowerLaw):
    """Phase-change memory (aihwkit's `PCMLikeNoiseModel`).

    The laws of `AbstractPowerLaw` with

        sigma_prog = 0.26348 + 1.9650 r - 1.1731 r^2 uS, of devices of 25 uS
        mu    = clip(-0.0155 ln r + 0.0244, 0.049, 0.1)
        sigma = clip(-0.0125 ln r - 0.0059, 0.008, 0.045)
        q     = min(0.0088 / r^0.65, 0.2)

    (S. R. Nandakumar et al., IEEE ICECS 2019.)

    Attributes:
        nu_mean, nu_std: mu and sigma.
        read: q.

    The others: see `AbstractPowerLaw`.
    """

    prog_coeff: Field[Reals, Float[Array, " k"]] = array(PROGRAMMING)
    prog_coeff_g_max_reference: OptionalNumber = optional(25.0, low=0.0, open=True)
    nu_mean: AbstractLaw = law(lambda: ClippedLog(slope=-0.0155, offset=0.0244, low=0.049, high=0.1))
    nu_std: AbstractLaw = law(lambda: ClippedLog(slope=-0.0125, offset=-0.0059, low=0.008, high=0.045))
    read: AbstractLaw = law(lambda: InversePower(factor=0.0088, exponent=0.65, high=0.2))

    @takes_reals
    def nu(self, target: Conductance) -> tuple[Conductance, Conductance]:
        r = target / self.converter.g_max
        return self.nu_mean(r), self.nu_std(r)

    @takes_reals
    def read_noise(self, r: Conductance) -> Conductance:
        return self.read(r)
