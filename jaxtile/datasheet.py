"""Datasheets: everything that a controller may know of the hardware."""

import equinox as eqx
import jax.numpy as jnp

from ._numerics import divisor
from ._show import text_of
from ._types import Scalar, as_shape, is_concrete
from .device import AbstractCrosspoint, ConstantStep
from .tile import Chip, Now, Tally, Tile, TileConfig

__all__ = ["Datasheet"]


class Datasheet(eqx.Module):
    """Everything that is written down for all chips of a kind, and nothing that was
    measured of one of them.

    A controller has it: methods, gates and compensations take from it the numbers that
    they are not given. It holds nominal devices, and no cells, no weights and no
    counts.

    Devices that take no pulses add what they are told to. Whoever counts steps all the
    same counts those of a `ConstantStep()`.

    Attributes:
        config: the hardware; None: nothing is written down but the shape.
        shape: (out, in).
    """

    config: TileConfig | None
    shape: tuple[int, int] = eqx.field(static=True)

    def __repr__(self) -> str:
        return f"Datasheet({' x '.join(map(str, self.shape))}, {self.config!r})"

    __pdoc__ = text_of

    @classmethod
    def of(cls, config: TileConfig | None, shape: tuple[int, int]) -> "Datasheet":
        """The datasheet of tiles of a shape, (out, in).

        Raises:
            TypeError, ValueError: these are no configuration and no shape.
        """
        if not isinstance(config, TileConfig | None):
            raise TypeError(f"config={config!r:.80} is no hardware; pass a TileConfig, or None if nothing is known of it.")
        return cls(config, as_shape(shape))

    @property
    def hardware(self) -> TileConfig:
        """The configuration.

        Raises:
            ValueError: nothing is written down.
        """
        if self.config is None:
            raise ValueError(
                "The datasheet holds a shape alone, and the method asks for more of the hardware: say it, as in "
                "RiskSVD(dw_min=0.001, dw_min_std=0.3), ProgramVerify(model=device.SoftBounds()) or PowerSVD(read_noise=0.06)."
            )
        return self.config

    @property
    def is_pulsed(self) -> bool:
        """True if it is known that updates are made of pulses."""
        return self.config is not None and self.config.is_pulsed

    @property
    def device(self) -> AbstractCrosspoint:
        """The device whose `nominal_step` a pulse makes.

        Raises:
            ValueError: nothing is written down, or that step moves the weight the wrong
                way.
        """
        if not self.hardware.is_pulsed:
            return ConstantStep()
        device = self.hardware.crosspoint
        gamma = device.gain()
        if is_concrete(gamma) and not gamma > 0:
            raise ValueError(
                f"device={device!r} counts {float(gamma):g} of the step of a pulse, so that no pulse moves the weight as it is "
                "told to; connect a device that counts more than 0 (jaxtile.connect)."
            )
        return device

    @property
    def gamma(self) -> Scalar:
        """The part of a step that counts in the weight."""
        return jnp.asarray(self.device.gain() if self.is_pulsed else 1.0, float)

    @property
    def dw_min(self) -> Scalar:
        """Mean size of a step of the weight, at weight zero; 0 without pulses."""
        (up, _), (down, _) = self._steps_at_zero()
        return self.gamma * (up + down) / 2 if self.is_pulsed else jnp.zeros((), float)

    @property
    def dw_min_std(self) -> Scalar:
        """Spread of that step from cycle to cycle, relative."""
        up, down = (spread / divisor(mean) for mean, spread in self._steps_at_zero())
        return (up + down) / 2

    def _steps_at_zero(self) -> list[tuple[Scalar, Scalar]]:
        """Mean and spread, upwards and downwards."""
        steps = (self.device.nominal_step(jnp.zeros((1, 1), float), up=up) for up in (True, False))
        return [(mean[0, 0], spread[0, 0]) for mean, spread in steps]

    @property
    def kappa(self) -> Scalar | None:
        """A full step over that of a half-selected cell under V/2; infinite without
        half-selection.

        None where it is not the same for all half pulses.
        """
        half_select = self.hardware.half_select
        return jnp.asarray(jnp.inf, float) if half_select is None else half_select.ratio()

    @property
    def read_noise(self) -> Scalar:
        """Spread of the noise on each output of a backward read, relative to the
        largest entry of its vector.
        """
        io = self.hardware.backward
        return jnp.zeros((), float) if io.is_perfect or io.out_noise is None else io.out_noise

    def tile(self) -> Tile:
        """A tile of nominal devices at weight zero."""
        config, shape = self.hardware, self.shape
        device, half_select = config.built_device, config.half_select
        half_cells = None if half_select is None else half_select.fabricate(shape, key=None)
        memory = None if half_select is None else half_select.start(shape)
        cells = device.fabricate(shape, key=None)
        now = Now(device.settle(cells, device.start(shape)), Tally.start(), half_memory=memory)
        return Tile(config, Chip(shape, cells, half_cells), now)
