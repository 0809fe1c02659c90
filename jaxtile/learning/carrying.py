"""The routines of a transfer: vectors are counted, and lines carried when they are due."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._random import Draws, Source, arange, stream, uniform
from .._types import Key, Scalar
from .._vectors import UnitVectors
from ..device import AbstractRoutine, Sending, UnitCells, UnitState, Vector
from ..periphery import read

__all__ = ["Carry", "Count", "Lines", "TransferState", "Write"]


class TransferState(UnitState):
    """The state of arrays of which lines are carried to the next.

    Attributes:
        line: of each array, the line that is read next.
        memory: what the algorithm keeps in digital, as its `remember` defines it.
    """

    line: Int[Array, " array"]
    memory: Any


class Lines(eqx.Module):
    """Lines of an array that were read for a transfer.

    Attributes:
        array: which array.
        numbers: which lines: columns, or rows.
        values: what was read, a vector for each line.
        learning_rate: of the update.
        shape: of the array as it is read, [line, cells of a line].
    """

    array: int = eqx.field(static=True)
    numbers: Int[Array, " n"]
    values: Float[Array, "n across"]
    learning_rate: Scalar
    shape: tuple[int, int] = eqx.field(static=True)


class Write(eqx.Module):
    """Vectors that are written into the same lines of the next array.

    Attributes:
        values: a vector for each line, which is added, times the learning rate.
        learning_rate: of that update.
    """

    values: Float[Array, "n across"]
    learning_rate: Scalar


class Count(AbstractRoutine):
    """Counts vectors, and sends them as the algorithm wants them.

    Those at learning rate 0 do not count; neither do lines that were encoded elsewhere.
    """

    @property
    def waits(self) -> bool:
        return True

    def before(
        self, device: Any, cells: UnitCells, state: Any, vector: Vector | None, *, key: Key
    ) -> tuple[TransferState, Vector | None]:
        if vector is None:
            return state, None
        memory, sent = device.send(state.memory, vector)
        turn = state.turn + (vector.learning_rate != 0).astype(jnp.int32)
        return dataclasses.replace(state, turn=turn, memory=memory), sent


class Carry(AbstractRoutine):
    """Reads lines of one array, and writes what the algorithm makes of them to another.

    Attributes:
        source: which array is read.
        target: which is written.
    """

    source: int = eqx.field(static=True)
    target: int = eqx.field(static=True)

    @property
    def waits(self) -> bool:
        return True

    def due(self, device: Any, state: Any, vector: Vector | None) -> Bool[Array, ""] | None:
        if vector is None:
            return None
        shape = device.as_read((vector.d.shape[0], vector.x.shape[0]))
        every = device.every(self.source, shape, vector.batch)
        due = (vector.learning_rate != 0) & (every > 0) & (state.turn % jnp.maximum(every, 1) == 0)
        return due & device.is_open(state.memory, self.source, self.target)

    def act(self, device: Any, cells: UnitCells, state: Any, vector: Any, draws: Draws) -> tuple[TransferState, Sending]:
        k, part = self.source, device.parts[self.source]
        weight = part.weight(state.devices[k])
        array = weight.T if device.transfer_columns else weight
        size, n = array.shape[0], min(device.n_reads_per_transfer, array.shape[0])
        first = state.line[k]
        if device.random_selection:
            first = (uniform(stream(draws.key, Source.TRANSFER_LINE), first) * size).astype(jnp.int32)
        numbers = (first + arange(n)) % size
        units = UnitVectors(numbers, size)
        io = dataclasses.replace(device.transfer_forward, noise_management=None, bound_management=None)
        values = read(io, array.T, units, stream(draws.key, Source.TRANSFER_READ))
        lines = Lines(k, numbers, values, vector.learning_rate, array.shape)
        memory, write = device.carry(state.memory, lines, key=stream(draws.key, Source.TRANSFER))
        state = dataclasses.replace(state, line=state.line.at[k].set((first + n) % size), memory=memory)
        if device.with_reset_prob is not None:
            columns = jnp.zeros(draws.index.shape[1], bool).at[numbers].set(True)
            reset = part.reset_columns(cells.devices[k], state.devices[k], columns, device.with_reset_prob, noise=draws)
            state = eqx.tree_at(lambda state: state.devices[k], state, reset)
        d = -write.values
        x, d = (units, d) if device.transfer_columns else (d, units)
        return state, Sending(x, d, write.learning_rate, device.transfer_update, part=self.target, reads=n)
