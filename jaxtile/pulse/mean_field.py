"""Mean field: expected counts, differentiable."""

from typing import ClassVar

import jax.numpy as jnp

from .._types import Key, Scalar
from .base import AbstractTrainPulse, Coded, Counts

__all__ = ["MeanField"]


class MeanField(AbstractTrainPulse):
    """The expected pulses of the stochastic trains: no trains, no rounding, no cycle
    noise.

    A line sends BL p pulses and a cell sees BL p_d p_x coincidences, with p clipped to
    1. The train length is not rounded either: BL = min(max(k, 1), desired_bl), since a
    train has at least one slot. An unsaturated cell moves by exactly -lr d x for a
    constant step, and everything is differentiable with respect to every physical
    number.

    Attributes:
        desired_bl, update_bl_management, update_management, um_grad_scale: see
            `AbstractTrainPulse`.
    """

    mean_field: ClassVar[bool] = True

    def send(self, x: Coded, d: Coded, length: Scalar, key: Key) -> Counts:
        x_p, d_p = jnp.minimum(x.p, 1), jnp.minimum(d.p, 1)
        return Counts(x.sign, d.sign, length, self.desired_bl, length * x_p, length * d_p, (length * d_p)[:, None] * x_p[None, :])
