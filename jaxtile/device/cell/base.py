"""Unit cells: several devices at one crossing of two lines."""

import abc
import dataclasses
import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree, Shaped

from ..._linalg import safe_sqrt
from ..._random import Draws, Source, stream
from ..._types import Key, Scalar, Weight, Weights
from ..base import AbstractCrosspoint, Order, Rewrite, State
from ..burst import Burst
from ..cells import AbstractCells

__all__ = ["AbstractUnitCell", "UnitCells", "UnitState", "as_parts"]


class UnitCells(AbstractCells):
    """The parameters of each device of the cells."""

    devices: tuple[AbstractCells, ...]


class UnitState(eqx.Module):
    """The state of each device of the cells, and a number that the whole tile shares:
    whose turn it is, or of vectors seen.
    """

    devices: tuple[PyTree[Shaped[Array, "..."]], ...]  # each may have a state of its own form
    turn: Int[Array, ""] | None


def as_parts(name: str, devices: Iterable[Any]) -> tuple[Any, ...]:
    """Several devices as a tuple; the cell that holds them checks their kind.

    Raises:
        TypeError: they are not several.
    """
    if not isinstance(devices, Iterable):
        raise TypeError(f"{name}={devices!r} is not a tuple of devices; pass one such as (SoftBounds(), SoftBounds()).")
    return tuple(devices)


class AbstractUnitCell(AbstractCrosspoint):
    """Several devices, whose weighted sum is read: weight = sum of gamma_k weight_k.

    The pulses of a vector, full and half, reach every device that is connected to the
    lines, each with cycle noise of its own. Decay, diffusion, reset and drift act on
    each. Trains are planned with the mean of the devices' granularities, as in aihwkit.
    """

    @property
    @abc.abstractmethod
    def parts(self) -> tuple[AbstractCrosspoint, ...]:
        """The devices, in aihwkit's order."""

    @property
    @abc.abstractmethod
    def gammas(self) -> Sequence[Float[Array, "*tiles"] | float]:
        """The factor of each device in the weight."""

    def connected(self, k: int, turn: Int[Array, ""] | None) -> bool | Bool[Array, ""]:
        """True if device k is connected to the lines."""
        return True

    def reach(self, k: int) -> float:
        """The part of the vectors whose pulses reach device k."""
        return float(self.connected(k, None))

    def written(self, k: int) -> bool:
        """True if a weight that is put into the cell is put into device k."""
        return True

    def share(self, k: int, up: Any, down: Any) -> tuple[Any, Any]:
        """The share of device k in what its cell sees up and down: pulses, their sizes,
        or the two parts of a weight.
        """
        return up, down

    def turn(self) -> Int[Array, ""] | None:
        """The number that a fresh tile starts with."""
        return None

    @property
    def order(self) -> Order:
        return self.parts[0].order

    def __check_init__(self) -> None:
        name = type(self).__name__
        if not self.parts:
            raise ValueError(f"{name} holds no devices; pass at least one.")
        for part in self.parts:
            if not isinstance(part, AbstractCrosspoint) or isinstance(part, AbstractUnitCell):
                raise TypeError(f"{name} holds {part!r}, which is not one pulsed device; pass devices such as SoftBounds().")
            if part.routines:
                raise ValueError(f"{name} holds {part!r}, which has routines of its own; a cell has those of the cell alone.")
            if part.order != self.order:
                raise ValueError(
                    f"{name} holds devices of order={self.order!r} and of order={part.order!r}; pass one order for all."
                )

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> UnitCells:
        keys = [None if key is None else stream(key, Source.PART, k) for k in range(len(self.parts))]
        return UnitCells(tuple(part.fabricate(shape, key=key) for part, key in zip(self.parts, keys, strict=True)))

    def start(self, shape: tuple[int, int]) -> UnitState:
        return UnitState(tuple(part.start(shape) for part in self.parts), self.turn())

    def settle(self, cells: UnitCells, state: UnitState) -> UnitState:
        def act(k, part, cells, state, noise):
            return part.settle(cells, state)

        return self._each(act, cells, state, None, lambda k: True)

    def weight(self, state: UnitState) -> Weights:
        # In a batch of tiles a gamma that is an array is a batch, too.
        gammas = [gamma if isinstance(gamma, int | float) else gamma[..., None, None] for gamma in self.gammas]
        return _total(gamma * part.weight(one) for gamma, part, one in zip(gammas, self.parts, state.devices, strict=True))

    def granularity(self) -> Scalar:
        return _total(part.granularity() for part in self.parts) / len(self.parts)

    def nominal_step(self, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        """The mean over the devices that a pulse reaches, by what they count; each of
        them at the weight of the whole cell.
        """
        means, variances = [], []
        for k, (gamma, part) in enumerate(zip(self.gammas, self.parts, strict=True)):
            reach = self.reach(k)
            if reach:
                share = gamma / self.gain()
                mean, spread = part.nominal_step(weight, up=up)
                means.append(reach * share * mean)
                variances.append(reach * (share * spread) ** 2)
        return _total(means), safe_sqrt(_total(variances))

    def gain(self) -> Scalar | float:
        return sum(self.reach(k) * gamma for k, gamma in enumerate(self.gammas))

    def bounds(self) -> tuple[Scalar, Scalar]:
        return self._range([part.bounds() for part in self.parts])

    def clip(self, cells: UnitCells, weight: Weight) -> Weight:
        def ends(part: AbstractCrosspoint, cells: AbstractCells) -> tuple[Weight, Weight]:
            return part.clip(cells, jnp.full_like(weight, -jnp.inf)), part.clip(cells, jnp.full_like(weight, jnp.inf))

        return jnp.clip(weight, *self._range([ends(*one) for one in zip(self.parts, cells.devices, strict=True)]))

    def _range(self, ends: list[tuple[Any, Any]]) -> tuple[Any, Any]:
        """The range of the weight, from those of the devices."""
        ends = [(gamma * low, gamma * high) for gamma, (low, high) in zip(self.gammas, ends, strict=True)]
        return _total(jnp.minimum(*one) for one in ends), _total(jnp.maximum(*one) for one in ends)

    def pulses(self, cells: UnitCells, state: UnitState, *bursts: Burst) -> UnitState:
        def act(k, part, cells, state, noise):
            return part.pulses(cells, state, *(self._share_of_burst(k, burst) for burst in bursts))

        return self._each(act, cells, state, None, lambda k: self.connected(k, state.turn))

    def write(self, cells: UnitCells, state: UnitState, weight: Weight, *, noise: Draws | None = None) -> UnitState:
        def act(k, part, cells, state, noise):
            return part.write(cells, state, self._share_of(k, weight), noise=noise)

        return self._each(act, cells, state, noise, self.written)

    def add(self, cells: UnitCells, state: UnitState, change: Weight, *, noise: Draws | None = None) -> UnitState:
        def act(k, part, cells, state, noise):
            return part.add(cells, state, self._share_of(k, change), noise=noise)

        return self._each(act, cells, state, noise, lambda k: self.connected(k, state.turn))

    def rewrite(self, cells: UnitCells, state: UnitState, law: Rewrite, *, noise: Draws | None = None) -> UnitState:
        def act(k, part, cells, state, noise):
            return part.rewrite(cells, state, law, noise=noise)

        return self._each(act, cells, state, noise, lambda k: True)

    @property
    def decays(self) -> bool:
        return any(part.decays for part in self.parts)

    @property
    def diffuses(self) -> bool:
        return any(part.diffuses for part in self.parts)

    @property
    def drifts(self) -> bool:
        return any(part.drifts for part in self.parts)

    def drift(self, cells: UnitCells, state: UnitState, time: Scalar, noise: Draws) -> UnitState:
        def act(k, part, cells, state, noise):
            return part.drift(cells, state, time, noise)

        return self._each(act, cells, state, noise, lambda k: True)

    def _share_of_burst(self, k: int, burst: Burst) -> Burst:
        counts, sizes = self.share(k, burst.up, burst.down), self.share(k, burst.size_up, burst.size_down)
        return Burst(*counts, *sizes, None if burst.noise is None else burst.noise.fold(k), burst.most)

    def _share_of(self, k: int, weight: Weight) -> Weight:
        up, down = self.share(k, jnp.maximum(weight, 0), jnp.maximum(-weight, 0))
        return up - down

    def _each(
        self,
        act: Callable[..., State],
        cells: UnitCells,
        state: UnitState,
        noise: Draws | None,
        among: Callable[[int], bool | Bool[Array, ""]],
    ) -> UnitState:
        """Let something happen to some of the devices, each with noise of its own."""

        def one(k: int, part: AbstractCrosspoint, cells: AbstractCells, state: State) -> State:
            chosen = among(k)
            if chosen is False:
                return state
            new = act(k, part, cells, state, None if noise is None else noise.fold(k))
            return new if chosen is True else jax.tree.map(lambda new, old: jnp.where(chosen, new, old), new, state)

        parts = enumerate(zip(self.parts, cells.devices, state.devices, strict=True))
        return dataclasses.replace(state, devices=tuple(one(k, *rest) for k, rest in parts))


def _total(terms: Iterable[Array]) -> Array:
    return functools.reduce(operator.add, terms)
