"""Residual learning with symmetry points that are tracked (E-RIDER)."""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool

from .._types import Key, Weights
from ..device import Vector
from ..fields import Number, number
from .base import AbstractTransfer
from .carrying import Lines, Write
from .chopping import signs, turns_by_chance
from .reference import Reference

__all__ = ["ERider", "Tracking"]


class Tracking(eqx.Module):
    """The memory of `ERider`.

    Attributes:
        reference: of each cell; its mean is Q of the paper.
        turned: lines that have the other sign.
    """

    reference: Reference
    turned: Bool[Array, " line"]


class ERider(AbstractTransfer):
    """Residual learning whose reference is tracked on the way: no symmetry point needs to
    be known.

        weight  = slow + gamma sign (fast - past)
        fast    gets vectors with the sign
        slow    = slow + transfer_lr learning_rate sign (line of fast - past)     sent as pulses
        mean    = (1 - tracking_rate) mean + tracking_rate line of fast
        sign    turns with probability in_chop_prob; past = mean once it has

    The fast array learns what the slow one leaves of the weight, and drifts to its
    symmetry point, which the mean follows. Without turns (`in_chop_prob=0`) past is the
    mean of the reading before: RIDER. (Xiao, Li, Wu, Gokmen and Chen, arXiv:2602.21321,
    2026, Eq. 12, 17 and 18, Algorithms 2 and 3.)

    The paper reads the whole array after each update: `n_reads_per_transfer` lines, at
    `transfer_every=1`. Lines that are read together share a turn. It keeps the reference
    in a third array, written without error; here it is digital. Its experiments have
    the digital buffer of `ChoppedTransfer` besides, which its equations do not.

    Each cell that is read costs four digital operations: one in the residual and three in
    the mean.

    Attributes:
        gamma: what the fast array counts.
        in_chop_prob: chance of a line to turn its sign once it was read.
        tracking_rate: what a reading counts in the running mean.

    The other parameters: see `AbstractTransfer`.
    """

    operations_per_cell: ClassVar[int] = 4

    gamma: Number = number(0.1)
    in_chop_prob: Number = number(0.05, low=0.0, high=1.0)
    tracking_rate: Number = number(0.25, low=0.0, high=1.0)

    def __check_init__(self) -> None:
        if len(self.devices) != 2:
            raise ValueError(f"ERider.devices holds {len(self.devices)} devices; pass two, the fast one and the slow one.")

    def weight(self, state: Any) -> Weights:
        fast, slow = (part.weight(one) for part, one in zip(self.parts, state.devices, strict=True))
        memory, (of_fast, of_slow) = state.memory, (jnp.asarray(gamma)[..., None, None] for gamma in self.gammas)
        residual = signs(memory.turned)[..., :, None]
        past = memory.reference.past
        if self.transfer_columns:
            residual, past = jnp.swapaxes(residual, -1, -2), jnp.swapaxes(past, -1, -2)
        return of_slow * slow + of_fast * residual * (fast - past)

    def remember(self, shape: tuple[int, int]) -> Tracking:
        return Tracking(Reference.start(shape), jnp.zeros(shape[0], bool))

    def send(self, memory: Tracking, vector: Vector) -> tuple[Tracking, Vector]:
        memory, sent = super().send(memory, vector)
        by_line = signs(memory.turned)
        chopped = {"x": sent.x * by_line} if self.transfer_columns else {"d": sent.d * by_line}
        return memory, dataclasses.replace(sent, **chopped)

    def carry(self, memory: Tracking, lines: Lines, *, key: Key) -> tuple[Tracking, Write]:
        i = lines.numbers
        residual = signs(memory.turned[i])[:, None] * (lines.values - memory.reference.past[i])
        turns = turns_by_chance(key, self.in_chop_prob)
        reference = memory.reference.follow(lines, self.tracking_rate).settle(i, turns | (self.in_chop_prob == 0))
        turned = memory.turned.at[i].set(memory.turned[i] ^ turns)
        return Tracking(reference, turned), Write(residual, self.transfer_rate(lines))
