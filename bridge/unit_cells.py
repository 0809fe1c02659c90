"""aihwkit's unit cells as jaxtile's, and back: which field is which. What they are made
of is translated by `config`.
"""

from collections.abc import Callable
from typing import Any

from aihwkit.exceptions import ConfigError
from aihwkit.simulator.configs.compounds import OneSidedUnitCell, ReferenceUnitCell, UnitCell, VectorUnitCell
from aihwkit.simulator.parameters.enums import VectorUnitCellUpdatePolicy as Policy

import jaxtile as jt

__all__ = ["UNIT_CELLS", "from_unit_cell", "to_unit_cell"]

UNIT_CELLS = {
    VectorUnitCell: jt.device.VectorCell,
    ReferenceUnitCell: jt.device.ReferenceCell,
    OneSidedUnitCell: jt.device.OneSided,
}
_POLICIES = {
    Policy.ALL: lambda index: jt.device.All(),
    Policy.SINGLE_FIXED: jt.device.SingleFixed,
    Policy.SINGLE_SEQUENTIAL: jt.device.SingleSequential,
    Policy.SINGLE_RANDOM: lambda index: jt.device.SingleRandom(),
}


def from_unit_cell(cell: Any, devices: tuple, pulse: Callable, io: Callable) -> jt.device.AbstractUnitCell:
    """The unit cell of these devices, already translated; `pulse` and `io` translate
    what a refresh needs.
    """
    if isinstance(cell, OneSidedUnitCell):
        if not 1 <= len(devices) <= 2 or type(devices[0]) is not type(devices[-1]):
            raise ConfigError(f"device.unit_cell_devices={cell.unit_cell_devices!r}: a one-sided pair is of one or two of a kind.")
        refresh = None
        if cell.refresh_every > 0:
            refresh = jt.device.Refresh(
                every=cell.refresh_every,
                units_in_mbatch=cell.units_in_mbatch,
                upper_thres=cell.refresh_upper_thres,
                lower_thres=cell.refresh_lower_thres,
                forward=io(cell.refresh_forward, "device.refresh_forward"),
                update=pulse(cell.refresh_update),
            )
        return jt.device.OneSided(device=devices[0], refresh=refresh)
    policy = _POLICIES[cell.update_policy](cell.first_update_idx)
    if isinstance(cell, ReferenceUnitCell):
        return jt.device.ReferenceCell(devices=(devices[0], devices[min(1, len(devices) - 1)]), update_policy=policy)
    return jt.device.VectorCell(devices=devices, update_policy=policy, gamma_vec=cell.gamma_vec or None)


def to_unit_cell(cell: jt.device.AbstractUnitCell, device: Callable, update: Callable, io: Callable) -> UnitCell:
    """The aihwkit unit cell that `from_unit_cell` translates into this one."""
    devices = [device(part) for part in cell.parts]
    if isinstance(cell, jt.device.OneSided):
        refresh = cell.refresh
        if refresh is None:
            return OneSidedUnitCell(devices[:1])
        return OneSidedUnitCell(
            devices[:1],
            refresh_every=refresh.every,
            units_in_mbatch=refresh.units_in_mbatch,
            refresh_upper_thres=float(refresh.upper_thres),
            refresh_lower_thres=float(refresh.lower_thres),
            refresh_forward=io(refresh.forward),
            refresh_update=update(refresh.update),
        )
    assert isinstance(cell, jt.device.VectorCell | jt.device.ReferenceCell)
    index = getattr(cell.update_policy, "index", getattr(cell.update_policy, "first_update_idx", 0))
    if isinstance(cell, jt.device.ReferenceCell):
        return ReferenceUnitCell(devices, first_update_idx=index)
    policy = next(theirs for theirs, make in _POLICIES.items() if type(make(0)) is type(cell.update_policy))
    gammas = [] if cell.gamma_vec is None else [float(gamma) for gamma in cell.gamma_vec]
    return VectorUnitCell(devices, update_policy=policy, first_update_idx=index, gamma_vec=gammas)
