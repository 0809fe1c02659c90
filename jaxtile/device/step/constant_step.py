"""Constant step."""

from collections.abc import Callable
from typing import ClassVar

import jax.numpy as jnp

from ..._types import Weight
from ..burst import constant
from ..cells import Cells
from .base import AbstractPulsedDevice

__all__ = ["ConstantStep"]


class ConstantStep(AbstractPulsedDevice):
    """Every pulse moves the weight by the same amount, whatever the weight is.

        w <- clip(w + step_up (1 + dw_min_std xi))        one up pulse, xi standard normal
        w <- clip(w - step_down (1 + dw_min_std xi))      one down pulse

    (Gokmen and Vlasov, Front. Neurosci. 10:333, 2016; aihwkit `ConstantStepDevice`.)
    Parameters: see `AbstractPulsedDevice`.
    """

    burst: ClassVar[Callable[..., Weight]] = staticmethod(constant)

    def step(self, cells: Cells, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        size = jnp.broadcast_to(cells.step_up if up else cells.step_down, weight.shape)
        return size, self.dw_min_std * size
