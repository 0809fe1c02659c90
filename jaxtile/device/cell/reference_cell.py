"""Reference cell."""

from collections.abc import Sequence
from typing import Any

from ...fields import Field, field, part
from ..base import AbstractCrosspoint
from ..step.constant_step import ConstantStep
from .base import AbstractUnitCell, as_parts
from .update_policy import SingleFixed

__all__ = ["ReferenceCell"]


class ReferenceCell(AbstractUnitCell):
    """A device of which a second one, the reference, is subtracted.

        weight = weight_0 - weight_1

    Only the connected device sees pulses, and only it takes the weights that are put
    in: device 0, until `jt.connect` chooses.

        tile = jt.connect(jt.set_weights(jt.connect(tile, 1), reference), 0)

    (aihwkit `ReferenceUnitCell`.)

    Attributes:
        devices: the device and its reference.
        update_policy: which of them is connected.
    """

    devices: Field[Sequence[AbstractCrosspoint], tuple[AbstractCrosspoint, ...]] = field(
        as_parts, default_factory=lambda: (ConstantStep(), ConstantStep()), kw_only=False
    )
    update_policy: SingleFixed = part(SingleFixed, "must be SingleFixed(0) or SingleFixed(1)", default=SingleFixed)

    def __check_init__(self) -> None:
        if len(self.devices) != 2:
            raise ValueError(f"ReferenceCell holds {len(self.devices)} devices; pass two, the device and its reference.")
        if self.update_policy.index > 1:
            raise ValueError(f"ReferenceCell.update_policy={self.update_policy!r} must be SingleFixed(0) or SingleFixed(1).")

    @property
    def parts(self) -> tuple[AbstractCrosspoint, ...]:
        return tuple(self.devices)

    @property
    def gammas(self) -> Sequence[float]:
        return (1.0, -1.0)

    def connected(self, k: int, turn: Any) -> bool:
        return k == self.update_policy.index

    def written(self, k: int) -> bool:
        return k == self.update_policy.index
