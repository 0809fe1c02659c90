"""What a controller may know of the hardware."""

from typing import Self

import equinox as eqx
import jax.numpy as jnp

from ._types import Scalar, is_concrete
from .device import AbstractCrosspoint, ConstantStep
from .tile import Chip, Now, Tally, Tile, TileConfig

__all__ = ["Datasheet"]


class Datasheet(eqx.Module):
    """Everything that is written down for all chips of a kind, and nothing that was measured of one of them.

    A controller has it: methods, gates and compensations take from it the numbers that
    they are not given. So it holds nominal devices and no cells, no weights and no counts.

    Devices that take no pulses add what they are told to. Whoever counts steps all the
    same counts them as those of `ConstantStep()`.

    Attributes:
        config: the hardware.
        shape: (out, in).
    """

    config: TileConfig
    shape: tuple[int, int] = eqx.field(static=True)

    @classmethod
    def of(cls, config: TileConfig, shape: tuple[int, int]) -> Self:
        """The datasheet of tiles of a shape, (out, in)."""
        return cls(config, shape)

    @property
    def device(self) -> AbstractCrosspoint:
        """The device whose `nominal_step` a pulse makes.

        Raises:
            ValueError: that step moves the weight the wrong way, or not at all.
        """
        if not self.config.is_pulsed:
            return ConstantStep()
        device = self.config.crosspoint
        gamma = device.gamma()
        if is_concrete(gamma) and not gamma > 0:
            raise ValueError(
                f"device={device!r} counts {float(gamma):g} of the step of a pulse, so that no pulse moves the weight as it is "
                "told to; connect a device that counts more than 0 (jaxtile.connect)."
            )
        return device

    @property
    def granularity(self) -> Scalar:
        """The size of step that pulses are planned with."""
        return self.device.granularity()

    @property
    def gamma(self) -> Scalar:
        """The part of a step that counts in the weight."""
        return jnp.asarray(self.device.gamma(), float)

    @property
    def dw_min(self) -> Scalar:
        """Mean size of a step of the weight, at weight zero; 0 without pulses."""
        if not self.config.is_pulsed:
            return jnp.zeros((), float)
        (up, _), (down, _) = self._steps_at_zero()
        return self.gamma * (up + down) / 2

    @property
    def dw_min_std(self) -> Scalar:
        """Spread of that step from cycle to cycle, relative."""
        up, down = (spread / jnp.where(mean > 0, mean, 1) for mean, spread in self._steps_at_zero())
        return (up + down) / 2

    def _steps_at_zero(self) -> list[tuple[Scalar, Scalar]]:
        """Mean and spread, upwards and downwards."""
        steps = (self.device.nominal_step(jnp.zeros((1, 1), float), up=up) for up in (True, False))
        return [(mean[0, 0], spread[0, 0]) for mean, spread in steps]

    @property
    def kappa(self) -> Scalar | None:
        """A full step over that of a half-selected cell under V/2; infinite without half-selection.

        None where it is not the same for all half pulses.
        """
        half_select = self.config.half_select
        return jnp.asarray(jnp.inf, float) if half_select is None else half_select.ratio()

    def tile(self) -> Tile:
        """A tile of nominal devices at weight zero."""
        device, half_select = self.config.built_device, self.config.half_select
        half_cells = None if half_select is None else half_select.init(self.shape, key=None)
        memory = None if half_select is None else half_select.start(self.shape)
        chip = Chip(self.shape, device.init(self.shape, key=None), half_cells)
        return Tile(self.config, chip, Now(device.start(self.shape), Tally.start(), half_memory=memory))

    @property
    def read_noise(self) -> Scalar:
        """Spread of the noise on each output of a backward read, relative to the largest entry of its vector."""
        io = self.config.backward
        return jnp.zeros((), float) if io.is_perfect or io.out_noise is None else io.out_noise
