"""The contract of a compensation of half-selection.

It stands between method and tile: it turns what a method proposes into what is sent. To add one: subclass `AbstractCompensation`
and write `check` and `__call__`.
"""

import abc

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Scalar
from .._vectors import UnitVectors
from ..device import AbstractCrosspoint
from ..fields import Checked
from ..tile import Tile, TileConfig

__all__ = ["AbstractCompensation", "noise_threshold"]


class AbstractCompensation(Checked):
    """A compensation of half-selection, the same for every method."""

    @abc.abstractmethod
    def check(self, config: TileConfig) -> None:
        """Refuse a configuration whose half-selection it cannot compensate, as far as its numbers are known."""

    @abc.abstractmethod
    def __call__(
        self, x: Float[Array, "k in"] | UnitVectors, d: Float[Array, "k out"], tile: Tile, learning_rate: Scalar
    ) -> tuple[Float[Array, "k in"] | UnitVectors, Float[Array, "k out"]]:
        """The vectors to send so that the tile, as it stands, changes by `-learning_rate d^T x` as the proposal wanted."""


def noise_threshold(caution: Scalar, tile: Tile, learning_rate: Scalar) -> Scalar:
    """The tau by which the pulses of a pair of vectors add 2 tau |d|_1 |x|_1 to the squared error: caution dw / (2 learning_rate).

    That is in units of the proposal, d^T x. A cell gets |d_i x_j| learning_rate / dw pulses, and in steps their variance is as
    large (Poisson; less where lines saturate). Cycle noise of spread c adds c^2 of that, 0.09 for aihwkit's devices: a caution of
    1 + c^2 counts it, as `RiskSVD` does. The steps that `half_select.Stochastic` makes of half pulses are noise that it does not
    count.

    Only of stochastic trains (`pulse.Stochastic`, `StochasticCompressed`) are coincidences random. The counts of `MeanField`,
    `MeanCount` and `DeterministicImplicit` are not, but for a random rounding of the vectors to their grid (`sto_round`), and
    without pulses there is nothing to count: there it is 0, cycle noise included.
    """
    if not tile.config.pulse.random_coincidences or not tile.config.is_pulsed:
        return jnp.zeros((), tile.weight.dtype)
    assert isinstance(tile.device, AbstractCrosspoint)
    return (caution * tile.device.granularity() / (2 * jnp.where(learning_rate > 0, learning_rate, 1))).astype(tile.weight.dtype)
