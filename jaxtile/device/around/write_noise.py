"""Write noise."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Num

from ..._random import Draws, Source
from ..._types import Key, Scalar, Weight
from ...fields import Number, flag, number, part
from ..base import AbstractCrosspoint, Rewrite
from ..burst import Burst, Size
from ..cells import Cells
from ..pulsed import AbstractPulsedDevice

__all__ = ["WriteNoise", "Written"]


class Written(eqx.Module):
    """The state of devices with write noise: the weight that pulses move, and by how much it reads differently."""

    persistent: Weight
    noise: Weight


class WriteNoise(AbstractCrosspoint):
    """A device that never reads exactly as it was written: every write leaves an error, which stays until the next one.

        persistent <- what the device makes of it
        noise      <- noise sqrt(1 - s) + write_noise_std dw_min sqrt(s) xi       xi standard normal
        weight      = persistent + noise                                          not clipped

    A full pulse renews the whole noise, s = 1, and so do decay, diffusion, reset and a weight that is put in; a half pulse,
    of 1 / kappa the size, renews s = 1 / kappa of the variance. What is not touched keeps its noise. (aihwkit:
    `write_noise_std` of its devices.)

    Attributes:
        device: what is written.
        write_noise_std: spread of the noise, in units of the device's `dw_min`.
        apply_write_noise_on_set: whether `jt.set_weights` with a key leaves noise; without a key it never does.
    """

    device: AbstractPulsedDevice = part(
        AbstractPulsedDevice, "is not one pulsed device; pass one such as jaxtile.device.SoftBounds()", kw_only=False
    )
    write_noise_std: Number = number(0.0, low=0.0, units="weight")
    apply_write_noise_on_set: bool = flag(True)

    @property
    def order(self) -> Literal["aggregate", "slot"]:
        return self.device.order

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> Cells:
        return self.device.fabricate(shape, key=key)

    def start(self, shape: tuple[int, int]) -> Written:
        return Written(self.device.start(shape), jnp.zeros(shape, float))

    def weight(self, state: Written) -> Weight:
        return state.persistent + state.noise

    def held(self, state: Written) -> Weight:
        return state.persistent

    def bounds(self) -> tuple[Scalar, Scalar]:
        return self.device.bounds()

    def clip(self, cells: Cells, weight: Weight) -> Weight:
        return self.device.clip(cells, weight)

    def granularity(self) -> Scalar:
        return self.device.granularity()

    def nominal_step(self, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        return self.device.nominal_step(weight, up=up)

    def write(self, cells: Cells, state: Written, weight: Weight, *, noise: Draws | None = None) -> Written:
        written = self.device.write(cells, state.persistent, weight)
        return self._renew(written, jnp.zeros_like(state.noise), 1, noise if self.apply_write_noise_on_set else None)

    def add(self, cells: Cells, state: Written, change: Weight, *, noise: Draws | None = None) -> Written:
        return self._renew(self.device.add(cells, state.persistent, change), state.noise, change != 0, noise)

    def pulses(self, cells: Cells, state: Written, *bursts: Burst) -> Written:
        written = Written(self.device.pulses(cells, state.persistent, *bursts), state.noise)
        for burst in bursts:
            up, down = burst.up.astype(state.noise.dtype), burst.down.astype(state.noise.dtype)
            renewed = 1 - _left(burst.size_up, up) * _left(burst.size_down, down)
            written = self._renew(written.persistent, written.noise, renewed, burst.noise)
        return written

    def rewrite(self, cells: Cells, state: Written, law: Rewrite, *, noise: Draws | None = None) -> Written:
        if noise is None:
            raise ValueError("Devices with write noise are written anew when they decay: pass key=jax.random.key(seed).")
        return self._renew(self.device.rewrite(cells, state.persistent, law, noise=noise), state.noise, 1, noise)

    def _renew(self, persistent: Weight, old: Weight, share: Num[Array, "..."] | int, draws: Draws | None) -> Written:
        """Renew a share of the variance of the noise; without draws that share is lost."""
        share = jnp.asarray(share, old.dtype)
        noise = old * _root(1 - share)
        if draws is not None:
            spread = self.write_noise_std * self.device.dw_min
            noise = noise + spread * _root(share) * draws.fold(Source.WRITE_NOISE).normal(old.dtype)
        return Written(persistent, noise)


def _left(size: Size, count: Weight) -> Weight:
    """(1 - size)^count: the part of the variance that pulses leave, with slopes that are finite at its ends, too."""
    kept = jnp.asarray(1 - size, count.dtype)
    partly = kept > 0
    return jnp.where(count > 0, jnp.where(partly, jnp.where(partly, kept, 1) ** count, 0), 1)


def _root(share: Num[Array, "..."]) -> Num[Array, "..."]:
    """A square root whose slope is finite at zero, too."""
    return jnp.where(share > 0, jnp.sqrt(jnp.where(share > 0, share, 1)), 0)
