"""Devices where two lines cross, and how a pulse moves them. Knows no tile.

Pulses act on the *state* of the devices, a pytree that each kind of device defines. For
a single device it is the weight; others hold more than the weight that is read. In
cells and states, arrays are [out, in] or [out, in, ...], and a scalar belongs to the
whole tile. Cells, too, are of a class of each kind's own: the contract takes any.
"""

import abc
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Bool, PyTree, Shaped

from .._random import Draws, Source
from .._types import Key, Scalar, Weight, Weights
from ..fields import Checked
from .burst import Burst
from .cells import AbstractCells
from .routine import AbstractRoutine

__all__ = ["AbstractCrosspoint", "AbstractDevice", "Order", "Rewrite", "State"]

State = PyTree[Shaped[Array, "..."], "S"]
Order = Literal["aggregate", "slot", "batch"]


class AbstractDevice(Checked):
    """A kind of device.

    Three methods are to be written: `fabricate`, `clip` and `bounds`. The others are
    right for a device whose state is its weight, and which time leaves alone. A device
    with another state writes `start`, `weight` and `write`, too.

    Class attributes:
        takes_pulses: False for a device that adds what it is told to.
        has_own_lines: True for an algorithm: it sends pulses by itself, along lines of
            its own.
    """

    takes_pulses: ClassVar[bool] = True
    has_own_lines: ClassVar[bool] = False

    @abc.abstractmethod
    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> AbstractCells:
        """Fabricate `shape` devices: draw the device-to-device spread; without a key
        all are nominal.
        """

    @abc.abstractmethod
    def clip(self, cells: Any, weight: Weight) -> Weight:
        """The nearest weight that each device can hold."""

    @abc.abstractmethod
    def bounds(self) -> tuple[Scalar, Scalar] | None:
        """The nominal range of the weights, or None if there is none."""

    # The state.

    def start(self, shape: tuple[int, int]) -> State:
        """The state of `shape` devices at weight zero."""
        return jnp.zeros(shape, float)

    def settle(self, cells: Any, state: State) -> State:
        """The nearest state in which each device can stand: where fabrication leaves
        it.
        """
        return state

    def weight(self, state: State) -> Weights:
        """The weight that is read."""
        return state

    def held(self, state: State) -> Weights:
        """The weight that pulses and time move: what is read, but for write noise."""
        return self.weight(state)

    def write(self, cells: Any, state: State, weight: Weight, *, noise: Draws | None = None) -> State:
        """Put a weight in, clipped to what each device can hold; `noise` is that of the
        write, for devices that have it.
        """
        return self.clip(cells, weight)

    # Changes without pulses.

    def add(self, cells: Any, state: State, change: Weight, *, noise: Draws | None = None) -> State:
        """Change the weight by so much, clipped to what each device can hold."""
        return self.write(cells, state, self.held(state) + change, noise=noise)

    def rewrite(self, cells: Any, state: State, law: "Rewrite", *, noise: Draws | None = None) -> State:
        """Let a law such as decay change every device, with the clip to the bounds;
        ideal ones stay.
        """
        return state

    def reset_columns(self, cells: Any, state: State, columns: Bool[Array, " in"], probability: Scalar, *, noise: Draws) -> State:
        """Reset each device of some columns with a probability."""

        def law(device: Any, cells: Any, weight: Weight, noise: Any) -> Weight:
            drawn = noise.fold(Source.RESET_CHOICE).uniform(weight.dtype) < probability
            return jnp.where(drawn & columns[None, :], device.after_reset(cells, noise), weight)

        return self.rewrite(cells, state, law, noise=noise)

    @property
    def decays(self) -> bool:
        """True if a decay, see `jaxtile.decay`, may change anything."""
        return False

    @property
    def diffuses(self) -> bool:
        """True if a diffusion, see `jaxtile.diffuse`, may change anything."""
        return False

    @property
    def drifts(self) -> bool:
        """True if time alone changes anything."""
        return False

    def drift(self, cells: Any, state: State, time: Scalar, noise: Draws) -> State:
        """Let `time` pass; what does not drift stays."""
        return state


class AbstractCrosspoint(AbstractDevice):
    """A crossing that pulses move: one device, or several that share it."""

    @property
    @abc.abstractmethod
    def order(self) -> Order:
        """How pulses are summed, see `AbstractPulsedDevice`."""

    @abc.abstractmethod
    def bounds(self) -> tuple[Scalar, Scalar]:
        """The nominal range of the weights."""

    def settle(self, cells: Any, state: State) -> State:
        return self.write(cells, state, self.held(state))

    @property
    def routines(self) -> tuple[AbstractRoutine, ...]:
        """The routines between the vectors of a batch, in their order."""
        return ()

    @abc.abstractmethod
    def granularity(self) -> Scalar:
        """The size of step that pulse types plan with."""

    @abc.abstractmethod
    def nominal_step(self, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        """Mean size of the step of nominal devices at a weight, in one direction, and
        its spread from cycle to cycle.
        """

    def gain(self) -> Scalar | float:
        """The part of a step that counts in the weight: all of it, but in unit cells."""
        return 1.0

    def operations(self, shape: tuple[int, int], batch: int = 1) -> Scalar | float:
        """Digital multiplications and additions for each vector of an update, in the mean:
        out + in, which scale d and x for their trains.

        Signs, copies and comparisons are not counted. Nor are operations that only a
        transfer that writes needs.

        Args:
            shape: of the array, [out, in].
            batch: vectors in an update.
        """
        out, width = shape
        return float(out + width)

    @abc.abstractmethod
    def pulses(self, cells: Any, state: State, *bursts: Burst) -> State:
        """Send bursts of pulses, one after another, with the clip to the bounds.

        Args:
            cells: the devices.
            state: where they stand.
            bursts: how many pulses each cell gets, of which size, with which cycle
                noise.
        """


# The new weight of each single device, of (device, cells, weight, noise).
Rewrite = Callable[[Any, Any, Weight, Draws | None], Weight]
