"""Resistive memory with a conductive metal oxide."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._random import Draws, Source
from .._types import Scalar, takes_reals
from ..fields import Field, Number, Reals, array, number
from .base import AbstractNoiseModel, Conductance, converter, standard_normal
from .converter import AbstractConverter, SingleDevice
from .laws import polynomial

__all__ = ["ReRAMCMO"]

_TWO_PERCENT = (0.0112185391, 0.01129027418)


class ReRAMCMO(AbstractNoiseModel):
    """Filamentary memory of a conductive metal oxide and HfOx (aihwkit's
    `ReRamCMONoiseModel`).

    With conductances in uS, t in s, and fresh standard normals xi:

        g_prog = g + prog_noise_scale (c_0 + c_1 g) xi                                                  each write
        g_rel  = g_prog + drift_scale (mean ln t + (std_1 ln t + std_0) xi)                             each drift
        g(t)   = clip(g_rel + read_noise_scale K log10(g_rel) sqrt(ln((t + t_read) / (2 t_read))) xi, g_min, g_max)

    Relaxation was measured from a second on: before that its mean is zero and its
    spread that of a second. (D. F. Falcone et al., IBM Research Europe, as fitted in
    aihwkit.) The default c are those of devices that are programmed to within 2 %; for
    0.2 % `prog_coeff=(0.00081107, 0.00106879)`.

    Attributes:
        converter: how weights become conductances.
        prog_coeff: c_0, c_1, ...
        decay_mean: mean, uS.
        decay_std: std_0 and std_1, uS.
        read_k: K, uS.
        t_read: duration of a read, s.
        prog_noise_scale, drift_scale, read_noise_scale: factors on programming noise,
            relaxation and read noise, as above; 0 leaves one out.
        aihwkit_compatible: relax by the same law before a second, too, where the mean
            rises and the spread falls; and start from the conductances that the
            programmed weights map to.
    """

    converter: AbstractConverter = converter(SingleDevice)
    prog_coeff: Field[Reals, Float[Array, " k"]] = array(_TWO_PERCENT)
    decay_mean: Number = number(-0.08900206)
    decay_std: Field[Reals, Float[Array, " 2"]] = array((0.41183342, 0.04201137))
    read_k: Number = number(0.0277316483, low=0.0)
    t_read: Number = number(1e-6, low=0.0, open=True)
    prog_noise_scale: Number = number(1.0, low=0.0)
    drift_scale: Number = number(1.0, low=0.0)
    read_noise_scale: Number = number(1.0, low=0.0)

    def __check_init__(self) -> None:
        if self.decay_std.shape != (2,):
            raise ValueError(f"ReRAMCMO.decay_std has shape {self.decay_std.shape}; pass two numbers, (std_0, std_1).")

    @takes_reals
    def programming_std(self, target: Conductance) -> Conductance:
        """Spread of the programming noise, uS."""
        return self.prog_noise_scale * polynomial(self.prog_coeff, target)

    @takes_reals
    def relaxation(self, time: Scalar) -> tuple[Scalar, Scalar]:
        """Mean and spread of the change in a `time`, uS."""
        logarithm = jnp.log(jnp.where(time > 0, time, 1) if self.aihwkit_compatible else jnp.maximum(time, 1))
        return self.drift_scale * self.decay_mean * logarithm, self.drift_scale * polynomial(self.decay_std, logarithm)

    @takes_reals
    def read_std(self, relaxed: Conductance, time: Scalar) -> Conductance:
        """Spread of the read noise, uS."""
        piled_up = jnp.sqrt(jnp.log(jnp.maximum((time + self.t_read) / (2 * self.t_read), 1)))
        return self.read_noise_scale * self.read_k * jnp.log10(jnp.maximum(relaxed, 1)) * piled_up

    @takes_reals
    def program(self, target: Conductance, draws: Draws | None) -> Conductance:
        return target + self.programming_std(target) * standard_normal(draws, Source.PROGRAMMING_NOISE, target)

    @takes_reals
    def age(
        self, target: Conductance, programmed: Conductance, coefficient: Conductance | None, time: Scalar, draws: Draws
    ) -> Conductance:
        mean, spread = self.relaxation(time)
        relaxed = programmed + mean + spread * standard_normal(draws, Source.RELAXATION, target)
        noisy = relaxed + self.read_std(relaxed, time) * standard_normal(draws, Source.READ_NOISE, target)
        return jnp.where(time > 0, jnp.clip(noisy, self.converter.g_min, self.converter.g_max), programmed)
