"""aihwkit's presets of algorithms."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from .. import presets
from ..device import AbstractCrosspoint
from ..pulse import StochasticCompressed
from ..tile import TileConfig
from .buffered_transfer import single_pulse
from .build import build, full_name

__all__ = ["preset"]


def preset(algorithm: str, device: str) -> TileConfig:
    """Build aihwkit's preset of an algorithm and a device, number for number.

    Args:
        algorithm: as for `build`.
        device: name of a preset: "reram_es", "reram_sb", "capacitor", "ecram", "ecram_mo"
            or "idealized"; with "sgd" and "mp" also "gokmen_vlasov" and "pcm".

    Raises:
        ValueError: there is no such preset.
    """
    name = full_name(algorithm)
    if device not in _PRESETS[name]:
        known = ", ".join(map(repr, _PRESETS[name]))
        raise ValueError(f"device={device!r} has no preset for {algorithm!r}; choose one of {known}.")
    made, tuned = _PRESETS[name][device]
    config = build(name, made(), io=presets.io(), **tuned.numbers | {field: make() for field, make in tuned.parts.items()})
    return dataclasses.replace(config, pulse=StochasticCompressed(desired_bl=tuned.desired_bl))


class Tuned(NamedTuple):
    """The numbers and parts that a preset tunes.

    Attributes:
        numbers: fields of the algorithm.
        parts: those that are made when they are wanted.
        desired_bl: the longest train of the tile.
    """

    numbers: dict[str, Any]
    parts: dict[str, Callable[[], Any]]
    desired_bl: int = 31


def _tuned(fast_lr: float, auto_granularity: float, in_chop_prob: float = 0.0, *, desired_bl: int = 31, **own: Any) -> Tuned:
    numbers = {"fast_lr": fast_lr, "auto_granularity": auto_granularity, "in_chop_prob": in_chop_prob, "auto_scale": True}
    return Tuned(numbers | own, {"transfer_update": single_pulse}, desired_bl)


def _preset_table(devices: dict[str, Callable[[], AbstractCrosspoint]], **tuned: Tuned) -> dict[str, Any]:
    return {name: (device, tuned.get(name, Tuned({}, {}))) for name, device in devices.items()}


_TRANSFERRED: dict[str, Callable[[], AbstractCrosspoint]] = {
    "reram_es": presets.reram_es,
    "reram_sb": partial(presets.reram_sb, subtract_symmetry_point=True),  # what is transferred counts from there
    "capacitor": presets.capacitor,
    "ecram": presets.ecram,
    "ecram_mo": presets.ecram_mo,
    "idealized": presets.idealized,
}
_ALONE = _TRANSFERRED | {
    "reram_sb": presets.reram_sb,
    "gokmen_vlasov": presets.gokmen_vlasov,
    "pcm": presets.pcm_unit_cell,
}
_PRESETS = {
    "sgd": _preset_table(_ALONE),
    "mp": _preset_table(_ALONE),
    "ttv1": _preset_table(_TRANSFERRED),
    "ttv2": _preset_table(
        _TRANSFERRED,
        reram_es=_tuned(0.5, 1000.0),
        reram_sb=_tuned(0.5, 1000.0),
        capacitor=_tuned(0.1, 1000.0),
        ecram=_tuned(0.1, 500.0, desired_bl=100),
        ecram_mo=_tuned(0.1, 500.0, desired_bl=100),
        idealized=_tuned(0.1, 500.0, desired_bl=100),
    ),
    "c-ttv2": _preset_table(
        _TRANSFERRED,
        reram_es=_tuned(0.5, 1000.0, 0.01),
        reram_sb=_tuned(0.5, 1000.0, 0.01),
        capacitor=_tuned(0.1, 1000.0, 0.01),
        ecram=_tuned(1.0, 500.0, 0.01, desired_bl=100),
        ecram_mo=_tuned(0.1, 500.0, 0.001, desired_bl=100),
        idealized=_tuned(0.1, 500.0, 0.001, desired_bl=100),
    ),
    "agad": _preset_table(
        _TRANSFERRED,
        reram_es=_tuned(0.5, 1000.0, 0.02),
        reram_sb=_tuned(0.5, 1000.0, 0.02),
        capacitor=_tuned(0.1, 1000.0, 0.01, tail_weightening=20.0),
        ecram=_tuned(0.1, 750.0, 0.005, tail_weightening=50.0),
        ecram_mo=_tuned(0.1, 500.0, 0.005, desired_bl=100, tail_weightening=50.0),
        idealized=_tuned(0.1, 500.0, 0.005, desired_bl=100, tail_weightening=50.0),
    ),
}
