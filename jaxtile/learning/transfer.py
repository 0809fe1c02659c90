"""Transfer (Tiki-Taka)."""

from typing import Any

from .._types import Key
from .base import AbstractTransfer
from .carrying import Lines, Write

__all__ = ["Transfer"]


class Transfer(AbstractTransfer):
    """Tiki-Taka: gradients are summed up in a fast array, and its lines are added to a
    slow one.

        weight_(k + 1)[line] <- weight_(k + 1)[line] + transfer_lr learning_rate weight_k[line]      sent as pulses

    Steps of a fast array that differ up and down lead it to its symmetry point, where
    they do not: with that as its zero, what it holds is the gradient. (Gokmen and
    Haensch, Front. Neurosci. 14:103, 2020; aihwkit `TransferCompound`.) With `gamma`
    above 0 the fast array is part of the weight, and so learns what the slow one leaves:
    residual learning (Wu et al., NeurIPS, 2025).

    Parameters: see `AbstractTransfer`.
    """

    def carry(self, memory: Any, lines: Lines, *, key: Key) -> tuple[Any, Write]:
        return memory, Write(lines.values, self.transfer_rate(lines))
