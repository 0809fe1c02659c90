"""aihwkit's compounds as jaxtile's algorithms, and back. What they are made of is
translated by `config`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
from aihwkit.exceptions import ConfigError
from aihwkit.simulator.configs.compounds import (
    BufferedTransferCompound,
    ChoppedTransferCompound,
    DynamicTransferCompound,
    MixedPrecisionCompound,
    TransferCompound,
)

import jaxtile as jt

from ._fields import named_alike, numbers, refuse_rest

__all__ = ["COMPOUNDS", "from_compound", "from_mixed_precision", "to_compound", "to_mixed_precision"]

COMPOUNDS = {
    DynamicTransferCompound: jt.learning.DynamicTransfer,  # a subclass of the next
    ChoppedTransferCompound: jt.learning.ChoppedTransfer,
    BufferedTransferCompound: jt.learning.BufferedTransfer,
    TransferCompound: jt.learning.Transfer,  # of which the others are subclasses
}
_PARTS = {"unit_cell_devices", "construction_seed", "transfer_forward", "transfer_update"}
_ABSENT = {"gamma_vec": [], "transfer_every_vec": [], "transfer_lr_vec": [], "with_reset_prob": 0.0}  # which are None here


def from_compound(compound: Any, devices: tuple, pulse: Callable, io: Callable) -> jt.learning.AbstractTransfer:
    """The algorithm over these devices, already translated; `pulse` and `io` translate
    what transfers need.

    The second device stands for all that follow, as in aihwkit.
    """
    theirs, kind = next((theirs, ours) for theirs, ours in COMPOUNDS.items() if isinstance(compound, theirs))
    names = {field.name for field in dataclasses.fields(theirs)} & kind.__dataclass_fields__.keys() - _PARTS
    refuse_rest(compound, theirs, "device", names | _PARTS)
    values: dict[str, Any] = {"scale_fast_lr": False}  # before aihwkit 1.2 there is no such scale
    values |= {name: getattr(compound, name) for name in names}
    values |= {name: None for name, absent in _ABSENT.items() if values[name] == absent}
    return kind(
        (*devices[:1], *devices[1:2] * (len(devices) - 1)),
        **values,
        transfer_forward=io(compound.transfer_forward, "device.transfer_forward"),
        transfer_update=pulse(compound.transfer_update),
    )


def to_compound(algorithm: jt.learning.AbstractTransfer, device: Callable, update: Callable, io: Callable) -> TransferCompound:
    """The compound that `from_compound` translates into this algorithm."""
    kind, devices = named_alike(COMPOUNDS, algorithm, "device"), algorithm.devices
    if any(not eqx.tree_equal(one, devices[1]) for one in devices[2:]):
        raise ConfigError(f"device={algorithm!r}: in aihwkit all arrays but the first are of one kind of device.")
    known = {field.name for field in dataclasses.fields(kind)}
    if algorithm.scale_fast_lr and "scale_fast_lr" not in known:
        raise ConfigError("device.scale_fast_lr=True needs aihwkit 1.2; before, `fast_lr` is the rate itself: pass False.")
    values = {name: value for name, value in numbers(algorithm).items() if name in known - _PARTS}
    return kind(
        [device(one) for one in devices],
        **values | {name: absent for name, absent in _ABSENT.items() if values[name] is None},
        transfer_forward=io(algorithm.transfer_forward),
        transfer_update=update(algorithm.transfer_update),
    )


def from_mixed_precision(compound: Any, devices: tuple, pulse: Callable, io: Callable) -> jt.learning.MixedPrecision:
    """The algorithm over its one device, already translated."""
    names = {field.name for field in dataclasses.fields(MixedPrecisionCompound)} - {"device", "construction_seed", "granularity"}
    values = {name: getattr(compound, name) for name in names}
    return jt.learning.MixedPrecision(*devices, chi_granularity=compound.granularity, **values)


def to_mixed_precision(algorithm: jt.learning.MixedPrecision, device: Callable) -> MixedPrecisionCompound:
    """The compound that `from_mixed_precision` translates into this algorithm."""
    values = numbers(algorithm)
    whole = {"transfer_every": int(values.pop("transfer_every")), "granularity": values.pop("chi_granularity")}
    return MixedPrecisionCompound(**values | whole | {"device": device(algorithm.device)})
