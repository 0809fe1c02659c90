"""Residual learning through a digital filter (its second version)."""

from typing import ClassVar

import jax.numpy as jnp

from .._types import Scalar
from ..fields import Number, number
from .buffered_transfer import AbstractBufferedTransfer, Buffer, whole_steps
from .carrying import Lines, Write

__all__ = ["FilteredTransfer"]


class FilteredTransfer(AbstractBufferedTransfer):
    """Residual learning with a digital buffer that forgets: a filter of what is read.

        weight = sum of gamma^(n - 1 - k) weight_k
        b      = transfer_lr learning_rate,                      at most 1
        omega  = (1 - b) buffer + b line of the array
        buffer = omega - n granularity,                          n = -1, 0 or 1: one pulse beyond a step

    The next array, of that granularity, gets n pulses: at most `desired_bl`, which is 1
    in the paper. The filter takes the noise of reads away. Single steps of an array of
    few states wait until they are due. Each cell that is read costs three digital
    operations, in omega. (Wu, Xiao, Gokmen and Chen, NeurIPS, 2025,
    "Residual Learning v2", Eq. 14 and the threshold rule below Eq. 15.)

    Attributes:
        gamma: see `AbstractTransfer`; above 0. In the paper more than 0.1 gains little.

    The other parameters: see `AbstractBufferedTransfer` and `AbstractTransfer`.
    """

    operations_per_cell: ClassVar[int] = 3

    gamma: Number = number(0.1, low=0.0, open=True)

    def fill(self, buffer: Buffer, lines: Lines, granularity: Scalar) -> tuple[Buffer, Write]:
        share = jnp.minimum(self.transfer_rate(lines), 1)
        omega = (1 - share) * buffer + share * lines.values
        n, left = whole_steps(omega, granularity, self.transfer_update.desired_bl, 0.0, forget=False)
        return left, Write(n, granularity)
