"""Policies that say which devices of a vector cell a vector is sent to."""

import abc
import dataclasses
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from ..._random import uniform
from ..._types import Key
from ...fields import Checked, whole
from ..cells import AbstractCells
from ..routine import AbstractRoutine, Vector

__all__ = ["AbstractTurns", "AbstractUpdatePolicy", "All", "SingleFixed", "SingleRandom", "SingleSequential"]


class AbstractUpdatePolicy(Checked):
    """A choice of devices among n."""

    @abc.abstractmethod
    def connected(self, k: int, turn: Int[Array, ""] | None) -> bool | Bool[Array, ""]:
        """True if device k is connected."""

    def reach(self, k: int, n: int) -> float:
        """The part of the vectors that reach device k of n."""
        return float(self.connected(k, None))

    def written(self, k: int) -> bool:
        """True if a weight that is put into the cell is put into device k."""
        return True

    def start(self) -> Int[Array, ""] | None:
        """The turn before the first vector; None: the choice is the same for all
        vectors.
        """
        return None


class All(AbstractUpdatePolicy):
    """Every device sees every pulse."""

    def connected(self, k: int, turn: Int[Array, ""] | None) -> bool:
        return True


class SingleFixed(AbstractUpdatePolicy):
    """One device sees all pulses, and takes the weights that are put in; `jt.connect`
    chooses another.

    Attributes:
        index: which one.
    """

    index: int = whole(0, low=0, kw_only=False)

    def connected(self, k: int, turn: Int[Array, ""] | None) -> bool:
        return k == self.index

    def written(self, k: int) -> bool:
        return k == self.index


class AbstractTurns(AbstractUpdatePolicy, AbstractRoutine):
    """Another choice for every vector: a routine, whose turn is part of the state of
    the cells.
    """

    @abc.abstractmethod
    def next(self, turn: Int[Array, ""], n: int, *, key: Key) -> Int[Array, ""]:
        """The turn of the next vector, among n devices."""

    def before(
        self, device: Any, cells: AbstractCells, state: Any, vector: Vector | None, *, key: Key
    ) -> tuple[Any, Vector | None]:
        turn = self.next(state.turn, len(device.parts), key=key)
        return dataclasses.replace(state, turn=turn), vector

    def connected(self, k: int, turn: Int[Array, ""] | None) -> bool | Bool[Array, ""]:
        return turn == k

    def reach(self, k: int, n: int) -> float:
        return 1 / n


class SingleSequential(AbstractTurns):
    """The devices take turns, a vector each.

    Attributes:
        first_update_idx: whose turn it was before the first vector: the one after it
            begins, as in aihwkit.
    """

    first_update_idx: int = whole(0, low=0, kw_only=False)

    def start(self) -> Int[Array, ""]:
        return jnp.asarray(self.first_update_idx, jnp.int32)

    def next(self, turn: Int[Array, ""], n: int, *, key: Key) -> Int[Array, ""]:
        return (turn + 1) % n


class SingleRandom(AbstractTurns):
    """A device drawn anew for every vector."""

    def start(self) -> Int[Array, ""]:
        return jnp.asarray(0, jnp.int32)

    def next(self, turn: Int[Array, ""], n: int, *, key: Key) -> Int[Array, ""]:
        return (uniform(key, jnp.asarray(0, jnp.int32)) * n).astype(jnp.int32)
