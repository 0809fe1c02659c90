"""The contract of a device: what sits where two lines cross, and how a pulse moves it. Knows no tile.

What pulses act on is the *state* of the devices, a pytree that each kind of device defines. For a single device it is its weight;
others hold more than the weight that is read, and only they know what. As in cells, arrays are [out, in] or [out, in, ...], and a
scalar belongs to the whole tile.

To add a device: subclass `AbstractPulsedDevice` and write `step`. If its cells have parameters of their own, extend `init`; if its
steps are constant or affine in the weight, name the `burst` law that sums many of them in closed form. Everything else (pulses,
half-selection, programming) follows.
"""

import abc
from collections.abc import Callable
from typing import ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._random import Draws, Source
from .._types import Key, Scalar, Weight
from ..fields import Checked, choice, flag, number
from .burst import Burst, one_by_one
from .cells import AbstractCells, Cells
from .fabrication import fabricate
from .routine import AbstractRoutine

__all__ = ["AbstractCrosspoint", "AbstractDevice", "AbstractPulsedDevice", "Rewrite", "State"]

State = PyTree[Float[Array, "..."], "S"]


class AbstractDevice(Checked):
    """A kind of device.

    Class attributes:
        takes_pulses: False for a device that adds what it is told to.
    """

    takes_pulses: ClassVar[bool] = True

    @abc.abstractmethod
    def init(self, shape: tuple[int, int], *, key: Key | None) -> AbstractCells:
        """Fabricate `shape` devices: draw the device-to-device spread; without a key all are nominal."""

    def start(self, shape: tuple[int, int]) -> State:
        """The state of `shape` devices at weight zero."""
        return jnp.zeros(shape, float)

    def weight(self, state: State) -> Weight:
        """The weight that is read."""
        return state

    def held(self, state: State) -> Weight:
        """The weight that pulses and time move: what is read, but for write noise."""
        return self.weight(state)

    def write(self, cells: AbstractCells, state: State, weight: Weight, *, noise: Draws | None = None) -> State:
        """Put a weight in, clipped to what each device can hold; `noise` is that of the write, for devices that have it."""
        return self.clip(cells, weight)

    def add(self, cells: AbstractCells, state: State, change: Weight, *, noise: Draws | None = None) -> State:
        """Change the weight by so much, without pulses, clipped to what each device can hold."""
        return self.clip(cells, state + change)

    def rewrite(self, cells: AbstractCells, state: State, law: "Rewrite", *, noise: Draws | None = None) -> State:
        """Let a law that is no pulse, such as decay, change every device, with the clip to the bounds; ideal ones stay."""
        return state

    @property
    def drifts(self) -> bool:
        """True if time alone changes anything."""
        return False

    def drift(self, cells: AbstractCells, state: State, time: Scalar, noise: Draws) -> State:
        """Let `time` pass; what does not drift stays."""
        return state

    @abc.abstractmethod
    def clip(self, cells: AbstractCells, weight: Weight) -> Weight:
        """The nearest weight that each device can hold."""

    @abc.abstractmethod
    def bounds(self) -> tuple[Scalar, Scalar] | None:
        """The nominal range of the weights, or None if there is none."""


class AbstractCrosspoint(AbstractDevice):
    """A crossing that pulses move: one device, or several that share it.

    Attributes:
        order: "aggregate" or "slot", see `AbstractPulsedDevice`.
    """

    order: eqx.AbstractVar[Literal["aggregate", "slot"]]

    @abc.abstractmethod
    def bounds(self) -> tuple[Scalar, Scalar]:
        """The nominal range of the weights."""

    @property
    def routines(self) -> tuple[AbstractRoutine, ...]:
        """The routines between the vectors of a batch, in their order."""
        return ()

    @abc.abstractmethod
    def granularity(self) -> Scalar:
        """The size of step that pulse types plan with."""

    @abc.abstractmethod
    def nominal_step(self, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        """Mean size of the step of nominal devices at a weight, in one direction, and its spread from cycle to cycle."""

    def gamma(self) -> Scalar | float:
        """The part of a step that counts in the weight: all of it, but in unit cells."""
        return 1.0

    @abc.abstractmethod
    def pulses(self, cells: AbstractCells, state: State, *bursts: Burst) -> State:
        """Send bursts of pulses, one after another, with the clip to the bounds.

        Args:
            cells: the devices.
            state: where they stand.
            bursts: how many pulses each cell gets, of which size, with which cycle noise.
        """


class AbstractPulsedDevice(AbstractCrosspoint):
    """A device that is moved by pulses, with the parameters that all of them share (names and defaults are aihwkit's).

    Fabrication, with a fresh standard normal xi for each parameter of each device:

        gain      = 1 + dw_min_dtod xi                    one for both directions; exp(dw_min_dtod xi) if log-normal
        imbalance = up_down_dtod xi
        step_up   = |gain + imbalance + min(up_down, 0)| dw_min
        step_down = |gain - imbalance - max(up_down, 0)| dw_min
        w_max     = |w_max (1 + w_max_dtod xi)|,   w_min = -|w_min (1 + w_min_dtod xi)|

        lifetime  = lifetime (1 + lifetime_dtod xi),   decay_scale = 1 - 1 / lifetime (0 if below 1; 1 if `lifetime` is 0)
        diffusion_rate = |diffusion (1 + diffusion_dtod xi)|,   reset_bias = reset + reset_dtod xi

    `up_down` only ever shrinks one side: the down step if positive, the up step if negative. Without `enforce_consistency` steps
    keep their signs, and bounds in the wrong order fix a device at the middle between them.

    Attributes:
        dw_min: mean size of one step at weight zero, in normalised conductance.
        dw_min_dtod: its device-to-device spread, relative.
        dw_min_dtod_log_normal: spread the logarithm of the step by `dw_min_dtod` (`dw_min` is then the median).
        dw_min_std: cycle noise: spread of one step, relative to its size.
        up_down, up_down_dtod: mean and device-to-device spread of the imbalance of up and down steps, relative to `dw_min`.
        w_max, w_min: mean bounds of the weight (w_min <= 0 <= w_max).
        w_max_dtod, w_min_dtod: their device-to-device spread, relative.
        enforce_consistency: fold steps to positive sizes, and bounds to either side of zero, as above.
        perfect_bias: the devices of the last column are nominal, with bounds a hundred times as wide.
        corrupt_devices_prob: chance of a device to be stuck, at a value drawn evenly from its range and within
            `corrupt_devices_range` of zero.
        corrupt_devices_range: see there.
        lifetime, lifetime_dtod: mean number of decays (`jt.decay`) to lose the weight, and its relative spread; 0: no decay.
        diffusion, diffusion_dtod: spread of one diffusion (`jt.diffuse`) in weight units, and its relative spread.
        reset, reset_dtod, reset_std: mean, device-to-device and cycle-to-cycle spread of the weight after a reset (`jt.reset`), in
            weight units.
        order: "aggregate": the pulses of one vector in one go, by the device's `burst` law; "slot": slot by slot and phase by
            phase, which is exact and slow.

    Class attributes:
        burst: how "aggregate" sums many pulses; exact unless the docstring of the law says otherwise.
        response: the parameters that the response to single pulses determines; what `jt.device.fit` estimates. None are named where
            only arrays shape the response.
    """

    burst: ClassVar[Callable[..., Weight]] = staticmethod(one_by_one)
    response: ClassVar[tuple[str, ...]] = ("dw_min", "up_down")

    dw_min: Scalar = number(0.001, low=0.0, open=True, units="weight")
    dw_min_dtod: Scalar = number(0.3, low=0.0)
    dw_min_dtod_log_normal: bool = flag(False)
    dw_min_std: Scalar = number(0.3, low=0.0)
    up_down: Scalar = number(0.0, low=-1.0, high=1.0)
    up_down_dtod: Scalar = number(0.01, low=0.0)
    w_max: Scalar = number(0.6, low=0.0, units="weight")
    w_max_dtod: Scalar = number(0.3, low=0.0)
    w_min: Scalar = number(-0.6, high=0.0, units="weight")
    w_min_dtod: Scalar = number(0.3, low=0.0)
    enforce_consistency: bool = flag(True)
    perfect_bias: bool = flag(False)
    corrupt_devices_prob: Scalar = number(0.0, low=0.0, high=1.0)
    corrupt_devices_range: Scalar = number(0.1, low=0.0, units="weight")
    lifetime: Scalar = number(0.0, low=0.0, units="decays")
    lifetime_dtod: Scalar = number(0.0, low=0.0)
    diffusion: Scalar = number(0.0, low=0.0, units="weight")
    diffusion_dtod: Scalar = number(0.0, low=0.0)
    reset: Scalar = number(0.0, units="weight")
    reset_dtod: Scalar = number(0.0, low=0.0, units="weight")
    reset_std: Scalar = number(0.01, low=0.0, units="weight")
    order: Literal["aggregate", "slot"] = choice("aggregate", "slot")

    @abc.abstractmethod
    def step(self, cells: Cells, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        """Mean size of the next step in one direction (positive: in that direction), and its spread from cycle to cycle."""

    def init(self, shape: tuple[int, int], *, key: Key | None) -> Cells:
        """Fabricate `shape` devices: draw the parameters that all pulsed devices share; without a key all are nominal."""
        return fabricate(self, shape, key)

    def granularity(self) -> Scalar:
        return self.dw_min

    def nominal_step(self, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        cells = self.init(weight.shape, key=None)
        return self.step(cells, self.clip(cells, weight), up=up)

    def bounds(self) -> tuple[Scalar, Scalar]:
        return self.w_min, self.w_max

    def clip(self, cells: Cells, weight: Weight) -> Weight:
        return jnp.clip(weight, cells.w_min, cells.w_max)

    def pulses(self, cells: Cells, state: Weight, *bursts: Burst) -> Weight:
        law = one_by_one if self.order == "slot" else type(self).burst
        return law(self, cells, state, *bursts)

    def after_reset(self, cells: Cells, noise: Draws) -> Weight:
        """Where a reset leads: `reset_bias + reset_std xi`."""
        return cells.reset_bias + self.reset_std * noise.fold(Source.RESET).normal(cells.reset_bias.dtype)

    def rewrite(self, cells: Cells, state: Weight, law: "Rewrite", *, noise: Draws | None = None) -> Weight:
        return self.clip(cells, law(self, cells, state, noise))


Rewrite = Callable[[AbstractPulsedDevice, Cells, Weight, Draws | None], Weight]
