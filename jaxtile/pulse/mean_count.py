"""Mean count: whole numbers of pulses for each line, without trains."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._numerics import divide
from .._random import Source, stream
from .._types import Key, Scalar
from ..fields import Number, flag, number
from .base import AbstractTrainPulse, Coded, Counts, on_grid

__all__ = ["MeanCount"]


class MeanCount(AbstractTrainPulse):
    """Each line sends the rounded mean number of its pulses, c = min(rint(BL p), BL); a
    cell gets rint(c_d / BL * c_x).

    Attributes:
        desired_bl, update_bl_management, update_management, um_grad_scale: see
            `AbstractTrainPulse`.
        res: grid of the probabilities (0: none).
        sto_round: round onto that grid at random, in proportion, instead of to the
            nearest.
    """

    res: Number = number(0.0, low=0.0, high=1.0)
    sto_round: bool = flag(False)

    def send(self, x: Coded, d: Coded, length: Scalar, key: Key) -> Counts:
        def count(line: Coded, rounding: Source) -> Float[Array, " line"]:
            p = on_grid(line, self.res, stream(key, rounding) if self.sto_round else None)
            return jnp.minimum(jnp.rint(length * p), length)

        x_count, d_count = count(x, Source.X_ROUND), count(d, Source.D_ROUND)
        both = jnp.rint(divide(d_count, jnp.maximum(length, 1))[:, None] * x_count[None, :])
        return Counts.whole(x.sign, d.sign, length, self.desired_bl, x_count, d_count, both)
