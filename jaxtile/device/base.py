"""How a pulse moves a conductance. Knows no tile.

To add a device: subclass `AbstractPulsedDevice` and write `step`. If its cells have parameters of their own, extend `init`; if its
steps are constant or affine in the weight, name the `burst` law that sums many of them in closed form. Everything else (pulses,
half-selection, programming) follows.
"""

import abc
from collections.abc import Callable
from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from .._random import Draws, Source, cell_index, normal, numbers, stream
from .._types import Checked, Key, Scalar, Weight, choice, number
from .burst import one_by_one

__all__ = ["AbstractCells", "AbstractDevice", "AbstractPulsedDevice", "Cells"]


class AbstractCells(eqx.Module):
    """The realised parameters of every device of a tile, drawn once at fabrication. All arrays are [out, in]."""


class AbstractDevice(Checked):
    """A kind of device.

    Class attributes:
        takes_pulses: False for a device that adds what it is told to.
    """

    takes_pulses: ClassVar[bool] = True

    @abc.abstractmethod
    def init(self, shape: tuple[int, int], *, key: Key) -> AbstractCells:
        """Fabricate `shape` devices: draw the device-to-device spread."""

    @abc.abstractmethod
    def clip(self, cells: AbstractCells, weight: Weight) -> Weight:
        """The nearest weight that each device can hold."""

    @abc.abstractmethod
    def bounds(self) -> tuple[Scalar, Scalar] | None:
        """The nominal range of the weights, or None if there is none."""


class Cells(AbstractCells):
    """What distinguishes one device from the next.

    Attributes:
        step_up, step_down: sizes of the steps at weight zero.
        w_min, w_max: bounds.
        decay_scale: what one decay leaves of the distance to `reset_bias`.
        diffusion_rate: spread of one diffusion.
        reset_bias: where decay and reset lead.
    """

    step_up: Weight
    step_down: Weight
    w_min: Weight
    w_max: Weight
    decay_scale: Weight
    diffusion_rate: Weight
    reset_bias: Weight


class AbstractPulsedDevice(AbstractDevice):
    """A device that is moved by pulses, with the parameters that all of them share (names and defaults are aihwkit's).

    Fabrication, with a fresh standard normal xi for each parameter of each device:

        gain      = 1 + dw_min_dtod xi                    one for both directions
        imbalance = up_down_dtod xi
        step_up   = |gain + imbalance + min(up_down, 0)| dw_min
        step_down = |gain - imbalance - max(up_down, 0)| dw_min
        w_max     = |w_max (1 + w_max_dtod xi)|,   w_min = -|w_min (1 + w_min_dtod xi)|

        lifetime  = lifetime (1 + lifetime_dtod xi),   decay_scale = 1 - 1 / lifetime (0 if below 1; 1 if `lifetime` is 0)
        diffusion_rate = |diffusion (1 + diffusion_dtod xi)|,   reset_bias = reset + reset_dtod xi

    `up_down` only ever shrinks one side: the down step if positive, the up step if negative.

    Attributes:
        dw_min: mean size of one step at weight zero, in normalised conductance.
        dw_min_dtod: its device-to-device spread, relative.
        dw_min_std: cycle noise: spread of one step, relative to its size.
        up_down, up_down_dtod: mean and device-to-device spread of the imbalance of up and down steps, relative to `dw_min`.
        w_max, w_min: mean bounds of the weight (w_min <= 0 <= w_max).
        w_max_dtod, w_min_dtod: their device-to-device spread, relative.
        lifetime, lifetime_dtod: mean number of decays (`jt.decay`) to lose the weight, and its relative spread; 0: no decay.
        diffusion, diffusion_dtod: spread of one diffusion (`jt.diffuse`) in weight units, and its relative spread.
        reset, reset_dtod, reset_std: mean, device-to-device and cycle-to-cycle spread of the weight after a reset (`jt.reset`), in
            weight units.
        order: "aggregate": the pulses of one vector in one go, by the device's `burst` law; "slot": slot by slot and phase by
            phase, which is exact and slow.

    Class attributes:
        burst: how "aggregate" sums many pulses; exact unless the docstring of the law says otherwise.
        response: the parameters that the response to single pulses determines; what `jt.device.fit` estimates.
    """

    burst: ClassVar[Callable[..., Weight]] = staticmethod(one_by_one)
    response: ClassVar[tuple[str, ...]] = ("dw_min", "up_down")

    dw_min: Scalar = number(0.001, low=0.0, open=True)
    dw_min_dtod: Scalar = number(0.3, low=0.0)
    dw_min_std: Scalar = number(0.3, low=0.0)
    up_down: Scalar = number(0.0, low=-1.0, high=1.0)
    up_down_dtod: Scalar = number(0.01, low=0.0)
    w_max: Scalar = number(0.6, low=0.0)
    w_max_dtod: Scalar = number(0.3, low=0.0)
    w_min: Scalar = number(-0.6, high=0.0)
    w_min_dtod: Scalar = number(0.3, low=0.0)
    lifetime: Scalar = number(0.0, low=0.0)
    lifetime_dtod: Scalar = number(0.0, low=0.0)
    diffusion: Scalar = number(0.0, low=0.0)
    diffusion_dtod: Scalar = number(0.0, low=0.0)
    reset: Scalar = number(0.0)
    reset_dtod: Scalar = number(0.0, low=0.0)
    reset_std: Scalar = number(0.01, low=0.0)
    order: Literal["aggregate", "slot"] = choice("aggregate", "slot")

    @abc.abstractmethod
    def step(self, cells: Cells, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        """Mean size of the next step in one direction (positive: in that direction), and its spread from cycle to cycle."""

    def init(self, shape: tuple[int, int], *, key: Key) -> Cells:
        """Fabricate `shape` devices: draw the parameters that all pulsed devices share."""
        gain = 1 + self.dw_min_dtod * spread(shape, key, Source.GAIN)
        imbalance = self.up_down_dtod * spread(shape, key, Source.IMBALANCE)
        step_up = jnp.abs(jnp.minimum(self.up_down, 0) + gain + imbalance) * self.dw_min
        step_down = jnp.abs(-jnp.maximum(self.up_down, 0) + gain - imbalance) * self.dw_min
        upper = self.w_max * (1 + self.w_max_dtod * spread(shape, key, Source.UPPER_BOUND))
        lower = self.w_min * (1 + self.w_min_dtod * spread(shape, key, Source.LOWER_BOUND))
        lifetime = self.lifetime * (1 + self.lifetime_dtod * spread(shape, key, Source.LIFETIME))
        decays = jnp.where(lifetime > 1, 1 - 1 / jnp.where(lifetime > 1, lifetime, 1), 0)
        diffusion = self.diffusion * (1 + self.diffusion_dtod * spread(shape, key, Source.DIFFUSION))
        return Cells(
            step_up,
            step_down,
            # A wide spread can draw the bounds in the wrong order: swap them, then fold each onto its side of zero, as aihwkit
            # does.
            w_min=-jnp.abs(jnp.minimum(lower, upper)),
            w_max=jnp.abs(jnp.maximum(lower, upper)),
            decay_scale=jnp.where(self.lifetime > 0, decays, 1),
            diffusion_rate=jnp.abs(diffusion),
            reset_bias=self.reset + self.reset_dtod * spread(shape, key, Source.RESET_BIAS),
        )

    def granularity(self) -> Scalar:
        """The size of step that pulse types plan with."""
        return self.dw_min

    def bounds(self) -> tuple[Scalar, Scalar]:
        return self.w_min, self.w_max

    def clip(self, cells: Cells, weight: Weight) -> Weight:
        return jnp.clip(weight, cells.w_min, cells.w_max)

    def pulses(
        self,
        cells: Cells,
        weight: Weight,
        up: Num[Array, "out in"],
        down: Num[Array, "out in"],
        *,
        size: Scalar | float = 1.0,
        noise: Draws | None = None,
    ) -> Weight:
        """Send each cell `up` pulses up and `down` pulses down, each `size` of a full one, with the clip to the bounds.

        Args:
            cells: the devices.
            weight: where they stand.
            up: pulses of each cell: whole, or fractional for expected ones. If a cell gets both kinds, they are mixed evenly.
            down: likewise.
            size: step of one pulse relative to a full one.
            noise: the cycle noise; None leaves it out.
        """
        law = one_by_one if self.order == "slot" else type(self).burst
        return law(self, cells, weight, up, down, size, noise)


def spread(shape: tuple[int, int], key: Key, source: Source) -> Float[Array, "out in"]:
    """A standard normal for every device, from the stream of `source`."""
    rows, width = shape
    drawn = normal(stream(key, source), cell_index(rows, numbers(width), width)).astype(jnp.asarray(0.0, float).dtype)
    return jax.lax.optimization_barrier(drawn)  # otherwise XLA draws anew for each use, and compiles each
