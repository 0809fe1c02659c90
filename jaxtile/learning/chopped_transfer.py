"""Chopped transfer (c-TTv2)."""

import dataclasses

import jax.numpy as jnp

from .._random import Source, arange, stream, uniform
from .._types import Key
from ..fields import Number, number
from .carrying import Lines, Write
from .chopping import AbstractChoppedTransfer, Choppers, turns_by_chance

__all__ = ["ChoppedTransfer"]


class ChoppedTransfer(AbstractChoppedTransfer):
    """Buffered transfer with choppers: what a fast array adds of its own averages out.

        omega  = buffer + sign scale line of the array
        n      = omega, cut to a whole number of at most `desired_bl`
        buffer = omega where n is 0; else momentum omega

    The second array gets n pulses of size `step`. Then the sign of the line turns by
    chance, or after a period. (Rasch, Carta, Fagbohungbe and Gokmen, Nat. Commun.
    15:7133, 2024; aihwkit `ChoppedTransferCompound`.) With `in_chop_prob=0` it is
    Tiki-Taka version 2.

    Attributes:
        out_chop_prob: chance of each cell of a line to turn its sign after a pass over
            all lines.

    The other parameters: see `AbstractChoppedTransfer` and `AbstractTransfer`.
    """

    out_chop_prob: Number = number(0.0, low=0.0, high=1.0)

    def remember(self, shape: tuple[int, int]) -> Choppers:
        return Choppers.start(shape)

    def carry(self, memory: Choppers, lines: Lines, *, key: Key) -> tuple[Choppers, Write]:
        i, (size, across) = lines.numbers, lines.shape
        n, left = self.fill(memory, i, lines.values, self.scale(memory, lines))
        turns = turns_by_chance(key, self.in_chop_prob) if self.in_chop_random else self.ends_period(memory)
        turned = uniform(stream(key, Source.CHOP), arange(across)) < self.out_chop_prob.astype(jnp.float32)
        memory = self.having_read(memory, lines, left, turns)
        memory = dataclasses.replace(memory, across=memory.across ^ (turned & (i[0] == size - 1)))
        return memory, Write(n, self.step * self.parts[1].granularity())
