"""Bound management: what to do with a vector whose outputs exceed the range of the ADC."""

from .._types import Checked, Scalar, number

__all__ = ["Iterative"]


class Iterative(Checked):
    """Read again at half the input, each vector for itself, until no output is clipped.

    The input is divided by a reduction of 1, 2, 4, ... and the output multiplied by it, so the output noise grows with it. A vector
    gives up, and keeps its clipped outputs, once its reduction has exceeded `max_bm_factor`, or `max_bm_res` over the step of
    the DAC (beyond that the input would be left with too few levels).

    Attributes:
        max_bm_factor: largest reduction.
        max_bm_res: largest reduction times the step of the DAC, in units of the DAC's bound.
    """

    max_bm_factor: Scalar = number(1000.0, low=1.0, high=2.0**30)
    max_bm_res: Scalar = number(0.25, low=0.0, open=True)

    def gives_up(self, reduction: Scalar, inp_step: Scalar):
        """Whether a vector that was clipped at this reduction is left as it is."""
        too_coarse = (inp_step > 0) & (reduction * inp_step > self.max_bm_res)
        return (reduction > self.max_bm_factor) | too_coarse
