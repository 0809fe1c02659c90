"""Resistive memory that relaxes."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._random import Draws, Source
from .._types import Scalar, is_concrete, takes_reals
from ..fields import Field, Number, OptionalNumber, Reals, array, number, optional
from .base import AbstractNoiseModel, Conductance, standard_normal
from .laws import polynomial

__all__ = ["ReRAMWan2022"]


class ReRAMWan2022(AbstractNoiseModel):
    """Resistive memory whose spread about the target grows (aihwkit's
    `ReRamWan2022NoiseModel`).

    With r = g / g_max and a fresh standard normal xi:

        g(t) = max(g + noise_scale sigma(r, t) g_max / g_ref xi, 0)
        sigma = 0.348 + 16.030 r - 43.853 r^2 + 45.393 r^3 - 16.815 r^4 uS     after a second, and as programmed
                0.701 + 22.086 r - 50.773 r^2 + 47.095 r^3 - 16.458 r^4 uS     after a day
                0.782 + 20.274 r - 43.507 r^2 + 37.062 r^3 - 11.934 r^4 uS     after two

    of devices of g_ref = 40 uS, which aihwkit fitted to figures of W. Wan et al.,
    Nature 608, 2022, doi.org/10.1038/s41586-022-04992-8. In between sigma is
    interpolated in the logarithm of time, before and beyond it is constant. The spread
    at a time was measured, so every drift draws xi anew.

    Attributes:
        converter: how weights become conductances.
        times: times at which the spread is known, increasing, s.
        coeff: coefficients of the spread at these times, of 1, r, r^2, ..., uS;
            [time, k].
        coeff_g_max_reference: g_ref, uS; None: the g_max of the converter.
        noise_scale: factor on the spread, as above; 0 leaves it out.
        aihwkit_compatible: drifted conductances count as those that the programmed
            weights map to.
    """

    times: Field[Reals, Float[Array, " time"]] = array((1.0, 86400.0, 172800.0))
    coeff: Field[Reals, Float[Array, "time k"]] = array(
        (
            (0.348, 16.030, -43.853, 45.393, -16.815),
            (0.701, 22.086, -50.773, 47.095, -16.458),
            (0.782, 20.274, -43.507, 37.062, -11.934),
        ),
        ndim=2,
    )
    coeff_g_max_reference: OptionalNumber = optional(40.0, low=0.0, open=True)
    noise_scale: Number = number(1.0, low=0.0)

    def __check_init__(self) -> None:
        if self.coeff.shape[0] != self.times.size:
            shapes = f"{self.times.shape} and {self.coeff.shape}"
            raise ValueError(f"ReRAMWan2022: times and coeff have shapes {shapes}; pass [time] and [time, k].")
        times = np.asarray(self.times) if is_concrete(self.times) else None
        if times is not None and (times[0] <= 0 or np.any(np.diff(times) <= 0)):
            raise ValueError(f"ReRAMWan2022.times={times.tolist()} must be above 0 and increase.")

    @takes_reals
    def std(self, target: Conductance, time: Scalar) -> Conductance:
        """Spread of the conductance about its target a `time` after the write, uS."""
        logarithm = jnp.log(jnp.maximum(time, self.times[0]))
        coeffs = jax.vmap(lambda column: jnp.interp(logarithm, jnp.log(self.times), column), in_axes=1)(self.coeff)
        g_max, reference = self.converter.g_max, self.coeff_g_max_reference
        scale = self.noise_scale if reference is None else self.noise_scale * g_max / reference
        return scale * polynomial(coeffs, target / g_max)

    @takes_reals
    def program(self, target: Conductance, draws: Draws | None) -> Conductance:
        noise = self.std(target, self.times[0]) * standard_normal(draws, Source.PROGRAMMING_NOISE, target)
        return jnp.maximum(target + noise, 0)

    @takes_reals
    def age(
        self, target: Conductance, programmed: Conductance, coefficient: Conductance | None, time: Scalar, draws: Draws
    ) -> Conductance:
        noise = self.std(target, time) * standard_normal(draws, Source.READ_NOISE, target)
        return jnp.where(time > 0, jnp.maximum(target + noise, 0), programmed)
