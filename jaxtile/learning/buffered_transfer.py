"""Buffered transfer (Tiki-Taka version 2)."""

from functools import partial
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Key
from ..fields import Number, flag, number
from ..pulse import AbstractTrainPulse, StochasticCompressed
from .base import AbstractTransfer, pulses
from .carrying import Lines, Write

__all__ = ["BufferedTransfer", "single_pulse"]

Buffers = tuple[Float[Array, "line across"], ...]

single_pulse = partial(StochasticCompressed, desired_bl=1, update_bl_management=False, update_management=False)
"""At most one pulse for each cell, and that for certain."""


class BufferedTransfer(AbstractTransfer):
    """Tiki-Taka with a digital buffer between arrays, which writes once it has summed
    up a step.

        omega  = buffer + transfer_lr learning_rate line of the array
        n      = omega / (thres_scale granularity), cut to a whole number of at most `desired_bl`
        buffer = omega where n is 0; else momentum omega

    The next array, of that granularity, gets n pulses of size `step`. The buffer takes
    the noise of reads and of single pulses away. (Gokmen, Front. Artif. Intell.
    4:699148, 2021; aihwkit `BufferedTransferCompound`.)

    Attributes:
        thres_scale: what a step of the buffer is, in steps of the array.
        step: size of what is written, in steps of the array.
        momentum: what writing leaves of the buffer.
        forget_buffer: whether writing forgets what exceeds `desired_bl`; otherwise
            buffer = omega - (1 - momentum) n thres_scale granularity.

    The other parameters: see `AbstractTransfer`.
    """

    self_transfers: ClassVar[bool] = False

    thres_scale: Number = number(1.0, low=0.0, open=True)
    step: Number = number(1.0, low=0.0)
    momentum: Number = number(0.1, low=0.0, high=1.0)
    forget_buffer: bool = flag(True)
    transfer_update: AbstractTrainPulse = pulses(single_pulse)

    def remember(self, shape: tuple[int, int]) -> Buffers:
        return tuple(jnp.zeros(shape, float) for _ in self.devices[1:])

    def carry(self, memory: Buffers, lines: Lines, *, key: Key) -> tuple[Buffers, Write]:
        k, n_most = lines.array, self.transfer_update.desired_bl
        granularity = self.parts[k + 1].granularity()
        threshold = self.thres_scale * granularity
        omega = memory[k][lines.numbers] + self.gradient_rate(lines) * lines.values
        n = jnp.clip(jnp.trunc(omega / threshold), -n_most, n_most)
        left = self.momentum * omega if self.forget_buffer else omega - (1 - self.momentum) * n * threshold
        buffer = memory[k].at[lines.numbers].set(jnp.where(n != 0, left, omega))
        return (*memory[:k], buffer, *memory[k + 1 :]), Write(n, self.step * granularity)
