"""Clipping weights to a range that is symmetric about zero."""

import abc

import jax.numpy as jnp

from .._types import Scalar, Weight, real_matrix
from ..fields import Checked, Number, OptionalNumber, number, optional

__all__ = ["AbstractClip", "AverageChannelMax", "FixedValue", "LayerGaussian"]


class AbstractClip(Checked):
    """W' = clip(W, -c, c): once in a while, so that no outlier takes up the range of
    the array (aihwkit's names).
    """

    @abc.abstractmethod
    def limit(self, weight: Weight) -> Scalar:
        """The bound c."""

    def __call__(self, weight: Weight) -> Weight:
        """The clipped weights."""
        weight = real_matrix(weight, "weight")
        limit = self.limit(weight)
        return jnp.clip(weight, -limit, limit)


class FixedValue(AbstractClip):
    """c = fixed_value.

    Attributes:
        fixed_value: the bound.
    """

    fixed_value: Number = number(1.0, low=0.0, open=True)

    def limit(self, weight: Weight) -> Scalar:
        return self.fixed_value


class LayerGaussian(AbstractClip):
    """c = sigma std(W), with the unbiased standard deviation about the mean. A single
    weight has none, and keeps to `fixed_value` alone.

    Attributes:
        sigma: how many standard deviations are kept.
        fixed_value: the largest c; None: no limit.
    """

    sigma: Number = number(2.5, low=0.0, open=True)
    fixed_value: OptionalNumber = optional(low=0.0, open=True)

    def limit(self, weight: Weight) -> Scalar:
        spread = jnp.std(weight, ddof=1) if weight.size > 1 else jnp.asarray(jnp.inf, weight.dtype)
        return _capped(self.sigma * spread, self.fixed_value)


class AverageChannelMax(AbstractClip):
    """c = mean_i max_j |W_ij|.

    Attributes:
        fixed_value: the largest c; None: no limit.
    """

    fixed_value: OptionalNumber = optional(low=0.0, open=True)

    def limit(self, weight: Weight) -> Scalar:
        return _capped(jnp.mean(jnp.max(jnp.abs(weight), axis=1)), self.fixed_value)


def _capped(limit: Scalar, cap: Scalar | None) -> Scalar:
    return limit if cap is None else jnp.minimum(limit, cap)
