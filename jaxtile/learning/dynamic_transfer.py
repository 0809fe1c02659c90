"""Dynamic transfer (AGAD)."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool

from .._types import Key
from ..fields import Number, flag, number
from .carrying import Lines, Write
from .chopping import AbstractChoppedTransfer, Choppers, turns_by_chance
from .reference import Reference

__all__ = ["DynamicTransfer", "References"]


class References(Choppers):
    """Adds the reference, which is the mean when the sign of the line turned last.

    Attributes:
        reference: of each cell.
        switched: lines whose sign has turned since they were read.
    """

    reference: Reference
    switched: Bool[Array, " line"]


class DynamicTransfer(AbstractChoppedTransfer):
    """Chopped transfer whose reference is estimated on the way (AGAD): no symmetry point
    needs to be known.

        past   = mean, once after each turn of the line's sign
        omega  = buffer + sign scale (line of the array - past)
        mean   = (1 - s) mean + s line of the array,     s = min(tail_weightening / period, 1)

    and omega is written as by `ChoppedTransfer`, after a first period in which nothing
    is. (Rasch, Carta, Fagbohungbe and Gokmen, Nat. Commun. 15:7133, 2024; aihwkit
    `DynamicTransferCompound`.) Each cell that is read costs six digital operations, three
    in omega and three in the mean.

    Attributes:
        in_chop_prob: see `AbstractChoppedTransfer`; above 0.
        in_chop_random: turn signs by chance besides.
        tail_weightening: how much of a period the mean leaves out: the larger, the
            later it begins.
        buffer_cap: largest buffer, in units of `desired_bl`; 0: none. Of use with
            `forget_buffer=False`.
        experimental_correct_accumulation: divide what is read by the reads since the
            sign turned.

    The other parameters: see `AbstractChoppedTransfer` and `AbstractTransfer`.
    """

    operations_per_cell: ClassVar[int] = 6

    in_chop_prob: Number = number(0.1, low=0.0, high=1.0, open=True)
    in_chop_random: bool = flag(False)
    tail_weightening: Number = number(5.0, low=0.0)
    buffer_cap: Number = number(0.0, low=0.0)
    experimental_correct_accumulation: bool = flag(False)

    def remember(self, shape: tuple[int, int]) -> References:
        switched = jnp.zeros(shape[0], bool)
        return References(**vars(Choppers.start(shape)), reference=Reference.start(shape), switched=switched)

    def carry(self, memory: References, lines: Lines, *, key: Key) -> tuple[References, Write]:
        i, scale, period = lines.numbers, self.scale(memory, lines), self.period()
        if self.experimental_correct_accumulation:
            reads = (memory.passes % period + 1).astype(scale.dtype)
            scale = scale / jnp.minimum(reads, 1 / self.parts[0].granularity())
        reference = memory.reference.settle(i, memory.switched[i])
        n, left = self.fill(memory, i, lines.values - reference.past[i], scale)
        if not self.forget_buffer:
            most = self.transfer_update.desired_bl * jnp.where(self.buffer_cap > 0, self.buffer_cap, jnp.inf)
            left = jnp.clip(left, -most, most)
        turns = self.ends_period(memory)
        if self.in_chop_random:
            turns = turns | turns_by_chance(key, self.in_chop_prob)
        share = jnp.minimum(self.tail_weightening / period.astype(scale.dtype), 1)
        known = memory.passes > period
        memory = dataclasses.replace(
            self.having_read(memory, lines, left, turns),
            reference=reference.follow(lines, share),
            switched=memory.switched.at[i].set(turns),
        )
        return memory, Write(jnp.where(known, n, 0), self.step * self.parts[1].granularity())
