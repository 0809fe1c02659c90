"""Noise management: scaling a vector to the range of the DAC."""

import abc

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._numerics import divisor
from .._types import Scalar
from ..fields import Checked, Number, OptionalNumber, number, optional

__all__ = ["AbsMax", "AbsMaxNPSum", "AbstractNoiseManagement", "AverageAbsMax", "Constant", "Max"]


class AbstractNoiseManagement(Checked):
    """Chooses the number alpha by which each vector is divided before the DAC, and its
    result multiplied after the ADC.
    """

    @abc.abstractmethod
    def alpha(self, x: Float[Array, "k in"], *, inp_step: Scalar, out_bound: Scalar, average: Scalar | None) -> Float[Array, "k 1"]:
        """The scale of each vector; one of scale zero (or below) reads as exactly zero,
        unless there is noise on the inputs.

        Args:
            x: the vectors.
            inp_step: step of the DAC.
            out_bound: range of the ADC.
            average: what the tile remembers of vectors it has seen, for
                `AverageAbsMax`.
        """


class AbsMax(AbstractNoiseManagement):
    """alpha = min(max_j |x_j|, nm_thres): every vector uses the full range of the DAC.

    Attributes:
        nm_thres: the largest scale (larger inputs are clipped); None: no limit.
    """

    nm_thres: OptionalNumber = optional(low=0.0, open=True)

    def alpha(self, x, *, inp_step, out_bound, average) -> Float[Array, "k 1"]:
        return _capped(_abs_max(x), self.nm_thres)


class Max(AbstractNoiseManagement):
    """alpha = min(max_j x_j, nm_thres), with its sign: a vector without positive inputs
    reads as zero.

    Attributes:
        nm_thres: the largest scale; None: no limit.
    """

    nm_thres: OptionalNumber = optional(low=0.0, open=True)

    def alpha(self, x, *, inp_step, out_bound, average) -> Float[Array, "k 1"]:
        return _capped(_largest(x), self.nm_thres)


class Constant(AbstractNoiseManagement):
    """alpha = nm_thres.

    Attributes:
        nm_thres: the scale of all vectors; None: 1.
    """

    nm_thres: OptionalNumber = optional(low=0.0, open=True)

    def alpha(self, x, *, inp_step, out_bound, average) -> Float[Array, "k 1"]:
        return jnp.full((x.shape[0], 1), 1 if self.nm_thres is None else self.nm_thres, x.dtype)


class AverageAbsMax(AbstractNoiseManagement):
    """alpha = the running average m of max_j |x_j|, m <- (1 - nm_decay) m + nm_decay
    max_j |x_j|, the present vector included.

    The first vector of all sets m. Vectors of a batch follow one another. A vector that
    holds NaN or infinity reads as NaN, and m does not remember it. A read does not
    change the tile: `jt.observe` returns one that remembers the vectors.

    Attributes:
        nm_decay: weight of the newest vector.
    """

    nm_decay: Number = number(1e-3, low=0.0, high=1.0)

    def alpha(self, x, *, inp_step, out_bound, average) -> Float[Array, "k 1"]:
        if average is None:
            raise ValueError(
                "noise_management=AverageAbsMax() needs a tile that remembers its average: make one with jaxtile.init from "
                "this configuration."
            )

        def follow(average, largest):
            newer = jnp.where(average < 0, largest, average * (1 - self.nm_decay) + self.nm_decay * largest)
            return jnp.where(jnp.isfinite(largest), newer, average), newer

        return jax.lax.scan(follow, average.astype(x.dtype), _abs_max(x)[:, 0])[1][:, None]


class AbsMaxNPSum(AbstractNoiseManagement):
    """A scale that keeps outputs in range even if all weights of one sign were as large
    as assumed.

        A = min(max_j |x_j|, nm_thres)
        S = larger of the sums of positive inputs and of negative ones
        alpha = max(A, min(S nm_assumed_wmax / out_bound, A max_bm_res / inp_step))

    with out_bound = 1 where there is none, and without the second limit where the DAC
    has no steps.

    Attributes:
        nm_thres: limit of A; None: none.
        nm_assumed_wmax: the weights that are assumed.
        max_bm_res: largest loss of input resolution: alpha / A times the step of the
            DAC, in units of its bound.
    """

    nm_thres: OptionalNumber = optional(low=0.0, open=True)
    nm_assumed_wmax: Number = number(0.6, low=0.0)
    max_bm_res: Number = number(0.25, low=0.0, open=True)

    def alpha(self, x, *, inp_step, out_bound, average) -> Float[Array, "k 1"]:
        largest = _capped(_abs_max(x), self.nm_thres)
        positive = jnp.sum(jnp.maximum(x, 0), axis=-1, keepdims=True)
        negative = jnp.sum(jnp.maximum(-x, 0), axis=-1, keepdims=True)
        wanted = jnp.maximum(positive, negative) * self.nm_assumed_wmax / jnp.where(jnp.isinf(out_bound), 1, out_bound)
        coarsest = largest / divisor(inp_step) * self.max_bm_res
        wanted = jnp.where(inp_step > 0, jnp.minimum(wanted, coarsest), wanted)
        return jnp.maximum(largest, wanted)


@jax.custom_jvp
def _largest(x: Float[Array, "k in"]) -> Float[Array, "k 1"]:
    """The largest entry of each vector; of several, the first one gets the gradient, as
    in torch.

    (Left to itself JAX splits it, which an input range sees: it takes gradients of
    either sign apart.)
    """
    return jnp.max(x, axis=-1, keepdims=True)


@_largest.defjvp
def _largest_jvp(primals, tangents):
    index = jnp.argmax(primals[0], axis=-1, keepdims=True)
    return _largest(primals[0]), jnp.take_along_axis(tangents[0], index, axis=-1)


def _abs_max(x: Float[Array, "k in"]) -> Float[Array, "k 1"]:
    return _largest(jnp.abs(x))


def _capped(alpha: Float[Array, "k 1"], limit: Scalar | None) -> Float[Array, "k 1"]:
    return alpha if limit is None else jnp.minimum(alpha, limit)
