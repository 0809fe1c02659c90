"""Accumulation with a dead band."""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._random import Draws
from ..device import Burst
from ..fields import Number, choice, number
from .base import AbstractHalfSelect
from .phases import Exposure

__all__ = ["Accumulation"]


class Accumulation(AbstractHalfSelect):
    """Half pulses add up in a counter of each cell, and move it only where they push
    the counter beyond a dead band.

        c <- clip(c +- 1, -dead_band, dead_band)
        w <- clip(w +- (step + noise) / kappa)       only if that clip was met

    A cell that is driven back and forth stays where it is. One that is driven one way
    takes `dead_band` half pulses from the middle, and twice as many from the other end.
    From then on it moves by 1 / kappa of a full step with each. Full pulses leave the
    counter as it is. (The backlash of a hysteretic cell, US patent 10755170, for half
    pulses only.)

    Half pulses of one vector that are sent at once (`order="aggregate"`) count by their
    net number. Vectors are sent one after another, also unit vectors. A counter starts
    in the middle.

    Attributes:
        dead_band: half pulses from the middle to either end, a whole number (or
            infinity). What is beyond it when the number comes under a trace is cut off;
            with expected counts (`jt.pulse.MeanField`) it counts, so that the band has
            a derivative.
        kappa: a half pulse beyond the band moves the cell by 1 / kappa of a full step.
        scheme, phases: see `AbstractHalfSelect`.
    """

    dead_band: Number = number(10.0, low=1.0, whole=True, finite=False)
    kappa: Number = number(1e1, low=1.0, finite=False)
    scheme: Literal["V/2", "V/3"] = choice("V/2", "V/3")
    phases: Literal["all", "active"] = choice("all", "active")

    def start(self, shape: tuple[int, int]) -> Float[Array, "out in"]:
        return jnp.zeros(shape, float)

    @property
    def remembers(self) -> bool:
        return True

    def bursts(
        self, cells: None, memory: Float[Array, "out in"], exposure: Exposure, noise: Draws | None
    ) -> tuple[tuple[Burst, ...], Float[Array, "out in"]]:
        up, down = self.weak(exposure)
        counter = memory + (up - down).astype(memory.dtype)
        band = self.dead_band if noise is None else jnp.floor(self.dead_band)
        held = jnp.clip(counter, -band, band)
        beyond = (counter - held).astype(up.dtype)
        size = 1 / self.kappa
        return (Burst(jnp.maximum(beyond, 0), jnp.maximum(-beyond, 0), size, size, noise),), held

    def gain(self) -> None:
        return None
