"""Field-driven switching."""

from typing import Literal

import jax.numpy as jnp

from .._random import Draws
from .._types import Scalar
from ..device import Burst
from ..fields import Number, choice, number
from .base import AbstractHalfSelect
from .phases import Exposure

__all__ = ["Sinh"]


class Sinh(AbstractHalfSelect):
    """Field-driven ionic drift: the switching rate grows as sinh(V / V_0), and so does
    the step of a pulse of given width.

    With u = V / V_0 a half-selected cell moves by 1 / kappa of a full step, cycle noise
    included and drawn anew:

        V/2:  kappa = sinh(u) / sinh(u / 2) = 2 cosh(u / 2)
        V/3:  kappa = sinh(u) / sinh(u / 3) = 1 + 2 cosh(2 u / 3)      and idle cells see the opposite third

    A device of kappa = 10, 100, 1000 or 1e4 under V/2 has u = 4.58, 9.21, 13.8 or 18.4,
    and kappa = 22, 465, 1.0e4 or 2.2e5 under V/3. (The law is that of ions hopping in a
    field, Mott and Gurney, "Electronic Processes in Ionic Crystals", 1940.)

    Attributes:
        voltage: the write voltage V of a fully selected cell, in volts.
        v_0: the voltage V_0 that sets how steep the device is, in volts.
        scheme, phases: see `AbstractHalfSelect`.
    """

    voltage: Number = number(1.0, low=0.0, open=True)
    v_0: Number = number(0.0724, low=0.0, open=True)
    scheme: Literal["V/2", "V/3"] = choice("V/2", "V/3")
    phases: Literal["all", "active"] = choice("all", "active")

    @property
    def kappa(self) -> Scalar:
        """Switching rate at the full voltage over that at the half-select voltage."""
        u = self.voltage / self.v_0
        return 2 * jnp.cosh(u / 2) if self.scheme == "V/2" else 1 + 2 * jnp.cosh(2 * u / 3)

    def bursts(self, cells: None, memory: None, exposure: Exposure, noise: Draws | None) -> tuple[tuple[Burst, ...], None]:
        size = 1 / self.kappa
        return (Burst(*self.weak(exposure), size, size, noise),), None

    def ratio(self) -> Scalar | None:
        return self.kappa if self.scheme == "V/2" else None

    def gain(self) -> Scalar:
        return 1 - self.parts / self.kappa
