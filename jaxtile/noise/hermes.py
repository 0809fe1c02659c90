"""Phase-change memory of the HERMES chip."""

from typing import Any

from jaxtyping import Array, Float

from .._types import takes_reals
from ..fields import Field, Number, OptionalNumber, Reals, array, number, optional
from .base import Conductance, converter
from .converter import AbstractConverter, NPair
from .laws import AbstractLaw, Branched, ClippedLog, law
from .power_law import AbstractPowerLaw

__all__ = ["Hermes", "HermesOneDevice"]


def _branched(at: float, below: tuple[float, float, float, float], coeffs: tuple[float, ...]) -> Any:
    """Declare a law: below `at` a `ClippedLog` of (slope, offset, low, high), above a
    polynomial.
    """
    slope, offset, low, high = below
    return law(lambda: Branched(at=at, below=ClippedLog(slope=slope, offset=offset, low=low, high=high), coeffs=coeffs))


class _AbstractHermes(AbstractPowerLaw):
    """The laws of the chip are `AbstractPowerLaw`'s, with branches for small and large
    conductances.
    """

    nu_mean: AbstractLaw = _branched(0.0945, (-0.0387, -0.0182, 0.072, 0.13), (0.0736, -0.0126, -0.0436))
    nu_std: AbstractLaw = law(Branched)
    read: AbstractLaw = law(Branched)

    @takes_reals
    def nu(self, target: Conductance) -> tuple[Conductance, Conductance]:
        r = target / self.converter.g_max
        return self.nu_mean(r), self.nu_std(r)

    @takes_reals
    def read_noise(self, r: Conductance) -> Conductance:
        return self.read(r)


class Hermes(_AbstractHermes):
    """Phase-change memory as in the HERMES project chip, two devices for each
    conductance.

    The laws of `AbstractPowerLaw` with

        sigma_prog = 0.16603222 + 4.71806468 r - 8.48101252 r^2 + 4.68961419 r^3 uS, of 20.7 uS
        mu    = clip(-0.0387 ln r - 0.0182, 0.072, 0.13)    if r < 0.0945, else 0.0736 - 0.0126 r - 0.0436 r^2
        sigma = clip(-0.0117 ln r - 0.0057, 0.0091, 0.04)   if r < 0.3055, else 0.0073 + 0.0093 r - 0.0118 r^2
        q     = clip(-0.0117 ln r - 0.0069, 0.015, 0.04)    if r < 0.16,   else 0.0123 + 0.0211 r - 0.0280 r^2 + 0.0069 r^3

    (M. Le Gallo et al., Nature Electronics 6, 2023, doi.org/10.1038/s41928-023-01010-1;
    programmed as by A. Vasilopoulos et al., IEEE Trans. Electron Devices 2023;
    aihwkit's `HermesNoiseModel` with its default of two devices, which drift alike
    there.)

    Attributes:
        nu_mean, nu_std: mu and sigma.
        read: q.

    The others: see `AbstractPowerLaw`.
    """

    converter: AbstractConverter = converter(lambda: NPair(g_max=20.7))
    prog_coeff: Field[Reals, Float[Array, " k"]] = array((0.16603222, 4.71806468, -8.48101252, 4.68961419))
    prog_coeff_g_max_reference: OptionalNumber = optional(20.7, low=0.0, open=True)
    t_0: Number = number(300.0, low=0.0, open=True)
    t_read: Number = number(512e-9, low=0.0, open=True)
    nu_std: AbstractLaw = _branched(0.3055, (-0.0117, -0.0057, 0.0091, 0.04), (0.0073, 0.0093, -0.0118))
    read: AbstractLaw = _branched(0.16, (-0.0117, -0.0069, 0.015, 0.04), (0.0123, 0.0211, -0.0280, 0.0069))


class HermesOneDevice(_AbstractHermes):
    """The same, with one device for each conductance.

        sigma_prog = 0.15781817 + 2.32443916 r - 2.16310839 r^2 + 0.68841818 r^3 uS, of 10.35 uS
        sigma = clip(-0.0120 ln r - 0.0023, 0.0124, 0.04)   if r < 0.3039, else 0.0104 + 0.0116 r - 0.0165 r^2
        q     = clip(-0.0078 ln r + 0.0038, 0.0179, 0.04)   if r < 0.1591, else 0.0088 + 0.0768 r - 0.1352 r^2 + 0.0664 r^3

    and mu as there.

    Attributes:
        nu_mean, nu_std: mu and sigma.
        read: q.

    The others: see `AbstractPowerLaw`.
    """

    converter: AbstractConverter = converter(lambda: NPair(g_max=10.35))
    prog_coeff: Field[Reals, Float[Array, " k"]] = array((0.15781817, 2.32443916, -2.16310839, 0.68841818))
    prog_coeff_g_max_reference: OptionalNumber = optional(10.35, low=0.0, open=True)
    t_0: Number = number(200.0, low=0.0, open=True)
    t_read: Number = number(512e-9, low=0.0, open=True)
    nu_std: AbstractLaw = _branched(0.3039, (-0.0120, -0.0023, 0.0124, 0.04), (0.0104, 0.0116, -0.0165))
    read: AbstractLaw = _branched(0.1591, (-0.0078, 0.0038, 0.0179, 0.04), (0.0088, 0.0768, -0.1352, 0.0664))
