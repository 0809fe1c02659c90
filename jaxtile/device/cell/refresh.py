"""When a one-sided pair is refreshed, and how."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool

from ..._random import Draws, Source, arange, stream
from ..._types import Key, Weight
from ..._vectors import UnitVectors
from ...fields import Number, flag, number, part, whole
from ...periphery import IOParameters, has_own_numbers, read
from ...pulse import AbstractTrainPulse, StochasticCompressed
from ..routine import AbstractRoutine, Sending, Vector
from .base import UnitCells, UnitState

__all__ = ["Refresh"]


class Refresh(AbstractRoutine):
    """Pairs of which one device is nearly full and the other not empty are read, reset,
    and written again.

    The difference that was read is written in one update of unit vectors at learning
    rate 1, half-selected cells and all; a pair gets back at most as many steps as a
    train has slots. With `order="batch"` the looks come at the end of the batch.
    (aihwkit `OneSidedUnitCell`, `refresh_...`.)

    Attributes:
        every: how many vectors or updates come between two looks at the pairs.
        units_in_mbatch: count updates, of as many vectors as the present one has;
            otherwise single vectors.
        upper_thres: what the fuller device must exceed, in units of `w_max`,
        lower_thres: and the emptier one.
        forward: the periphery that reads them.
        update: the pulses that write.
    """

    every: int = whole(1, low=1)
    units_in_mbatch: bool = flag(True)
    upper_thres: Number = number(0.75)
    lower_thres: Number = number(0.25)
    forward: IOParameters = part(IOParameters, "is no IOParameters; pass jaxtile.IOParameters()", default=IOParameters)
    update: AbstractTrainPulse = part(
        AbstractTrainPulse, "sends no pulses; pass one such as jaxtile.pulse.StochasticCompressed()", default=StochasticCompressed
    )

    def __check_init__(self) -> None:
        if has_own_numbers(self.forward):
            raise ValueError(f"Refresh.forward={self.forward!r} has numbers that are drawn once for each tile; it must not.")

    @property
    def waits(self) -> bool:
        return True

    def before(
        self, device: Any, cells: UnitCells, state: Any, vector: Vector | None, *, key: Key
    ) -> tuple[UnitState, Vector | None]:
        return UnitState(state.devices, state.turn + 1), vector

    def due(self, device: Any, state: Any, vector: Vector | None) -> Bool[Array, ""]:
        batch = 1 if vector is None else vector.batch
        return state.turn % (self.every * (batch if self.units_in_mbatch else 1)) == 0

    def act(
        self, device: Any, cells: UnitCells, state: UnitState, vector: Vector | None, draws: Draws
    ) -> tuple[UnitState, Sending]:
        """Read all pairs, reset those that are too full, and write again what they
        held.
        """
        part = device.device
        _, w_max = part.bounds()
        minus, plus = (
            self._read(part.weight(one), key=stream(draws.key, Source.REFRESH_READ, k)) for k, one in enumerate(state.devices)
        )
        fuller, emptier = jnp.maximum(minus, plus) / w_max, jnp.minimum(minus, plus) / w_max
        full = (fuller > self.upper_thres) & (emptier > self.lower_thres)

        def law(device, cells, weight, noise):
            return jnp.where(full, device.after_reset(cells, noise), weight)

        width = minus.shape[1]
        lost = jnp.where(full, plus - minus, 0)
        columns = UnitVectors(arange(width), width)
        sending = Sending(columns, -lost.T, learning_rate=jnp.asarray(1.0, float), pulse=self.update)
        return device.rewrite(cells, state, law, noise=draws), sending

    def _read(self, weight: Weight, *, key: Key) -> Weight:
        """Every device of an array, column by column."""
        return read(self.forward, weight, jnp.eye(weight.shape[1], dtype=weight.dtype), key).T
