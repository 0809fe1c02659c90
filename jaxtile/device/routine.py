"""Routines: what happens between the vectors of a batch.

A device may hold a *routine*: it sees each vector before it is sent, and may change or
replace it; and from time to time it reads lines of the array and writes others. A unit
cell whose devices take turns has one, and a pair that is refreshed when it is full. So
has an algorithm that moves weights from one array to another.
"""

from typing import Any

import equinox as eqx
from jaxtyping import Array, Bool, Float

from .._random import Draws
from .._types import Key, Scalar
from .._vectors import UnitVectors
from ..fields import Checked
from ..pulse import AbstractPulse, AbstractTrainPulse

__all__ = ["AbstractRoutine", "Sending", "Vector"]


class Vector(eqx.Module):
    """One pair of vectors that is about to be sent.

    Attributes:
        x: for the columns.
        d: for the rows.
        learning_rate: of the update.
        batch: number of vectors in the update.
        pulse: the pulse type of the update; None: not said.
    """

    x: Float[Array, " in"]
    d: Float[Array, " out"]
    learning_rate: Scalar
    batch: int = eqx.field(static=True)
    pulse: AbstractPulse | None = None


class Sending(eqx.Module):
    """Vectors that a routine sends, half-selected cells and all; they change the
    weights by `-learning_rate d^T x`.

    Attributes:
        x: for the columns.
        d: for the rows. One of the two may be unit vectors, which drive a line each.
        learning_rate: of this update.
        pulse: the pulse type.
        part: the device of each unit cell that is connected to the lines for it; None:
            those that are.
        routines: those of the device that act between these vectors.
        reads: number of vectors that the routine has read for it.
    """

    x: Float[Array, "k in"] | UnitVectors
    d: Float[Array, "k out"] | UnitVectors
    learning_rate: Scalar
    pulse: AbstractTrainPulse
    part: int | None = eqx.field(default=None, static=True)
    routines: tuple["AbstractRoutine", ...] = ()
    reads: int = eqx.field(default=0, static=True)


class AbstractRoutine(Checked):
    """Something that a device does between the vectors of a batch; `update` executes
    it.

        state, vector <- before(vector)       for each vector, first
        send the vector
        if due: state, sending <- act(), and send that

    Its memory, such as counters, digital buffers and signs, is part of the device's
    state. Each method gets the device that holds the routine, its cells and its state.
    By default a routine leaves vectors as they are, and is never due. A device with
    several routines runs `before` of each in turn, sends, and then looks at each in
    turn.

    With `order="batch"` all vectors of a batch are sent in one pass. A routine that
    `waits` then sees all of them before any is sent, and is asked after each whether it
    is due. It acts once all are sent, as many times as it was due.
    """

    @property
    def waits(self) -> bool:
        """True if it may wait for the end of a batch; others are refused with
        `order="batch"`.
        """
        return False

    def before(self, device: Any, cells: Any, state: Any, vector: Vector | None, *, key: Key) -> tuple[Any, Vector | None]:
        """The state before a vector is sent, and the vector that is really sent; None:
        nothing is.

        Args:
            device: the device that holds the routine.
            cells: its cells.
            state: where it stands.
            vector: the vector to come; None for lines that were encoded elsewhere
                (`jt.send`), which are sent as they are.
            key: of this vector.
        """
        return state, vector

    def due(self, device: Any, state: Any, vector: Vector | None) -> Bool[Array, ""] | None:
        """True where something is to be done now that the vector has been sent; None:
        it never is.
        """
        return None

    def act(self, device: Any, cells: Any, state: Any, vector: Vector | None, draws: Draws) -> tuple[Any, Sending]:
        """Read, decide and say what to send: the state that this leaves, and the
        sending.

        Args:
            device: the device that holds the routine.
            cells: its cells.
            state: where it stands.
            vector: the vector as it came, whatever was sent for it; None as for
                `before`.
            draws: normals of all cells; `draws.key` is for reads.
        """
        raise NotImplementedError
