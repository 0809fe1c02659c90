"""One-sided pair."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from ..._types import Scalar, Weight
from ...fields import part
from ..around.write_noise import WriteNoise
from ..base import AbstractCrosspoint
from ..step.constant_step import ConstantStep
from .base import AbstractUnitCell, UnitCells
from .refresh import Refresh

__all__ = ["OneSided"]


class OneSided(AbstractUnitCell):
    """A pair of devices that are pulsed up only; their difference is read.

        weight = g_plus - g_minus

    Pulses up go to g_plus and pulses down to g_minus, as pulses up. `jt.set_weights`
    puts max(w, 0) into g_plus and max(-w, 0) into g_minus. Sooner or later both are
    full: `refresh` resets such pairs and writes their difference again. (aihwkit
    `OneSidedUnitCell`, where g_minus is device 0 and g_plus device 1.)

    Attributes:
        device: what both of the pair are.
        refresh: when, and how; None: never.
    """

    device: AbstractCrosspoint = eqx.field(default_factory=ConstantStep)
    refresh: Refresh | None = part(Refresh, "is no Refresh; pass None or jaxtile.device.Refresh()", optional=True)

    def __check_init__(self) -> None:
        if self.refresh is not None and _has_write_noise(self.device):
            raise ValueError("OneSided.refresh needs a device without write noise, as in aihwkit; pass another, or refresh=None.")

    @property
    def parts(self) -> tuple[AbstractCrosspoint, ...]:
        return self.device, self.device

    @property
    def gammas(self) -> Sequence[float]:
        return (-1.0, 1.0)

    @property
    def routines(self) -> tuple[Refresh, ...]:
        return () if self.refresh is None else (self.refresh,)

    def share(self, k: int, up: Any, down: Any) -> tuple[Any, Any]:
        mine = up if k == 1 else down
        return mine, jnp.zeros_like(mine)

    def nominal_step(self, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        """A step of g_plus, or of g_minus, of a pair of which one device is empty, as
        `jt.set_weights` leaves it.
        """
        return self.device.nominal_step(jnp.maximum(weight if up else -weight, 0), up=True)

    def gain(self) -> float:
        return 1.0

    def bounds(self) -> tuple[Scalar, Scalar]:
        _, high = self.device.bounds()
        return -high, high

    def clip(self, cells: UnitCells, weight: Weight) -> Weight:
        minus, plus = (self.device.clip(one, jnp.full_like(weight, jnp.inf)) for one in cells.devices)
        return jnp.clip(weight, -minus, plus)

    def turn(self) -> Int[Array, ""] | None:
        return None if self.refresh is None else jnp.asarray(0, jnp.int32)


def _has_write_noise(device: AbstractCrosspoint) -> bool:
    """True if a device has write noise, also inside another one, such as `Drifting`."""

    def noisy(node):
        return isinstance(node, WriteNoise)

    return any(map(noisy, jax.tree.leaves(device, is_leaf=noisy)))
