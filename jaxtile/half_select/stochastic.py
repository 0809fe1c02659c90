"""Stochastic switching."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Num

from .._random import Draws, Source
from .._types import Scalar
from ..device import Burst
from ..fields import Number, choice, number
from .base import AbstractHalfSelect
from .phases import Exposure

__all__ = ["Stochastic"]


class Stochastic(AbstractHalfSelect):
    """A half pulse is a full step with probability 1 / kappa, and nothing otherwise.

    Of n half pulses Binomial(n, 1 / kappa) are full steps, each with its own cycle
    noise: in the mean as `ConstantRatio`, but with a far larger spread, sqrt(n / kappa)
    steps. For filaments, which form or do not. With expected counts
    (`jt.pulse.MeanField`) n / kappa of them are full steps.

    Attributes:
        kappa: one over the probability.
        scheme, phases: see `AbstractHalfSelect`.
    """

    kappa: Number = number(1e3, low=1.0, finite=False)
    scheme: Literal["V/2", "V/3"] = choice("V/2", "V/3")
    phases: Literal["all", "active"] = choice("all", "active")

    def bursts(self, cells: None, memory: None, exposure: Exposure, noise: Draws | None) -> tuple[tuple[Burst, ...], None]:
        up, down = self.weak(exposure)
        if noise is None:
            return (Burst(up / self.kappa, down / self.kappa),), None
        chance = noise.fold(Source.CHANCE)
        steps = (_binomial(count, 1 / self.kappa, chance.fold(way)) for way, count in enumerate((up, down)))
        return (Burst(*steps, noise=noise),), None

    def ratio(self) -> Scalar | None:
        return self.kappa if self.scheme == "V/2" else None

    def gain(self) -> Scalar:
        return 1 - self.parts / self.kappa


def _binomial(n: Num[Array, "out in"], p: Scalar, draws: Draws) -> Num[Array, "out in"]:
    """Number of n trials that succeed, cell by cell: from success to success, over gaps
    of a geometric law.

    Exact but for the resolution of the uniform numbers, multiples of 2^-23: by so much
    a chance may be off, and those below about 1e-6 are not resolved (0 is exact).
    """
    rate, trials = jnp.log1p(-p), n.astype(p.dtype)

    def succeed(state):
        number, place, successes = state
        u = draws.uniform(rate.dtype, number)
        place = place + jnp.maximum(jnp.ceil(jnp.log1p(-u) / rate), 1)  # 1 - u is in (0, 1]
        return number + 1, place, successes + (place <= trials).astype(n.dtype)

    start = (jnp.asarray(0, jnp.int32), jnp.zeros(n.shape, rate.dtype), jnp.zeros_like(n))
    return jax.lax.while_loop(lambda state: jnp.any(state[1] < trials), succeed, start)[2]
