"""The contract of a compensation of half-selection.

It stands between method and tile: it turns a proposal of the method into the vectors
that are sent. It knows the datasheet and the weights, and nothing else of the chip. To
add one: subclass `AbstractCompensation` and write `check` and `__call__`.
"""

import abc

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._numerics import divisor
from .._types import Scalar, Weight
from .._vectors import UnitVectors
from ..datasheet import Datasheet
from ..fields import Checked

__all__ = ["AbstractCompensation", "D", "X", "check_pulsed", "noise_threshold"]

X = Float[Array, "k in"] | UnitVectors
D = Float[Array, "k out"]


class AbstractCompensation(Checked):
    """A compensation of half-selection, the same for every method."""

    @abc.abstractmethod
    def check(self, sheet: Datasheet) -> None:
        """Refuse hardware whose half-selection it cannot compensate, as far as numbers
        are known.
        """

    @abc.abstractmethod
    def __call__(self, x: X, d: D, sheet: Datasheet, weight: Weight, learning_rate: Scalar) -> tuple[X, D]:
        """The vectors to send so that the weights change by `-learning_rate d^T x` of
        the proposal.

        Args:
            x: the proposal, for the columns.
            d: the proposal, for the rows.
            sheet: says what the hardware is.
            weight: the weights as they stand, [out, in].
            learning_rate: with which the vectors are sent.
        """


def check_pulsed(compensation: AbstractCompensation, sheet: Datasheet) -> None:
    """Refuse hardware that sends no pulses."""
    if not sheet.is_pulsed:
        device, pulse = sheet.hardware.device, sheet.hardware.pulse
        raise ValueError(f"compensation={compensation!r} needs pulses; device={device!r} with pulse={pulse!r} sends none.")


def noise_threshold(caution: Scalar, sheet: Datasheet, learning_rate: Scalar) -> Scalar:
    """Tau = caution dw / (2 learning_rate): the pulses of a pair of vectors add 2 tau
    |d|_1 |x|_1 to the squared error.

    The error is in units of the proposal, d^T x. A cell gets |d_i x_j| learning_rate /
    dw pulses, and in steps their variance is as large (Poisson; less where lines
    saturate). In unit cells pulses are planned with a granularity g and steps count
    otherwise: there dw^2 / g stands for dw. Cycle noise of spread c adds c^2 of that,
    0.09 for aihwkit's devices: a caution of 1 + c^2 counts it, as `RiskSVD` does. The
    steps that `half_select.Stochastic` makes of half pulses are noise that it does not
    count.

    Only of stochastic trains (`pulse.Stochastic`, `StochasticCompressed`) are
    coincidences random. The counts of `MeanField`, `MeanCount` and
    `DeterministicImplicit` are not, but for a random rounding of the vectors to their
    grid (`sto_round`). Without pulses there is nothing to count. In these cases it is
    0, cycle noise included.
    """
    if not sheet.hardware.pulse.random_coincidences or not sheet.is_pulsed:
        return jnp.zeros((), float)
    dw = sheet.dw_min * (sheet.dw_min / sheet.device.granularity())
    return caution * dw / (2 * divisor(learning_rate))
