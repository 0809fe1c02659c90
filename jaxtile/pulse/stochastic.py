"""Stochastic pulse trains."""

import jax.numpy as jnp
from jaxtyping import Array, Bool

from .._random import Source, numbers, stream, uniform
from .._types import Key, Scalar, flag, number
from .base import AbstractTrainPulse, Coded, Trains, on_grid

__all__ = ["Stochastic", "StochasticCompressed"]


class _AbstractStochastic(AbstractTrainPulse):
    res: Scalar = number(0.0, low=0.0, high=1.0)
    sto_round: bool = flag(False)

    def send(self, x: Coded, d: Coded, length: Scalar, key: Key) -> Trains:
        slots = numbers(self.desired_bl)[None, :]

        def train(line: Coded, source: Source, rounding: Source) -> Bool[Array, "line slot"]:
            p = on_grid(line, self.res, stream(key, rounding) if self.sto_round else None)
            chance = uniform(stream(key, source), line.number.astype(jnp.int32)[:, None] * self.desired_bl + slots)
            return (chance.astype(p.dtype) < p[:, None]) & (slots.astype(length.dtype) < length)

        x_bits = train(x, Source.X_TRAIN, Source.X_ROUND)
        d_bits = train(d, Source.D_TRAIN, Source.D_ROUND)
        return Trains.from_bits(x_bits, d_bits, x.sign, d.sign)


class StochasticCompressed(_AbstractStochastic):
    """Each line pulses in each of the BL slots with probability p = A |d| or B |x| (at most 1), independently of the others.

    A cell sees K ~ Binomial(BL, p_d p_x) coincidences, each of which moves it up or down by the signs of its lines. Cells of a row
    (column) share its train, so their counts are correlated: Cov(K_ij, K_ij') = BL p_xj p_xj' p_di (1 - p_di).

    Attributes:
        desired_bl, update_bl_management, update_management, um_grad_scale: see `AbstractTrainPulse`.
        res: grid of the probabilities (0: none).
        sto_round: round onto that grid at random, in proportion, instead of to the nearest.
    """


class Stochastic(_AbstractStochastic):
    """Stochastic trains applied in two passes, positive x first; attributes as for `StochasticCompressed`.

    No cell is met by both passes of a slot, so the law of the update is that of `StochasticCompressed`; aihwkit's two types differ
    only in the order in which they consume random numbers.
    """
