"""Digital scales of the outputs: what maps a matrix to the range of an array, and maps
it again later.
"""

import abc
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from .._numerics import divisor
from .._types import AnyArray, Real, Weight, as_number, real_array, real_matrix
from ..fields import Checked, Number, OptionalNumber, number, optional

__all__ = ["AbstractRemap", "ChannelwiseSymmetric", "LayerwiseSymmetric", "map_weights"]

Scales = Float[Array, " out"]


def map_weights(weight: Num[AnyArray, "out in"], omega: Real = 1.0, *, columnwise: bool = False) -> tuple[Weight, Scales]:
    """Weights that fill the range up to omega, and the scales s that make up for it: W
    = s W'.

    (aihwkit's `weight_scaling_omega` and `weight_scaling_columnwise`.)

    Args:
        weight: W, logical weights of any size.
        omega: where the largest weight goes.
        columnwise: a scale for each output; otherwise one for all of them.
    """
    weight = real_matrix(weight, "weight")
    if not isinstance(columnwise, bool):
        raise TypeError(f"columnwise={columnwise!r} must be True or False.")
    omega = as_number("omega", omega, low=0.0, open=True).astype(weight.dtype)
    largest = jnp.max(jnp.abs(weight), axis=1 if columnwise else None)
    scales = jnp.broadcast_to(divisor(largest / omega), weight.shape[:1])
    return weight / scales[:, None], scales


class AbstractRemap(Checked):
    """Stretches weights to the range of the array, and takes it back in the digital
    scales of the outputs (aihwkit's names).
    """

    @abc.abstractmethod
    def __call__(self, weight: Weight, scales: Scales) -> tuple[Weight, Scales]:
        """New weights and scales of the same product: s' W' = s W."""


class LayerwiseSymmetric(AbstractRemap):
    """a = max_ij |W_ij| / remapped_wmax, W' = W / a, s' = a s: relative scales are
    kept.

    Attributes:
        remapped_wmax: where the largest weight goes.
    """

    remapped_wmax: Number = number(1.0, low=0.0, open=True)

    def __call__(self, weight: Weight, scales: Scales) -> tuple[Weight, Scales]:
        weight, scales = _scaled(weight, scales)
        stretch = jnp.broadcast_to(divisor(jnp.max(jnp.abs(weight)) / self.remapped_wmax), scales.shape)
        return weight / stretch[:, None], scales * stretch


class ChannelwiseSymmetric(AbstractRemap):
    """a_i = max_j |W_ij| / remapped_wmax, s_i' = min(a_i s_i, max_scale_range m), W_i'
    = W_i s_i / s_i'.

    m = max(min_i s_i, max_scale_ref): a row whose scale is limited may exceed
    `remapped_wmax`. A row of zeros keeps its scale.

    Attributes:
        remapped_wmax: where the largest weight of each output goes.
        max_scale_range: largest ratio of a scale to the smallest one; None: no limit.
        max_scale_ref: what counts as the smallest scale, at least.
    """

    remapped_wmax: Number = number(1.0, low=0.0, open=True)
    max_scale_range: OptionalNumber = optional(low=0.0, open=True)
    max_scale_ref: Number = number(0.0, low=0.0)

    def __call__(self, weight: Weight, scales: Scales) -> tuple[Weight, Scales]:
        weight, scales = _scaled(weight, scales)
        new = scales * divisor(jnp.max(jnp.abs(weight), axis=1) / self.remapped_wmax)
        if self.max_scale_range is not None:
            smallest = jnp.min(scales)
            limit = jnp.maximum(smallest, self.max_scale_ref) * self.max_scale_range
            new = jnp.where(smallest > 0, jnp.minimum(new, limit), new)
        return weight * (scales / new)[:, None], new


def _scaled(weight: Any, scales: Any) -> tuple[Weight, Scales]:
    """Weights and one scale for each output, checked."""
    weight, scales = real_matrix(weight, "weight"), real_array(scales, None, "scales")
    if scales.shape != weight.shape[:1]:
        raise ValueError(f"scales has shape {scales.shape}; pass one scale for each of the {weight.shape[0]} outputs.")
    return weight, scales
