"""The base of what is put around a device."""

import abc
from typing import Any

import equinox as eqx
from jaxtyping import Array, Bool

from ..._random import Draws
from ..._types import Key, Scalar, Weight, Weights
from ..base import AbstractCrosspoint, Order, Rewrite, State
from ..burst import Burst
from ..cells import AbstractCells
from ..routine import AbstractRoutine, Sending, Vector

__all__ = ["AbstractWrapper"]


class AbstractWrapper(AbstractCrosspoint):
    """Something around a device, which remains that device in all that the wrapper does
    not say.

    To add one: say where the state of the device is kept, and write the methods that
    change. All others are passed on to the device inside. They do nothing of their own,
    so nobody can rely on them: these are the methods that a subclass may override.

    Attributes:
        device: the device inside, an `AbstractCrosspoint`.
    """

    device: eqx.AbstractVar[Any]

    @abc.abstractmethod
    def inner(self, state: State) -> Any:
        """The state of the device inside."""

    def inner_cells(self, cells: Any) -> AbstractCells:
        """The cells of the device inside; all there are, if the wrapper fabricates
        nothing.
        """
        return cells

    def with_inner(self, state: State, inner: Any) -> State:
        """The same state, but for that of the device inside."""
        return eqx.tree_at(self.inner, state, inner)

    @property
    def inner_routines(self) -> tuple[AbstractRoutine, ...]:
        """The routines of the device inside."""
        return tuple(_Within(routine) for routine in self.device.routines)

    @property
    def routines(self) -> tuple[AbstractRoutine, ...]:
        return self.inner_routines

    @property
    def order(self) -> Order:
        return self.device.order

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> AbstractCells:
        return self.device.fabricate(shape, key=key)

    def start(self, shape: tuple[int, int]) -> State:
        return self.device.start(shape)

    def settle(self, cells: Any, state: State) -> State:
        return self.with_inner(state, self.device.settle(self.inner_cells(cells), self.inner(state)))

    def bounds(self) -> tuple[Scalar, Scalar]:
        return self.device.bounds()

    def granularity(self) -> Scalar:
        return self.device.granularity()

    def nominal_step(self, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        return self.device.nominal_step(weight, up=up)

    def gain(self) -> Scalar | float:
        return self.device.gain()

    def operations(self, shape: tuple[int, int], batch: int = 1) -> Scalar | float:
        return self.device.operations(shape, batch)

    def weight(self, state: State) -> Weights:
        return self.device.weight(self.inner(state))

    def held(self, state: State) -> Weights:
        return self.device.held(self.inner(state))

    def clip(self, cells: Any, weight: Weight) -> Weight:
        return self.device.clip(self.inner_cells(cells), weight)

    def write(self, cells: Any, state: State, weight: Weight, *, noise: Draws | None = None) -> State:
        inner = self.device.write(self.inner_cells(cells), self.inner(state), weight, noise=noise)
        return self.with_inner(state, inner)

    def add(self, cells: Any, state: State, change: Weight, *, noise: Draws | None = None) -> State:
        inner = self.device.add(self.inner_cells(cells), self.inner(state), change, noise=noise)
        return self.with_inner(state, inner)

    def pulses(self, cells: Any, state: State, *bursts: Burst) -> State:
        return self.with_inner(state, self.device.pulses(self.inner_cells(cells), self.inner(state), *bursts))

    def rewrite(self, cells: Any, state: State, law: Rewrite, *, noise: Draws | None = None) -> State:
        inner = self.device.rewrite(self.inner_cells(cells), self.inner(state), law, noise=noise)
        return self.with_inner(state, inner)

    @property
    def decays(self) -> bool:
        return self.device.decays

    @property
    def diffuses(self) -> bool:
        return self.device.diffuses

    @property
    def drifts(self) -> bool:
        return self.device.drifts

    def drift(self, cells: Any, state: State, time: Scalar, noise: Draws) -> State:
        return self.with_inner(state, self.device.drift(self.inner_cells(cells), self.inner(state), time, noise))


class _Within(AbstractRoutine):
    """A routine of the device inside, which sees nothing of the wrapper."""

    routine: AbstractRoutine

    @property
    def waits(self) -> bool:
        return self.routine.waits

    def before(
        self, device: AbstractWrapper, cells: Any, state: State, vector: Vector | None, *, key: Key
    ) -> tuple[State, Vector | None]:
        inner, vector = self.routine.before(device.device, device.inner_cells(cells), device.inner(state), vector, key=key)
        return device.with_inner(state, inner), vector

    def due(self, device: Any, state: State, vector: Vector | None) -> Bool[Array, ""] | None:
        return self.routine.due(device.device, device.inner(state), vector)

    def act(self, device: AbstractWrapper, cells: Any, state: State, vector: Vector | None, draws: Draws) -> tuple[State, Sending]:
        inner, sending = self.routine.act(device.device, device.inner_cells(cells), device.inner(state), vector, draws)
        return device.with_inner(state, inner), sending
