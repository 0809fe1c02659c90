"""The parameters that all single pulsed devices share, and their spread over the
devices.

To add a device: subclass `AbstractPulsedDevice` in a file of `step/` and write `step`.
If its cells have parameters of their own, extend `fabricate`. If its steps are constant
or affine in the weight, name the `burst` law that sums many of them in closed form.
"""

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..._random import Draws, Source
from ..._types import Key, Scalar, Weight, is_concrete
from ...fields import Number, choice, flag, number
from ..base import AbstractCrosspoint, Order, Rewrite, State
from ..burst import Burst, affine, in_parts, mixed, one_by_one
from ..cells import Cells
from ..fabrication import chance, folded_pair, spread

__all__ = ["MOST", "WIDEST", "AbstractPulsedDevice"]

# A response beyond it counts as this: it crosses any range all the same, and its square
# is finite in single precision.
MOST = 1e9
# A relative spread beyond it is refused: products of two with a weight are finite.
WIDEST = 1e6
_LONGEST = 1e13  # a step beyond it crosses any range; the square of its spread is finite


class AbstractPulsedDevice(AbstractCrosspoint):
    """A device that is moved by pulses, with the parameters that all of them share
    (names and defaults are aihwkit's).

    Fabrication, with a fresh standard normal xi for each parameter of each device:

        gain      = 1 + dw_min_dtod xi                    one for both directions; exp(dw_min_dtod xi) if log-normal
        imbalance = up_down_dtod xi
        step_up   = |gain + imbalance + min(up_down, 0)| dw_min
        step_down = |gain - imbalance - max(up_down, 0)| dw_min
        w_max     = |w_max (1 + w_max_dtod xi)|,   w_min = -|w_min (1 + w_min_dtod xi)|

        lifetime  = lifetime (1 + lifetime_dtod xi),   decay_scale = 1 - 1 / lifetime (0 if below 1; 1 if `lifetime` is 0)
        diffusion_rate = |diffusion (1 + diffusion_dtod xi)|,   reset_bias = reset + reset_dtod xi

    `up_down` only ever shrinks one side: the down step if positive, the up step if
    negative. Without `enforce_consistency` steps keep their signs, and bounds in the
    wrong order fix a device at the middle between them.

    Attributes:
        dw_min: mean size of one step at weight zero, in normalised conductance.
        dw_min_dtod: its device-to-device spread, relative.
        dw_min_dtod_log_normal: spread the logarithm of the step by `dw_min_dtod`
            (`dw_min` is then the median).
        dw_min_std: cycle noise: spread of one step, relative to its size.
        up_down, up_down_dtod: mean and device-to-device spread of the imbalance of up
            and down steps, relative to `dw_min`.
        w_max, w_min: mean bounds of the weight (w_min <= 0 <= w_max).
        w_max_dtod, w_min_dtod: their device-to-device spread, relative.
        enforce_consistency: fold steps to positive sizes, and bounds to either side of
            zero, as above.
        perfect_bias: the devices of the last column are nominal, with bounds a hundred
            times as wide.
        corrupt_devices_prob: chance of a device to be stuck, at a value drawn evenly
            from its range and within `corrupt_devices_range` of zero.
        corrupt_devices_range: the largest |weight| at which a device can be stuck.
        lifetime, lifetime_dtod: mean number of decays (`jt.decay`) to lose the weight,
            and its relative spread; 0: no decay.
        diffusion, diffusion_dtod: spread of one diffusion (`jt.diffuse`) in weight
            units, and its relative spread.
        reset, reset_dtod, reset_std: mean, device-to-device and cycle-to-cycle spread
            of the weight after a reset (`jt.reset`), in weight units.
        order: how the pulses of a call of `jt.update` are summed.
            "aggregate", the default: vector by vector, the pulses of each in one go, by
            the device's `burst` law.
            "slot": slot by slot and phase by phase, which is exact and slow: to check a
            result.
            "batch": the pulses of all vectors together, up and down apart, in one go:
            to train, where a cell gets a few pulses in a call. It is many times faster
            on an accelerator, and where many rows pulse; on a CPU, vectors of which few
            rows pulse take about as long one by one.
            For constant steps it is exact away from bounds. Elsewhere its error grows
            with the pulses of a cell in a call (docs/explanation/aggregate.md). Use "aggregate"
            where these take a weight through a good part of its range.

    Class attributes:
        burst: how "aggregate" sums many pulses; exact unless the docstring of the law
            says otherwise.
        response: the parameters that the response to single pulses determines; what
            `jt.device.fit` estimates. None are named where only arrays shape the
            response.
    """

    burst: ClassVar[Callable[..., Weight]] = staticmethod(one_by_one)
    response: ClassVar[tuple[str, ...]] = ("dw_min", "up_down")

    dw_min: Number = number(0.001, low=0.0, open=True, units="weight")
    dw_min_dtod: Number = number(0.3, low=0.0, most=WIDEST)
    dw_min_dtod_log_normal: bool = flag(False)
    dw_min_std: Number = number(0.3, low=0.0, most=WIDEST)
    up_down: Number = number(0.0, low=-1.0, high=1.0)
    up_down_dtod: Number = number(0.01, low=0.0, most=WIDEST)
    w_max: Number = number(0.6, low=0.0, units="weight")
    w_max_dtod: Number = number(0.3, low=0.0, most=WIDEST)
    w_min: Number = number(-0.6, high=0.0, units="weight")
    w_min_dtod: Number = number(0.3, low=0.0, most=WIDEST)
    enforce_consistency: bool = flag(True)
    perfect_bias: bool = flag(False)
    corrupt_devices_prob: Number = number(0.0, low=0.0, high=1.0)
    corrupt_devices_range: Number = number(0.1, low=0.0, units="weight")
    lifetime: Number = number(0.0, low=0.0, units="decays")
    lifetime_dtod: Number = number(0.0, low=0.0, most=WIDEST)
    diffusion: Number = number(0.0, low=0.0, units="weight")
    diffusion_dtod: Number = number(0.0, low=0.0, most=WIDEST)
    reset: Number = number(0.0, units="weight")
    reset_dtod: Number = number(0.0, low=0.0, units="weight")
    reset_std: Number = number(0.01, low=0.0, units="weight")
    order: Order = choice("aggregate", "slot", "batch")  # pyright: ignore[reportIncompatibleMethodOverride]

    @abc.abstractmethod
    def step(self, cells: Any, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        """Mean size of the next step in one direction (positive: in that direction),
        and its spread from cycle to cycle.
        """

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> Cells:
        """Fabricate `shape` devices: draw the parameters that all pulsed devices share;
        without a key all are nominal.
        """
        lengthen = self.dw_min_dtod * spread(shape, key, Source.GAIN)
        gain = jnp.exp(lengthen) if self.dw_min_dtod_log_normal else 1 + lengthen
        imbalance = self.up_down_dtod * spread(shape, key, Source.IMBALANCE)
        fold = self.enforce_consistency
        steps = (self.dw_min * share for share in folded_pair(gain, imbalance, self.up_down, fold=fold))
        step_up, step_down = (jnp.clip(step, -_LONGEST, _LONGEST) for step in steps)
        upper = self.w_max * (1 + self.w_max_dtod * spread(shape, key, Source.UPPER_BOUND))
        lower = self.w_min * (1 + self.w_min_dtod * spread(shape, key, Source.LOWER_BOUND))
        if fold:
            # A wide spread can draw the bounds in the wrong order: swap them, then fold
            # each onto its side of zero, as aihwkit does.
            w_min, w_max = -jnp.abs(jnp.minimum(lower, upper)), jnp.abs(jnp.maximum(lower, upper))
        else:
            middle = (lower + upper) / 2
            w_min, w_max = jnp.minimum(lower, middle), jnp.maximum(upper, middle)

        stuck = (chance(shape, key, Source.CORRUPT) < self.corrupt_devices_prob) & (key is not None)
        low, high = jnp.maximum(w_min, -self.corrupt_devices_range), jnp.minimum(w_max, self.corrupt_devices_range)
        stuck_at = low + (high - low) * chance(shape, key, Source.STUCK_AT)
        step_up, step_down = jnp.where(stuck, 0, step_up), jnp.where(stuck, 0, step_down)
        w_min, w_max = jnp.where(stuck, stuck_at, w_min), jnp.where(stuck, stuck_at, w_max)

        if self.perfect_bias and key is not None:
            step_up, step_down = (step.at[:, -1].set(self.dw_min) for step in (step_up, step_down))
            w_min, w_max = w_min.at[:, -1].set(100 * self.w_min), w_max.at[:, -1].set(100 * self.w_max)

        lifetime = self.lifetime * (1 + self.lifetime_dtod * spread(shape, key, Source.LIFETIME))
        decays = jnp.where(lifetime > 1, 1 - 1 / jnp.where(lifetime > 1, lifetime, 1), 0)
        diffusion = self.diffusion * (1 + self.diffusion_dtod * spread(shape, key, Source.DIFFUSION))
        return Cells(
            step_up,
            step_down,
            w_min=w_min,
            w_max=w_max,
            decay_scale=jnp.where(self.lifetime > 0, decays, 1),
            diffusion_rate=jnp.abs(diffusion),
            reset_bias=self.reset + self.reset_dtod * spread(shape, key, Source.RESET_BIAS),
        )

    def granularity(self) -> Scalar:
        return self.dw_min

    def nominal_step(self, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        out, width = weight.shape
        cells = self.fabricate((out, width), key=None)
        return self.step(cells, self.clip(cells, weight), up=up)

    def bounds(self) -> tuple[Scalar, Scalar]:
        return self.w_min, self.w_max

    @property
    def decays(self) -> bool:
        return _may_be_positive(self.lifetime)

    @property
    def diffuses(self) -> bool:
        return _may_be_positive(self.diffusion)

    def clip(self, cells: Cells, weight: Weight) -> Weight:
        return jnp.clip(weight, cells.w_min, cells.w_max)

    def pulses(self, cells: Cells, state: Weight, *bursts: Burst) -> Weight:
        law = one_by_one if self.order == "slot" else type(self).burst
        if self.order == "batch":
            law = _OF_BATCH.get(law, law)
        return law(self, cells, state, *bursts)

    def after_reset(self, cells: Cells, noise: Draws) -> Weight:
        """Where a reset leads: `reset_bias + reset_std xi`."""
        return cells.reset_bias + self.reset_std * noise.fold(Source.RESET).normal(cells.reset_bias.dtype)

    def rewrite(self, cells: Cells, state: State, law: Rewrite, *, noise: Draws | None = None) -> State:
        return self.write(cells, state, law(self, cells, self.held(state), noise), noise=noise)


# How a law sums up the pulses of all vectors, full and half ones mixed.
_OF_BATCH = {one_by_one: in_parts, affine: mixed}


def _may_be_positive(number: Array) -> bool:
    """False if a number, or all of a batch of tiles, is known to be zero."""
    return not is_concrete(number) or bool(np.any(np.asarray(number) > 0))  # under a trace of other numbers, too
