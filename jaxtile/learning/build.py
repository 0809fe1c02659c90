"""Configurations of an algorithm by its name."""

import dataclasses
from collections.abc import Callable
from typing import Any

from .. import presets
from ..device import AbstractCrosspoint
from ..periphery import IOParameters
from ..pulse import AbstractTrainPulse, StochasticCompressed
from ..tile import TileConfig
from .buffered_transfer import single_pulse
from .chopped_transfer import ChoppedTransfer
from .dynamic_transfer import DynamicTransfer
from .mixed_precision import MixedPrecision
from .transfer import Transfer

__all__ = ["build", "preset"]

_KNOWN_AS = {"tiki-taka": "ttv1", "tt": "ttv1", "chopped-ttv2": "c-ttv2", "ttv3": "c-ttv2", "ttv4": "agad", "mixed-precision": "mp"}
_ONE_PULSE = {"desired_bl": 1, "update_bl_management": False, "update_management": False}

Recipe = Callable[[AbstractCrosspoint, dict[str, Any]], AbstractCrosspoint]


def _transfers(kind: type, **own: Any) -> Recipe:
    """An algorithm of two equal arrays; `own` gives way to what it is made with."""
    return lambda device, numbers: kind((device, device), **own | numbers)


# The device, the longest train of the tile (None: as it is given), and what is different in
# the pulses that write.
_RECIPES: dict[str, tuple[Recipe, int | None, dict[str, Any]]] = {
    "sgd": (lambda device, numbers: device, None, {}),
    "ttv1": (_transfers(Transfer), None, {}),
    "ttv2": (_transfers(ChoppedTransfer, in_chop_prob=0.0), 5, _ONE_PULSE),
    "c-ttv2": (_transfers(ChoppedTransfer, fast_lr=0.1, auto_scale=True), 5, _ONE_PULSE),
    "agad": (_transfers(DynamicTransfer, fast_lr=0.1, auto_scale=True), 5, {"desired_bl": 1}),
    "mp": (lambda device, numbers: MixedPrecision(device, **numbers), None, {}),
}


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
    name = str(algorithm).lower()
    name = _KNOWN_AS.get(name, name)
    if name not in _RECIPES:
        raise ValueError(f"algorithm={algorithm!r} is unknown; choose one of {', '.join(map(repr, (*_RECIPES, *_KNOWN_AS)))}.")
    if name == "sgd" and numbers:
        raise TypeError(f"algorithm='sgd' is the device alone, and has no {', '.join(numbers)}.")
    io, pulse = io or IOParameters(), pulse or StochasticCompressed()
    recipe, longest, writing = _RECIPES[name]
    if name not in ("sgd", "mp"):
        numbers = {"transfer_forward": io, "transfer_update": dataclasses.replace(pulse, **writing)} | numbers
    sent = pulse if longest is None else dataclasses.replace(pulse, desired_bl=longest)
    return TileConfig(recipe(device, numbers), sent, forward=io, backward=io)


_DEVICES: dict[str, Callable[[], AbstractCrosspoint]] = {
    "reram_es": presets.reram_es,
    "reram_sb": presets.reram_sb,
    "capacitor": presets.capacitor,
    "ecram": presets.ecram,
    "ecram_mo": presets.ecram_mo,
    "idealized": presets.idealized,
    "gokmen_vlasov": presets.gokmen_vlasov,
    "pcm": presets.pcm_unit_cell,
}
# For each device: the fast rate, the vectors that fill a step of the buffer, the chance
# that a sign turns, the tail weightening, and the longest train.
_TUNED: dict[str, dict[str, tuple[float, float, float, float | None, int]]] = {
    "ttv2": {
        "reram_es": (0.5, 1000.0, 0.0, None, 31),
        "reram_sb": (0.5, 1000.0, 0.0, None, 31),
        "capacitor": (0.1, 1000.0, 0.0, None, 31),
        "ecram": (0.1, 500.0, 0.0, None, 100),
        "ecram_mo": (0.1, 500.0, 0.0, None, 100),
        "idealized": (0.1, 500.0, 0.0, None, 100),
    },
    "c-ttv2": {
        "reram_es": (0.5, 1000.0, 0.01, None, 31),
        "reram_sb": (0.5, 1000.0, 0.01, None, 31),
        "capacitor": (0.1, 1000.0, 0.01, None, 31),
        "ecram": (1.0, 500.0, 0.01, None, 100),
        "ecram_mo": (0.1, 500.0, 0.001, None, 100),
        "idealized": (0.1, 500.0, 0.001, None, 100),
    },
    "agad": {
        "reram_es": (0.5, 1000.0, 0.02, 5.0, 31),
        "reram_sb": (0.5, 1000.0, 0.02, 5.0, 31),
        "capacitor": (0.1, 1000.0, 0.01, 20.0, 31),
        "ecram": (0.1, 750.0, 0.005, 50.0, 31),
        "ecram_mo": (0.1, 500.0, 0.005, 50.0, 100),
        "idealized": (0.1, 500.0, 0.005, 50.0, 100),
    },
}


def preset(algorithm: str, device: str) -> TileConfig:
    """Build aihwkit's preset of an algorithm and a device, number for number.

    Args:
        algorithm: as for `build`.
        device: name of a preset: "reram_es", "reram_sb", "capacitor", "ecram", "ecram_mo"
            or "idealized"; with "sgd" and "mp" also "gokmen_vlasov" and "pcm".

    Raises:
        ValueError: there is no such preset.
    """
    name = _KNOWN_AS.get(str(algorithm).lower(), str(algorithm).lower())
    known = list(_TUNED.get(name, _TUNED["agad"] if name == "ttv1" else _DEVICES))
    if device not in known:
        raise ValueError(f"device={device!r} has no preset for {algorithm!r}; choose one of {', '.join(map(repr, known))}.")
    referred = name not in ("sgd", "mp") and device == "reram_sb"  # what is transferred counts from the symmetry point
    made, io = presets.reram_sb(subtract_symmetry_point=True) if referred else _DEVICES[device](), presets.io()
    if name not in _TUNED:
        return build(name, made, io=io)
    fast_lr, auto_granularity, chance, tail, longest = _TUNED[name][device]
    numbers = {"fast_lr": fast_lr, "auto_granularity": auto_granularity, "in_chop_prob": chance, "auto_scale": True}
    numbers |= {} if tail is None else {"tail_weightening": tail}
    config = build(name, made, io=io, **numbers, transfer_update=single_pulse())
    return dataclasses.replace(config, pulse=StochasticCompressed(desired_bl=longest))
