"""The drift and noise that phase-change devices have in common, and models like theirs."""

import abc

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._random import Draws, Source
from .._types import Scalar, takes_reals
from ..fields import Field, Number, OptionalNumber, Reals, array, number, optional
from .base import AbstractNoiseModel, Conductance, standard_normal
from .laws import polynomial

__all__ = ["AbstractPowerLaw"]


class AbstractPowerLaw(AbstractNoiseModel):
    """Conductances that fall by a power law of time, with 1/f noise.

    With r = g / g_max and fresh standard normals xi:

        g_prog  = max(g + prog_noise_scale (c_0 + c_1 r + c_2 r^2 + ...) g_max / g_ref xi, 0)     each write
        nu      = drift_scale |mu(g) + sigma(g) xi|                                               each write
        g_drift = g_prog ((t + t_0) / t_0)^-nu
        g(t)    = max(g_drift + read_noise_scale g_drift q(r_prog) Q(t) xi, 0)                    each drift
        Q(t)    = sqrt(ln((t + t_0 + t_read) / (2 t_read)))

    (S. R. Nandakumar et al., IEEE ICECS 2019, doi.org/10.1109/ICECS46596.2019.8964852;
    aihwkit's parameters.) Time t counts from the first read, which is t_0 after the
    write; a tile that has not drifted has no read noise.

    Attributes:
        converter: how weights become conductances.
        prog_coeff: c_0, c_1, ..., uS.
        prog_coeff_g_max_reference: g_ref, uS: the g_max of the devices that they were
            fitted to; None: the g_max of the converter.
        t_0: time of the first read, s.
        t_read: duration of a read, s.
        prog_noise_scale, drift_scale, read_noise_scale: factors on programming noise,
            drift coefficients and read noise, as above; 0 leaves one out.
        aihwkit_compatible: drift starts from the conductances that the programmed
            *weights* map to.
    """

    prog_coeff: Field[Reals, Float[Array, " k"]] = array((0.0,))
    prog_coeff_g_max_reference: OptionalNumber = optional(low=0.0, open=True)
    t_0: Number = number(20.0, low=0.0, open=True)
    t_read: Number = number(250e-9, low=0.0, open=True)
    prog_noise_scale: Number = number(1.0, low=0.0)
    drift_scale: Number = number(1.0, low=0.0)
    read_noise_scale: Number = number(1.0, low=0.0)

    @abc.abstractmethod
    def nu(self, target: Conductance) -> tuple[Conductance, Conductance]:
        """Mean mu and spread sigma of the exponent."""

    @abc.abstractmethod
    def read_noise(self, r: Conductance) -> Conductance:
        """The 1/f noise q of a device that was programmed to r, relative to its
        conductance.
        """

    @takes_reals
    def programming_std(self, target: Conductance) -> Conductance:
        """Spread of the programming noise, uS."""
        g_max, reference = self.converter.g_max, self.prog_coeff_g_max_reference
        scale = self.prog_noise_scale if reference is None else self.prog_noise_scale * g_max / reference
        return scale * polynomial(self.prog_coeff, target / g_max)

    @takes_reals
    def read_std(self, programmed: Conductance, time: Scalar | float) -> Conductance:
        """Spread of the read noise, relative to the conductance at that time."""
        piled_up = jnp.sqrt(jnp.log((time + self.t_0 + self.t_read) / (2 * self.t_read)))
        return self.read_noise_scale * self.read_noise(programmed / self.converter.g_max) * piled_up

    @takes_reals
    def program(self, target: Conductance, draws: Draws | None) -> Conductance:
        noise = self.programming_std(target) * standard_normal(draws, Source.PROGRAMMING_NOISE, target)
        return jnp.maximum(target + noise, 0)

    @takes_reals
    def drift_coefficient(self, target: Conductance, draws: Draws | None) -> Conductance:
        mean, spread = self.nu(target)
        return self.drift_scale * jnp.abs(mean + spread * standard_normal(draws, Source.DRIFT_COEFFICIENT, target))

    @takes_reals
    def age(
        self, target: Conductance, programmed: Conductance, coefficient: Conductance | None, time: Scalar, draws: Draws
    ) -> Conductance:
        assert coefficient is not None
        drifted = programmed * ((time + self.t_0) / self.t_0) ** -coefficient
        noise = self.read_std(programmed, time) * standard_normal(draws, Source.READ_NOISE, target)
        return jnp.maximum(drifted * (1 + noise), 0)
