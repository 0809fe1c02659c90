"""Drift."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from ..._random import Draws, Source
from ..._types import Key, Scalar, Weight
from ...fields import Number, number, part
from ..base import State
from ..cells import AbstractCells
from ..fabrication import spread
from ..step.base import MOST, AbstractPulsedDevice
from .base import AbstractWrapper
from .write_noise import WriteNoise

__all__ = ["DriftCells", "Drifted", "Drifting"]


class DriftCells(AbstractCells):
    """Devices, and how fast each of them drifts."""

    device: AbstractCells
    nu: Weight


class Drifted(eqx.Module):
    """The state of devices that drift.

    Attributes:
        device: state of the devices that drift.
        start: the weights at which their drift started.
        seen: weights that the last drift left; infinity before the first.
        age: time that they have drifted, in units of `t_0`.
    """

    device: State
    start: Weight
    seen: Weight
    age: Weight


class Drifting(AbstractWrapper):
    """A device that loses its conductance by a power law of time, from when it was last
    written.

        w(t) = w_0 f + (g_offset wg_ratio + w_offset)(f - 1),    f = max(t / t_0, 1)^-nu
        nu   = nu_device (1 + nu_std xi) - nu_k (log((w - w_offset) / wg_ratio + g_offset) - log_g0)

    with nu_device = nu (1 + nu_dtod xi), fabricated, w the weight before, and a fresh
    xi, standard normal, in each call of `jt.drift`. Noise of `w_noise_std` is added at
    the end, but does not pile up, since w_0 stays. Pulses know nothing of time: what
    has moved by more than `reset_tol` since the last call starts anew with the next
    one. The first call takes all weights as written at time zero. Nothing drifts before
    `t_0`. Of a device with write noise the persistent weight drifts, and the noise is
    renewed. (Oh et al., IEEE Electron Device Lett. 40:1325, 2019; aihwkit
    `DriftParameter`.)

    Attributes:
        device: what drifts: a pulsed device, or one with write noise.
        nu, nu_dtod, nu_std: the exponent, and its spread from device to device and from
            call to call, relative.
        t_0: unit of time.
        reset_tol: change of a weight, in weight units, that counts as a write.
        wg_ratio, g_offset, w_offset: the conductance of a weight is (w - w_offset) /
            wg_ratio + g_offset.
        nu_k, log_g0: how nu falls with the logarithm of the conductance (of a positive
            one), and where it is zero.
        w_noise_std: noise of the weight after a drift, in weight units.
    """

    device: AbstractPulsedDevice | WriteNoise = part(
        (AbstractPulsedDevice, WriteNoise), "is not one pulsed device; pass one such as jaxtile.device.SoftBounds()", kw_only=False
    )
    nu: Number = number(0.0, low=0.0)
    nu_dtod: Number = number(0.0, low=0.0)
    nu_std: Number = number(0.0, low=0.0)
    t_0: Number = number(1.0, low=0.0, open=True)
    reset_tol: Number = number(1e-7, low=0.0)
    wg_ratio: Number = number(1.0, low=0.0, open=True)
    g_offset: Number = number(0.0)
    w_offset: Number = number(0.0, units="weight")
    nu_k: Number = number(0.0)
    log_g0: Number = number(0.0)
    w_noise_std: Number = number(0.0, low=0.0, units="weight")

    def inner(self, state: Drifted) -> Any:
        return state.device

    def inner_cells(self, cells: DriftCells) -> Any:
        return cells.device

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> DriftCells:
        nu = self.nu * (1 + self.nu_dtod * spread(shape, key, Source.DRIFT_EXPONENT))
        return DriftCells(self.device.fabricate(shape, key=key), nu)

    def start(self, shape: tuple[int, int]) -> Drifted:
        state, zero = self.device.start(shape), jnp.zeros(shape, float)
        return Drifted(state, start=zero, seen=jnp.full_like(zero, jnp.inf), age=zero)

    @property
    def drifts(self) -> bool:
        return True

    def drift(self, cells: DriftCells, state: Drifted, time: Scalar, noise: Draws) -> Drifted:
        weight, elapsed = self.held(state), time / self.t_0
        fresh = jnp.isinf(state.seen)
        written = ~fresh & ~(jnp.abs(state.seen - weight) <= self.reset_tol)  # what is NaN, too
        start = jnp.where(fresh | written, weight, state.start)
        age = jnp.where(written, 0, state.age + elapsed)

        conductance = (weight - self.w_offset) / self.wg_ratio + self.g_offset
        above = jnp.where(conductance > 0, jnp.log(jnp.where(conductance > 0, conductance, 1)) - self.log_g0, 0)
        nu = cells.nu * (1 + self.nu_std * noise.fold(Source.DRIFT_CYCLE).normal(weight.dtype)) - self.nu_k * above
        left = jnp.minimum(jnp.maximum(age, 1) ** -nu, MOST)
        drifted = start * left + (self.g_offset * self.wg_ratio + self.w_offset) * (left - 1)
        moved = jnp.where(written, weight, drifted) + self.w_noise_std * noise.fold(Source.DRIFT_NOISE).normal(weight.dtype)
        device: Any = self.device.rewrite(self.inner_cells(cells), state.device, lambda *_: moved, noise=noise)
        return Drifted(device, start, seen=self.device.held(device), age=age)
