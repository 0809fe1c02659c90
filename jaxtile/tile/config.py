"""The configuration of a tile."""

import dataclasses
from typing import Any

from ..device import AbstractCrosspoint, AbstractDevice, ConstantStep, Ideal, SingleFixed
from ..fields import Checked, part
from ..half_select import AbstractHalfSelect
from ..periphery import IOParameters
from ..pulse import AbstractPulse, AbstractTrainPulse, StochasticCompressed

__all__ = ["TileConfig"]

_NO_PULSE = "is no pulse type; pass one of jaxtile.pulse, such as StochasticCompressed()"


def _periphery() -> Any:
    return part(IOParameters, "is no IOParameters; pass jaxtile.IOParameters()", default=IOParameters)


class TileConfig(Checked):
    """The configuration of a tile: what the hardware is.

    Attributes:
        device: how a pulse moves a conductance.
        pulse: how x and d become pulses.
        half_select: what cells suffer that see one line only; None: nothing (also right
            for arrays with a selector or transistor in each cell).
        forward, backward: the periphery of reading in either direction.
    """

    device: AbstractDevice = part(
        AbstractDevice, "is no device; pass one of jaxtile.device, such as ConstantStep()", default=ConstantStep, kw_only=False
    )
    pulse: AbstractPulse = part(AbstractPulse, _NO_PULSE, default=StochasticCompressed, kw_only=False)
    half_select: AbstractHalfSelect | None = part(
        AbstractHalfSelect, "must be None or an object of jaxtile.half_select, such as ConstantRatio()", optional=True
    )
    forward: IOParameters = _periphery()
    backward: IOParameters = _periphery()

    def __check_init__(self) -> None:
        if self.pulse.sends_pulses and not isinstance(self.pulse, AbstractTrainPulse):
            raise TypeError(f"TileConfig.pulse={self.pulse!r} {_NO_PULSE}.")
        if self.half_select is not None and not self.is_pulsed:
            raise ValueError(
                f"half_select={self.half_select!r} has nothing to act on: device={self.device!r} with pulse={self.pulse!r} "
                "sends no pulses. Use half_select=None, or a pulsed device with a pulse type that sends pulses."
            )
        if self.device.has_own_lines and self.pulse.uses_device and not self.pulse.sends_pulses:
            raise ValueError(f"pulse={self.pulse!r} sends no pulses, and device={self.device!r} sends some by itself.")
        if self.device.has_own_lines and self.half_select is not None and self.half_select.remembers:
            raise ValueError(
                f"half_select={self.half_select!r} remembers half pulses, but device={self.device!r} sends half pulses along lines "
                "of its own; use a disturb model without memory, such as ConstantRatio()."
            )
        if not isinstance(self.device, AbstractCrosspoint):
            return
        if self.pulse.mean_field and self.device.order == "slot":
            raise ValueError("pulse=MeanField() sends expected counts, which have no slots; use a device with order='aggregate'.")
        between = [routine for routine in self.device.routines if not routine.waits]
        if self.device.order == "batch" and between:
            raise ValueError(
                f"order='batch' sends all vectors of a call in one pass, but {between[0]!r} must act between them; use devices "
                "with order='aggregate'."
            )

    @property
    def built_device(self) -> AbstractDevice:
        """The device that stands in the array: an ideal one if the pulse type takes it
        so.
        """
        return self.device if self.pulse.uses_device else Ideal()

    @property
    def is_pulsed(self) -> bool:
        """True if an update is made of pulses."""
        return self.device.takes_pulses and self.pulse.sends_pulses

    @property
    def crosspoint(self) -> AbstractCrosspoint:
        """The device, where an update is made of pulses."""
        assert isinstance(self.device, AbstractCrosspoint)
        return self.device

    @property
    def trains(self) -> AbstractTrainPulse:
        """The pulse type, where an update is made of pulses."""
        assert isinstance(self.pulse, AbstractTrainPulse)
        return self.pulse

    def connect(self, index: int) -> "TileConfig":
        """The same hardware, its lines connected to another device of each of its unit
        cells.

        Raises:
            TypeError: the cells have no such choice.
        """
        if not isinstance(getattr(self.built_device, "update_policy", None), SingleFixed):
            raise TypeError(
                f"device={self.built_device!r} has no connection to choose; use ReferenceCell, or VectorCell with SingleFixed."
            )
        return dataclasses.replace(self, device=dataclasses.replace(self.device, update_policy=SingleFixed(index)))

    @property
    def skips_phases(self) -> bool:
        """True if sub-phases are skipped in which nothing can be selected."""
        return self.half_select is not None and self.half_select.phases == "active"

    @property
    def keeps_no_order(self) -> bool:
        """True if the unit vectors of a batch can be sent at once, because nothing asks
        for one after another.
        """
        remembers = self.half_select is not None and self.half_select.remembers
        return self.crosspoint.order != "slot" and not remembers
