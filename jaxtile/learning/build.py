"""Configurations of an algorithm by its name."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from ..device import AbstractCrosspoint
from ..periphery import IOParameters
from ..pulse import AbstractTrainPulse, StochasticCompressed
from ..tile import TileConfig
from .chopped_transfer import ChoppedTransfer
from .dynamic_transfer import DynamicTransfer
from .mixed_precision import MixedPrecision
from .transfer import Transfer

__all__ = ["build", "full_name"]


def build(
    algorithm: str,
    device: AbstractCrosspoint,
    *,
    io: IOParameters | None = None,
    pulse: AbstractTrainPulse | None = None,
    **numbers: Any,
) -> TileConfig:
    """Build the configuration of a tile that is trained by an algorithm.

    Numbers are those of aihwkit's `build_config`.

    Args:
        algorithm: "sgd", "ttv1" ("tiki-taka", "tt"), "ttv2", "c-ttv2" ("chopped-ttv2",
            "ttv3"), "agad" ("ttv4") or "mp" ("mixed-precision").
        device: what each array is made of.
        io: the periphery of all reads; None: `IOParameters()`.
        pulse: the pulse type of updates and transfers; None: `StochasticCompressed()`.
        **numbers: fields of the algorithm that differ.

    Raises:
        ValueError: there is no such algorithm.
        TypeError: it has no such number.
    """
    recipe, io, pulse = _RECIPES[full_name(algorithm)], io or IOParameters(), pulse or StochasticCompressed()
    sent = pulse if recipe.desired_bl is None else dataclasses.replace(pulse, desired_bl=recipe.desired_bl)
    return TileConfig(recipe.make(device, io, pulse, **numbers), sent, forward=io, backward=io)


def full_name(algorithm: str) -> str:
    """The name of an algorithm in the tables."""
    name = str(algorithm).lower()
    name = _KNOWN_AS.get(name, name)
    if name not in _RECIPES:
        raise ValueError(f"algorithm={algorithm!r} is unknown; choose one of {', '.join(map(repr, (*_RECIPES, *_KNOWN_AS)))}.")
    return name


class Recipe(NamedTuple):
    """How aihwkit's `build_config` makes an algorithm.

    Attributes:
        make: of a device, the periphery that reads, the pulses that write, and numbers.
        desired_bl: the longest train of the tile; None: that of the pulses.
    """

    make: Callable[..., AbstractCrosspoint]
    desired_bl: int | None = None


def _alone(device: AbstractCrosspoint, io: IOParameters, pulse: AbstractTrainPulse, **numbers: Any) -> AbstractCrosspoint:
    if numbers:
        raise TypeError(f"algorithm='sgd' is the device alone, and has no {', '.join(numbers)}; leave it out.")
    return device


def _summed(device: AbstractCrosspoint, io: IOParameters, pulse: AbstractTrainPulse, **numbers: Any) -> MixedPrecision:
    return MixedPrecision(device, **numbers)


def _transfers(kind: type, writing: dict[str, Any], **own: Any) -> Callable[..., AbstractCrosspoint]:
    """Two equal arrays; `writing` is what differs in the pulses of transfers."""

    def make(device: AbstractCrosspoint, io: IOParameters, pulse: AbstractTrainPulse, **numbers: Any) -> AbstractCrosspoint:
        reads = {"transfer_forward": io, "transfer_update": dataclasses.replace(pulse, **writing)}
        return kind((device, device), **own | reads | numbers)

    return make


_ONE_PULSE = {"desired_bl": 1, "update_bl_management": False, "update_management": False}
_RECIPES = {
    "sgd": Recipe(_alone),
    "ttv1": Recipe(_transfers(Transfer, {})),
    "ttv2": Recipe(_transfers(ChoppedTransfer, _ONE_PULSE, in_chop_prob=0.0), desired_bl=5),
    "c-ttv2": Recipe(_transfers(ChoppedTransfer, _ONE_PULSE, fast_lr=0.1, auto_scale=True), desired_bl=5),
    "agad": Recipe(_transfers(DynamicTransfer, {"desired_bl": 1}, fast_lr=0.1, auto_scale=True), desired_bl=5),
    "mp": Recipe(_summed),
}
_KNOWN_AS = {"tiki-taka": "ttv1", "tt": "ttv1", "chopped-ttv2": "c-ttv2", "ttv3": "c-ttv2", "ttv4": "agad", "mixed-precision": "mp"}
