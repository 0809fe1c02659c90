"""What writes, what it changes, and what it sends."""

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Num, PyTree

from .._random import Draws
from .._types import Key, Scalar
from ..device import AbstractCells, AbstractCrosspoint, Burst, State
from ..half_select import AbstractHalfSelect
from ..half_select.phases import Exposure
from ..pulse import AbstractTrainPulse
from ..tally import PulseCounts, Tally
from ..tile import Tile

__all__ = ["Hardware", "Pulsed", "sent"]


class Pulsed(eqx.Module):
    """What pulses change of a tile: where the devices stand, what they remember of half pulses, and what has been sent."""

    state: State
    memory: PyTree[Array]
    tally: Tally

    @classmethod
    def of(cls, tile: Tile, tally: Tally | None = None) -> "Pulsed":
        """Of a tile; with another tally."""
        return cls(tile.state, tile.half_memory, tile.tally if tally is None else tally)

    @classmethod
    def fresh(cls, tile: Tile) -> "Pulsed":
        """Of a tile, with nothing sent yet."""
        return cls.of(tile, jax.tree.map(jnp.zeros_like, tile.tally))

    def having_read(self, vectors: int) -> "Pulsed":
        """After so many vectors more have been read."""
        return eqx.tree_at(lambda pulsed: pulsed.tally.reads, self, self.tally.reads + vectors)

    def put(self, tile: Tile) -> Tile:
        """The tile with it."""
        return dataclasses.replace(tile, state=self.state, half_memory=self.memory, tally=self.tally)

    def after(self, tile: Tile) -> "Pulsed":
        """With what the tile had been sent before."""
        return Pulsed(self.state, self.memory, tile.tally + self.tally)


class Hardware(NamedTuple):
    """What writes: devices that take pulses, and a pulse type that sends them."""

    shape: tuple[int, int]
    device: AbstractCrosspoint
    cells: AbstractCells
    pulse: AbstractTrainPulse
    half_select: AbstractHalfSelect | None
    half_cells: PyTree[Array]

    @classmethod
    def of(cls, tile: Tile) -> "Hardware":
        device, pulse = tile.device, tile.config.pulse
        assert isinstance(device, AbstractCrosspoint)
        assert isinstance(pulse, AbstractTrainPulse)
        return cls(tile.shape, device, tile.cells, pulse, tile.config.half_select, tile.half_cells)

    def noise(self, key: Key, index: Int[Array, "out column"]) -> Draws | None:
        """The cycle noise of some cells, unless the pulse type leaves it out."""
        return None if self.pulse.mean_field else Draws(key, index)

    @property
    def skips(self) -> bool:
        """Whether it skips sub-phases in which nothing can be selected."""
        return self.half_select is not None and self.half_select.phases == "active"

    @property
    def takes_one_shot(self) -> bool:
        """Whether unit vectors can be sent at once: nothing asks for an order."""
        remembers = self.half_select is not None and self.half_select.remembers
        return self.device.order == "aggregate" and not remembers

    def pulse_all(self, pulsed: Pulsed, *bursts: Burst, half: tuple[Exposure, Draws | None] | None = None) -> Pulsed:
        """Send bursts to the cells, and then what half-selected ones get."""
        memory = pulsed.memory
        if self.half_select is not None and half is not None:
            disturb, memory = self.half_select.bursts(self.half_cells, memory, *half)
            bursts = (*bursts, *disturb)
        return Pulsed(self.device.pulses(self.cells, pulsed.state, *bursts), memory, pulsed.tally)


def sent(hardware: Hardware, tally: Tally, full: Scalar, seen: Exposure) -> Tally:
    """What one vector adds to the tally; `full` is the sum of all full pulses."""
    out, width = hardware.shape
    row, column = (_mean(getattr(seen.up, line) + getattr(seen.down, line)) for line in ("row", "column"))
    phases, mean = (seen.up.slots + seen.down.slots).astype(float), full / (out * width)
    half = jnp.zeros_like(mean) if hardware.half_select is None else row + column - 2 * mean  # without a pass over the cells
    each = None
    if tally.each is not None:
        each = PulseCounts(
            seen.up.full,
            seen.down.full,
            *(jnp.zeros(hardware.shape) if hardware.half_select is None else one.half for one in (seen.up, seen.down)),
            *(getattr(one, line).ravel() for line in ("row", "column") for one in (seen.up, seen.down)),
        )
    return Tally(mean, half, row, column, phases, reads=jnp.zeros_like(mean), each=each)


def _mean(counts: Num[Array, "..."]) -> Scalar:
    return jnp.mean(counts.astype(float))
