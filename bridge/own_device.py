"""A device that aihwkit does not know, in aihwkit's configurations."""

from dataclasses import dataclass

import jaxtile as jt

__all__ = ["OwnDevice"]


@dataclass
class OwnDevice:
    """Any device of jaxtile's, one's own included, as the `device` of an
    `RPUConfigWithProgram`.

    Attributes:
        device: how a pulse moves a conductance. It says itself how pulses are executed;
            the configuration's `order` does not.
        construction_seed: fabricates the same chip each time, unless it is 0.
    """

    device: jt.device.AbstractDevice
    construction_seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.device, jt.device.AbstractDevice):
            raise TypeError(f"device={self.device!r} is not a device of jaxtile; pass one, such as jaxtile.device.SoftBounds().")

    def requires_decay(self) -> bool:
        """True if training steps end with a decay."""
        return self.device.decays

    def requires_diffusion(self) -> bool:
        """True if training steps end with a diffusion."""
        return self.device.diffuses
