"""Buffered transfer (Tiki-Taka version 2)."""

import abc
from functools import partial
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Key, Scalar
from ..fields import Number, flag, number
from ..pulse import AbstractTrainPulse, StochasticCompressed
from .base import AbstractTransfer, pulses
from .carrying import Lines, Write

__all__ = ["AbstractBufferedTransfer", "BufferedTransfer", "single_pulse", "whole_steps"]

Buffer = Float[Array, "n across"]

single_pulse = partial(StochasticCompressed, desired_bl=1, update_bl_management=False, update_management=False)
"""At most one pulse for each cell, and that for certain."""


class AbstractBufferedTransfer(AbstractTransfer):
    """Transfers with a digital buffer between each two arrays.

    For a new one write `fill`: the buffer once lines were read, and what is written.

    Attributes:
        transfer_update: the pulses that write; `desired_bl` is the largest number of
            steps of a transfer. Above 1, pass `update_management=True`: without it
            steps beyond the root of `desired_bl` are written in part, as in aihwkit.
    """

    self_transfers: ClassVar[bool] = False

    transfer_update: AbstractTrainPulse = pulses(single_pulse)

    @abc.abstractmethod
    def fill(self, buffer: Buffer, lines: Lines, granularity: Scalar) -> tuple[Buffer, Write]:
        """The buffer of some lines once they were read, and what is written.

        Args:
            buffer: of the lines that were read.
            lines: the lines.
            granularity: of the next array.
        """

    def remember(self, shape: tuple[int, int]) -> tuple[Buffer, ...]:
        return tuple(jnp.zeros(shape, float) for _ in self.devices[1:])

    def carry(self, memory: tuple[Buffer, ...], lines: Lines, *, key: Key) -> tuple[tuple[Buffer, ...], Write]:
        k = lines.array
        left, write = self.fill(memory[k][lines.numbers], lines, self.parts[k + 1].granularity())
        return (*memory[:k], memory[k].at[lines.numbers].set(left), *memory[k + 1 :]), write


class BufferedTransfer(AbstractBufferedTransfer):
    """Tiki-Taka with a digital buffer between arrays, which writes once it has summed
    up a step.

        omega  = buffer + transfer_lr learning_rate line of the array
        n      = omega / (thres_scale granularity), cut to a whole number of at most `desired_bl`
        buffer = omega where n is 0; else momentum omega

    The next array, of that granularity, gets n pulses of size `step`. The buffer takes
    the noise of reads and of single pulses away. (Gokmen, Front. Artif. Intell.
    4:699148, 2021; aihwkit `BufferedTransferCompound`.) Each cell that is read costs two
    digital operations, in omega.

    Attributes:
        thres_scale: what a step of the buffer is, in steps of the array.
        step: size of what is written, in steps of the array.
        momentum: what writing leaves of the buffer.
        forget_buffer: whether writing forgets what exceeds `desired_bl`; otherwise
            buffer = omega - (1 - momentum) n thres_scale granularity.

    The other parameters: see `AbstractTransfer`.
    """

    operations_per_cell: ClassVar[int] = 2

    thres_scale: Number = number(1.0, low=0.0, open=True)
    step: Number = number(1.0, low=0.0)
    momentum: Number = number(0.1, low=0.0, high=1.0)
    forget_buffer: bool = flag(True)

    def fill(self, buffer: Buffer, lines: Lines, granularity: Scalar) -> tuple[Buffer, Write]:
        omega, most = buffer + self.gradient_rate(lines) * lines.values, self.transfer_update.desired_bl
        n, left = whole_steps(omega, self.thres_scale * granularity, most, self.momentum, forget=self.forget_buffer)
        return left, Write(n, self.step * granularity)


def whole_steps(
    omega: Buffer, step: Scalar | float, most: int, momentum: Scalar | float, *, forget: bool
) -> tuple[Float[Array, "n across"], Buffer]:
    """Steps that a buffer writes, and what it keeps.

    Args:
        omega: the buffer, with what was read.
        step: size of a step.
        most: the largest number of steps.
        momentum: what writing leaves of the buffer.
        forget: whether writing forgets what exceeds `most`.
    """
    n = jnp.clip(jnp.trunc(omega / step), -most, most)
    left = momentum * omega if forget else omega - (1 - momentum) * n * step
    return n, jnp.where(n != 0, left, omega)
