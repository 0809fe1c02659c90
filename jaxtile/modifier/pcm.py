"""Weights as phase-change memory would give them back after a while."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._random import Draws, Source
from .._types import Scalar, Weight, is_concrete
from ..fields import Field, Number, Reals, array, number
from ..noise.laws import AbstractLaw, ClippedLog, InversePower, law, polynomial
from ..noise.pcm import PROGRAMMING
from .base import AbstractModifier

__all__ = ["PCMNoise"]


class PCMNoise(AbstractModifier):
    """Programming noise, drift noise and read noise of phase-change memory, in
    conductances g = W g_max / A clipped to g_max.

        g1 = g + std_dev (0.26348 + 1.965 r - 1.1731 r^2) xi,   r = |g| / g_max;   0 stays 0
        g2 = g1 ((t + t0) / t0)^-nu,    nu = |xi clip(-0.0125 ln r1 - 0.0059, 0.008, 0.045)|,   r1 = |g1| / g_max
        g3 = g2 + std_dev |g2| min(0.0088 / r1^0.65, 0.2) sqrt(ln((t + t0 + t_read) / (2 t_read))) xi

    The mean of the drift is left out, because it is compensated for. The sign of a pair
    is kept by reflection. With their chances, a device is at reset (0), at g_max, or at
    random. (aihwkit's CUDA code, `PCM_NOISE`; its CPU has none. Polynomials: Nandakumar
    et al., IEEE ICECS 2019.)

    Attributes:
        std_dev: scale of programming and read noise.
        g_max: the largest conductance, uS.
        pcm_zero_thres: weights below this many standard deviations of the noise at zero
            are not programmed.
        pcm_t_inference: time t since programming, s; 0: programming noise alone.
        pcm_t0: time t0 of the first read, s.
        pcm_prob_at_reset, pcm_prob_at_gmax, pcm_prob_at_random: chances of stuck
            devices.
        prog_coeff: coefficients of 1, r, r^2 in g1, uS.
        nu_std, read: the laws of the drift and of the read noise.
        t_read: duration of a read, s.
    """

    std_dev: Number = number(1.0, low=0.0)
    g_max: Number = number(25.0, low=0.0, open=True)
    pcm_zero_thres: Number = number(0.0, low=0.0)
    pcm_t_inference: Number = number(0.0, low=0.0)
    pcm_t0: Number = number(20.0, low=0.0, open=True)
    pcm_prob_at_reset: Number = number(0.0, low=0.0, high=1.0)
    pcm_prob_at_gmax: Number = number(0.0, low=0.0, high=1.0)
    pcm_prob_at_random: Number = number(0.0, low=0.0, high=1.0)
    prog_coeff: Field[Reals, Float[Array, " k"]] = array(PROGRAMMING)
    nu_std: AbstractLaw = law(lambda: ClippedLog(slope=-0.0125, offset=-0.0059, low=0.008, high=0.045))
    read: AbstractLaw = law(lambda: InversePower(factor=0.0088, exponent=0.65, high=0.2))
    t_read: Number = number(250e-9, low=0.0, open=True)

    def __check_init__(self) -> None:
        chances = (self.pcm_prob_at_reset, self.pcm_prob_at_gmax, self.pcm_prob_at_random)
        if all(map(is_concrete, chances)) and (total := sum(map(float, chances))) > 1 + 1e-6:
            raise ValueError(
                f"PCMNoise: pcm_prob_at_reset, pcm_prob_at_gmax and pcm_prob_at_random add up to {total:g}. They are the chances "
                "of one device, so their sum must not exceed 1."
            )

    def change(self, weight: Weight, largest: Scalar, draws: Draws) -> Weight:
        wanted = self._stuck(jnp.clip(weight / largest, -1, 1) * self.g_max, draws)
        r = jnp.abs(wanted) / self.g_max
        xi = draws.fold(Source.MODIFY).normal(weight.dtype)
        g = wanted + self.std_dev * polynomial(self.prog_coeff, r) * xi
        g = jnp.where(self.pcm_t_inference > 0, self._aged(g, draws), g)
        g = jnp.where(wanted < 0, -1, 1) * jnp.abs(g)
        return jnp.where(wanted == 0, 0, g) * (largest / self.g_max)

    def _stuck(self, g: Weight, draws: Draws) -> Weight:
        """The conductances that are programmed, but for devices that cannot be."""
        g = jnp.where(jnp.abs(g) <= self.pcm_zero_thres * self.std_dev * self.prog_coeff[0], 0, g)
        sign = jnp.where(g < 0, -1, 1)
        chance = draws.fold(Source.MODIFY_RESET)
        low, high = self.pcm_prob_at_reset, self.pcm_prob_at_reset + self.pcm_prob_at_gmax
        u = chance.uniform(g.dtype)
        anywhere = chance.fold(1).uniform(g.dtype) * self.g_max
        value = jnp.where(u < low, 0, jnp.where(u < high, self.g_max, anywhere))
        return jnp.where(u < high + self.pcm_prob_at_random, sign * value, g)

    def _aged(self, g: Weight, draws: Draws) -> Weight:
        r = jnp.abs(g) / self.g_max
        nu = jnp.abs(self.nu_std(r) * draws.fold(Source.MODIFY_DRIFT).normal(g.dtype))
        time = self.pcm_t_inference + self.pcm_t0
        g = g * (time / self.pcm_t0) ** -nu
        relative = self.read(r) * jnp.sqrt(jnp.log((time + self.t_read) / (2 * self.t_read)))
        return g + self.std_dev * jnp.abs(g) * relative * draws.fold(Source.MODIFY_READ).normal(g.dtype)
