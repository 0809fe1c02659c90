"""Bound management: what to do with a vector whose outputs exceed the range of the ADC."""

import abc
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._types import Scalar
from ..fields import Checked, Number, flag, number

__all__ = ["AbstractBoundManagement", "Iterative", "IterativeWorstCase"]

Scales = Float[Array, "k 1"]


class AbstractBoundManagement(Checked):
    """Reads a vector again with smaller inputs, each vector for itself, until no output
    is clipped.

    Inputs are multiplied by scale / reduction and the outputs divided by it, so the
    output noise grows with the reduction. A vector gives up, and keeps its clipped
    outputs, once its reduction has exceeded `max_bm_factor`, or `max_bm_res` over the
    step of the DAC. Beyond that the input would be left with too few levels.

    Attributes:
        max_bm_factor: largest reduction.
        max_bm_res: largest reduction times the step of the DAC, in units of the DAC's
            bound.
        bm_test_negative_bound: whether an output clipped at the lower bound counts,
            too.
    """

    max_bm_factor: eqx.AbstractVar[Number]
    max_bm_res: eqx.AbstractVar[Number]
    bm_test_negative_bound: eqx.AbstractVar[bool]

    @abc.abstractmethod
    def retry(
        self, passes: Int[Array, ""], scale: Scales, reduction: Scales, worst_case: Callable[[Scalar], Scales] | None
    ) -> tuple[Scales, Scales]:
        """Scale and reduction of the next pass, of vectors that were clipped.

        Args:
            passes: how many passes there have been.
            scale: what inputs were multiplied by in the last pass, before the
                reduction.
            reduction: that of the last pass.
            worst_case: the scale that `AbsMaxNPSum` would give with this `max_bm_res`;
                None where that cannot help: without noise management, or where the
                scale is that one already.
        """

    def gives_up(self, reduction: Scales, inp_step: Scalar) -> Bool[Array, "k 1"]:
        """True if a vector that was clipped at this reduction is left as it is."""
        too_coarse = (inp_step > 0) & (reduction * inp_step > self.max_bm_res)
        return (reduction > self.max_bm_factor) | too_coarse


class Iterative(AbstractBoundManagement):
    """Reduction 1, 2, 4, ..."""

    max_bm_factor: Number = number(1000.0, low=1.0, high=2.0**30)
    max_bm_res: Number = number(0.25, low=0.0, open=True)
    bm_test_negative_bound: bool = flag(True)

    def retry(self, passes, scale, reduction, worst_case) -> tuple[Scales, Scales]:
        return scale, reduction * 2


class IterativeWorstCase(AbstractBoundManagement):
    """The second pass is scaled as `AbsMaxNPSum` would, at reduction 1; from there 2,
    4, ...

    Without noise management, and with `AbsMaxNPSum` itself, it is the same as
    `Iterative`.
    """

    max_bm_factor: Number = number(1000.0, low=1.0, high=2.0**30)
    max_bm_res: Number = number(0.25, low=0.0, open=True)
    bm_test_negative_bound: bool = flag(True)

    def retry(self, passes, scale, reduction, worst_case) -> tuple[Scales, Scales]:
        if worst_case is None:
            return scale, reduction * 2
        second = passes == 1
        return jnp.where(second, worst_case(self.max_bm_res), scale), jnp.where(second, 1, reduction * 2)
