"""Stochastic pulse trains."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32

from .._random import Source, arange, bits, following, fraction, stream
from .._types import Key, Scalar
from ..fields import Number, flag, number
from .base import SLOTS_PER_WORD, AbstractTrainPulse, Coded, Trains, on_grid

__all__ = ["Stochastic", "StochasticCompressed"]


class _AbstractStochastic(AbstractTrainPulse):
    random_coincidences: ClassVar[bool] = True

    res: Number = number(0.0, low=0.0, high=1.0)
    sto_round: bool = flag(False)

    def send(self, x: Coded, d: Coded, length: Scalar, key: Key) -> Trains:
        def train(line: Coded, source: Source, rounding: Source) -> UInt32[Array, "line word"]:
            p = on_grid(line, self.res, stream(key, rounding) if self.sto_round else None)
            return bernoulli_words(p, line.number, first_slots(length, self.desired_bl), stream(key, source))

        x_words = train(x, Source.X_TRAIN, Source.X_ROUND)
        d_words = train(d, Source.D_TRAIN, Source.D_ROUND)
        return Trains(x.sign, d.sign, length.astype(jnp.int32), self.desired_bl, x_words, d_words)


_DIGITS = 16
_UNROLL = 8


def bernoulli_words(
    p: Float[Array, " line"], line: Int[Array, " line"], slots: UInt32[Array, "1 word"], key: Key
) -> UInt32[Array, "line word"]:
    """For each line the bits of `slots`, each left set with probability p,
    independently.

    All 32 bits of a word are drawn at once, by comparing a random binary fraction with
    p, from the last digit to the first. A digit of p with a fresh random word r is acc
    <- acc | r where it is 1, and acc & r where it is 0. p is cut to 16 digits, the last
    of them rounded at random in proportion, anew for each line and word of 32 slots.
    The mean over trains is right to 2^-24 of p or to 2^-39, whichever is more. The
    variance of a count is too large by BL / 2^16 of itself at most. The random rounding
    has 23 digits, so the smallest probability is 2^-39 = 1.8e-12: a line of less than
    3/4 of that never pulses.
    """
    words = slots.shape[1]
    place = 2 * (line.astype(jnp.int32)[:, None] * words + arange(words)[None, :])
    start, stride = bits(key, place), bits(key, place + 1)
    dither = fraction(following(start, stride, _DIGITS))
    digits = jnp.floor(jnp.minimum(p, 1).astype(jnp.float32)[:, None] * 2**_DIGITS + dither).astype(jnp.uint32)

    saturated = jnp.uint32(0) - (digits >> _DIGITS)

    def compare(digit: Int[Array, ""], drawn: UInt32[Array, "line word"]) -> UInt32[Array, "line word"]:
        is_one = jnp.uint32(0) - ((digits >> digit.astype(jnp.uint32)) & 1)
        word = following(start, stride, digit)
        return (is_one & (drawn | word)) | (~is_one & drawn & word)

    def compare_some(group: Int[Array, ""] | int, drawn: UInt32[Array, "line word"]) -> UInt32[Array, "line word"]:
        first = jnp.asarray(group * _UNROLL, jnp.int32)
        drawn = jax.lax.fori_loop(0, _UNROLL, lambda place, drawn: compare(first + place, drawn), drawn, unroll=True)
        return (drawn | saturated) & slots

    # A loop that ends with the train: what XLA could fuse with the cells, it would draw
    # again for each cell of a line.
    return jax.lax.fori_loop(0, _DIGITS // _UNROLL, compare_some, jnp.zeros_like(digits))


def first_slots(length: Scalar, slots: int) -> UInt32[Array, "1 word"]:
    """Words whose bits are set in the first `length` slots."""
    words = arange(-(-slots // SLOTS_PER_WORD))
    left = jnp.clip(length.astype(jnp.int32) - words * SLOTS_PER_WORD, 0, SLOTS_PER_WORD).astype(jnp.uint32)
    ones = jnp.uint32(0xFFFFFFFF)
    return jnp.where(left == 0, jnp.uint32(0), ones >> (jnp.uint32(SLOTS_PER_WORD) - jnp.maximum(left, 1)))[None, :]


class StochasticCompressed(_AbstractStochastic):
    """Each line pulses in each of the BL slots with probability p = A |d| or B |x| (at
    most 1), independently of the others.

    A cell sees K ~ Binomial(BL, p_d p_x) coincidences, each of which moves it up or
    down by the signs of its lines. Cells of a row (column) share its train, so their
    counts are correlated: Cov(K_ij, K_ij') = BL p_xj p_xj' p_di (1 - p_di).

    Attributes:
        desired_bl, update_bl_management, update_management, um_grad_scale: see
            `AbstractTrainPulse`.
        res: grid of the probabilities (0: none).
        sto_round: round onto that grid at random, in proportion, instead of to the
            nearest.
    """


class Stochastic(_AbstractStochastic):
    """Stochastic trains applied in two passes, positive x first; attributes as for
    `StochasticCompressed`.

    No cell is met by both passes of a slot, so the law of the update is that of
    `StochasticCompressed`; aihwkit's two types differ only in the order in which they
    consume random numbers.
    """
