"""Write noise."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Shaped

from ..._numerics import safe_sqrt
from ..._random import Draws, Source
from ..._types import Weight, Weights
from ...fields import Number, flag, number, part
from ..base import Rewrite, State
from ..burst import Burst, Size
from ..cells import Cells
from ..step.base import AbstractPulsedDevice
from .base import AbstractWrapper

__all__ = ["WriteNoise", "Written"]


class Written(eqx.Module):
    """The state of devices with write noise: the weight that pulses move, and by how
    much it reads differently.
    """

    persistent: State
    noise: Weight


class WriteNoise(AbstractWrapper):
    """A device that never reads exactly as it was written: every write leaves an error,
    which stays until the next one.

        persistent <- what the device makes of it
        noise      <- noise sqrt(1 - s) + write_noise_std dw_min sqrt(s) xi       xi standard normal
        weight      = persistent + noise                                          not clipped

    A full pulse renews the whole noise, s = 1, and so do decay, diffusion, reset and a
    weight that is put in. A half pulse, of 1 / kappa the size, renews s = 1 / kappa of
    the variance. Cells that are not touched keep their noise. (aihwkit:
    `write_noise_std` of its devices.)

    Attributes:
        device: the device that is written.
        write_noise_std: spread of the noise, in units of the device's `dw_min`.
        apply_write_noise_on_set: whether `jt.set_weights` with a key leaves noise;
            without a key it never does.
    """

    device: AbstractPulsedDevice = part(
        AbstractPulsedDevice, "is not one pulsed device; pass one such as jaxtile.device.SoftBounds()", kw_only=False
    )
    write_noise_std: Number = number(0.0, low=0.0, units="weight")
    apply_write_noise_on_set: bool = flag(True)

    def inner(self, state: Written) -> Any:
        return state.persistent

    def start(self, shape: tuple[int, int]) -> Written:
        return Written(self.device.start(shape), jnp.zeros(shape, float))

    def weight(self, state: Written) -> Weights:
        return self.device.weight(state.persistent) + state.noise

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

    def _renew(self, persistent: State, old: Weight, share: Shaped[Array, "..."] | int, draws: Draws | None) -> Written:
        """Renew a share of the variance of the noise; without draws that share is lost."""
        share = jnp.asarray(share, old.dtype)
        noise = old * safe_sqrt(1 - share)
        if draws is not None:
            spread = self.write_noise_std * self.device.dw_min
            noise = noise + spread * safe_sqrt(share) * draws.fold(Source.WRITE_NOISE).normal(old.dtype)
        return Written(persistent, noise)


def _left(size: Size, count: Weight) -> Weight:
    """(1 - size)^count: the part of the variance that pulses leave, with slopes that
    are finite at its ends, too.
    """
    kept = jnp.asarray(1 - size, count.dtype)
    partly = kept > 0
    return jnp.where(count > 0, jnp.where(partly, jnp.where(partly, kept, 1) ** count, 0), 1)
