"""When a one-sided pair is refreshed, and how."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from ..._types import Key, Scalar, Weight
from ...fields import Checked, flag, number, part, whole
from ...periphery import IOParameters, fabricate, read
from ...pulse import AbstractTrainPulse, StochasticCompressed

__all__ = ["Refresh"]


class Refresh(Checked):
    """Pairs of which one device is nearly full and the other not empty are read, reset, and written again.

    The difference that was read is written in one update of unit vectors at learning rate 1, half-selected cells and all; a pair
    gets back at most as many steps as a train has slots. (aihwkit `OneSidedUnitCell`, `refresh_...`.)

    Attributes:
        every: how many vectors or updates come between two looks at the pairs.
        units_in_mbatch: count updates, of as many vectors as the present one has; otherwise single vectors.
        upper_thres: what the fuller device must exceed, in units of `w_max`,
        lower_thres: and the emptier one.
        forward: the periphery that reads them.
        update: the pulses that write.
    """

    every: int = whole(1, low=1)
    units_in_mbatch: bool = flag(True)
    upper_thres: Scalar = number(0.75)
    lower_thres: Scalar = number(0.25)
    forward: IOParameters = part(IOParameters, "is no IOParameters; pass jaxtile.IOParameters()", default=IOParameters)
    update: AbstractTrainPulse = part(
        AbstractTrainPulse, "sends no pulses; pass one such as jaxtile.pulse.StochasticCompressed()", default=StochasticCompressed
    )

    def __check_init__(self) -> None:
        if jax.tree.leaves(jax.eval_shape(lambda: fabricate(self.forward, (1, 1), jax.random.key(0)))):
            raise ValueError(f"Refresh.forward={self.forward!r} has numbers that are drawn once for each tile; it must not.")

    def is_due(self, vectors: Int[Array, ""], batch: int) -> Bool[Array, ""]:
        """Whether pairs are looked at after so many vectors, the last of them in an update of `batch`."""
        return vectors % (self.every * (batch if self.units_in_mbatch else 1)) == 0

    def is_full(self, fuller: Weight, emptier: Weight) -> Bool[Array, "out in"]:
        """Which pairs to refresh."""
        return (fuller > self.upper_thres) & (emptier > self.lower_thres)

    def read(self, weight: Weight, *, key: Key) -> Weight:
        """Every device of an array, column by column."""
        return read(self.forward, weight, jnp.eye(weight.shape[1], dtype=weight.dtype), key).T
