"""Deterministic implicit: the coincidences are computed, not sent."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._random import Source, stream
from .._types import Key, Scalar
from ..fields import Number, flag, number
from .base import AbstractTrainPulse, Coded, Counts, on_grid

__all__ = ["DeterministicImplicit"]


class DeterministicImplicit(AbstractTrainPulse):
    """A cell gets rint(p_d BL p_x) pulses, with p clipped to 1.

    The lines themselves are taken to send rint(BL p) pulses each, which matters for
    half-selection only.

    Attributes:
        desired_bl, update_bl_management, update_management, um_grad_scale: see
            `AbstractTrainPulse`.
        x_res_implicit, d_res_implicit: grids of p_x and p_d (0: none).
        sto_round: round onto them at random, in proportion, instead of to the nearest.
    """

    x_res_implicit: Number = number(0.0, low=0.0, high=1.0)
    d_res_implicit: Number = number(0.0, low=0.0, high=1.0)
    sto_round: bool = flag(False)

    def send(self, x: Coded, d: Coded, length: Scalar, key: Key) -> Counts:
        def value(line: Coded, res: Scalar, rounding: Source) -> Float[Array, " line"]:
            return jnp.minimum(on_grid(line, res, stream(key, rounding) if self.sto_round else None), 1)

        x_value = value(x, self.x_res_implicit, Source.X_ROUND)
        d_value = value(d, self.d_res_implicit, Source.D_ROUND)
        both = jnp.rint((d_value * length)[:, None] * x_value[None, :])
        return Counts.whole(x.sign, d.sign, length, self.desired_bl, jnp.rint(length * x_value), jnp.rint(length * d_value), both)
