"""Devices and periphery that were fitted to hardware: aihwkit's presets, number for
number.

Each is a function that returns a fresh object; keywords change some of its numbers:
`jt.presets.ecram(dw_min_std=0.0)`.
"""

import functools
import operator
from typing import Any, TypeVar

from ._types import Real
from .device import AbstractDevice, ConstantStep, ExpStep, LinearStep, OneSided, Refresh, SoftBoundsReference, WriteNoise
from .periphery import IOParameters
from .tile import TileConfig

__all__ = [
    "capacitor",
    "config",
    "ecram",
    "ecram_mo",
    "gokmen_vlasov",
    "idealized",
    "io",
    "pcm",
    "pcm_unit_cell",
    "reram_array_hfo2",
    "reram_array_om",
    "reram_es",
    "reram_sb",
    "standard_io",
]


T = TypeVar("T")


def _made(kind: type[T], *numbers: dict[str, Any]) -> T:
    return kind(**functools.reduce(operator.or_, numbers))


def idealized(**changes: Any) -> ConstantStep:
    """A symmetric device of 10000 states (Rasch, Gokmen and Haensch, IEEE Design &
    Test, 2019).
    """
    return _made(ConstantStep, {"dw_min": 0.0002, "up_down_dtod": 0.0, "w_max": 1.0, "w_min": -1.0}, changes)


def gokmen_vlasov(**changes: Any) -> ConstantStep:
    """The device of 1200 states that training was specified for (Gokmen and Vlasov,
    Front. Neurosci. 10:333, 2016).
    """
    return _made(ConstantStep, {"dw_min": 0.0016, "w_max": 1.0, "w_min": -1.0}, changes)


def reram_es(*, write_noise_std: Real = 75.0, apply_write_noise_on_set: bool = True, **changes: Any) -> WriteNoise:
    """A ReRAM device, as an exponential step (fit to Gong et al., Nat. Commun. 9:2102,
    2018).
    """
    steps = {"dw_min": 0.00135, "dw_min_dtod": 0.2, "dw_min_std": 5.0, "up_down": 0.259359, "up_down_dtod": 0.05}
    response = {"a": -0.5, "b": -0.5, "gamma_up": 5.0, "gamma_down": 5.0, "A_up": -1.18445, "A_down": -0.081404}
    return WriteNoise(
        _made(ExpStep, steps, response, {"w_max": 1.0, "w_min": -1.0}, changes),
        write_noise_std=write_noise_std,
        apply_write_noise_on_set=apply_write_noise_on_set,
    )


def reram_sb(*, write_noise_std: Real = 56.0, apply_write_noise_on_set: bool = True, **changes: Any) -> WriteNoise:
    """A ReRAM device with its symmetry point at zero, as soft bounds (loose fit to Gong
    et al., Nat. Commun. 9:2102, 2018).
    """
    bounds = {"w_max": 1.25, "w_max_dtod": 0.3 / 1.25, "w_min": -0.75, "w_min_dtod": 0.3 / 0.75}
    return WriteNoise(
        _made(SoftBoundsReference, {"dw_min": 0.002, "dw_min_std": 3.75}, bounds, changes),
        write_noise_std=write_noise_std,
        apply_write_noise_on_set=apply_write_noise_on_set,
    )


def reram_array_om(*, write_noise_std: Real = 1.4113, apply_write_noise_on_set: bool = True, **changes: Any) -> WriteNoise:
    """An array of ReRAM devices of optimised material (Gong, Rasch et al., IEDM 2022);
    13.48 % of those measured are corrupt.
    """
    steps = {"dw_min": 0.0949, "dw_min_dtod": 0.7829, "dw_min_dtod_log_normal": True, "dw_min_std": 0.4158}
    bounds = {"w_max_dtod": 0.3499, "w_min_dtod": 0.5695}
    return WriteNoise(
        _made(SoftBoundsReference, steps, bounds, _ARRAY, changes),
        write_noise_std=write_noise_std,
        apply_write_noise_on_set=apply_write_noise_on_set,
    )


def reram_array_hfo2(*, write_noise_std: Real = 0.5841, apply_write_noise_on_set: bool = True, **changes: Any) -> WriteNoise:
    """An array of ReRAM devices of baseline HfO2 (Gong, Rasch et al., IEDM 2022); 9.77
    % of those measured are corrupt.
    """
    steps = {"dw_min": 0.4622, "dw_min_dtod": 0.7125, "dw_min_dtod_log_normal": True, "dw_min_std": 0.2174}
    bounds = {"w_max_dtod": 0.4295, "w_min_dtod": 0.5990}
    return WriteNoise(
        _made(SoftBoundsReference, steps, bounds, _ARRAY, changes),
        write_noise_std=write_noise_std,
        apply_write_noise_on_set=apply_write_noise_on_set,
    )


# Corrupt devices are left to the user: `corrupt_devices_prob` is zero, as in aihwkit.
_ARRAY = {"w_max": 1.0, "w_min": -1.0, "corrupt_devices_range": 0.01, "subtract_symmetry_point": True, "reference_std": 0.05}


def capacitor(**changes: Any) -> LinearStep:
    """A capacitor that leaks (fit to Li et al., VLSI 2018). Fit its `lifetime`, in
    updates, to how fast they follow one another.
    """
    steps = {"dw_min": 0.005, "dw_min_dtod": 0.1, "up_down_dtod": 0.06, "mult_noise": False}
    slopes = {"gamma_up": 0.05, "gamma_up_dtod": 0.01, "gamma_down": 0.05, "gamma_down_dtod": 0.01}
    bounds = {"w_max": 1.0, "w_max_dtod": 0.07, "w_min": -1.0, "w_min_dtod": 0.07}
    return _made(LinearStep, steps, slopes, bounds, {"lifetime": 1e6, "lifetime_dtod": 0.3}, changes)


def ecram(**changes: Any) -> LinearStep:
    """A lithium ECRAM device, its range shifted so that its symmetry point is at zero
    (fit to Tang et al., IEDM 2018).
    """
    bounds = {"w_max": 1.1724, "w_max_dtod": 0.05, "w_min": -0.8276, "w_min_dtod": 0.05}
    return _made(LinearStep, {"dw_min": 0.002, "dw_min_dtod": 0.1, "gamma_up": 0.1153, "gamma_down": 0.5085}, bounds, changes)


def ecram_mo(**changes: Any) -> LinearStep:
    """A metal-oxide ECRAM device (from Kim et al., IEDM 2019)."""
    steps = {"dw_min": 2.8214e-4, "dw_min_dtod": 0.1, "dw_min_std": 2.0, "gamma_up": 0.4152, "gamma_down": 0.7342}
    bounds = {"w_max": 1.1714, "w_max_dtod": 0.05, "w_min": -0.8286, "w_min_dtod": 0.05}
    return _made(LinearStep, steps, bounds, changes)


def pcm(**changes: Any) -> ExpStep:
    """A phase-change device, which moves up only: for pairs with refresh (Nandakumar et
    al., Front. Neurosci. 14:406, 2020).
    """
    steps = {"dw_min": 0.01, "dw_min_dtod": 0.2, "up_down_dtod": 0.05}
    noise = {"dw_min_std": 0.6, "dw_min_std_add": 0.042, "dw_min_std_slope": 0.108}
    response = {"a": -1.0, "b": 0.0, "gamma_up": 2.5, "gamma_down": 2.5, "A_up": -27.235, "A_down": -2.235}
    bounds = {"w_max": 2.0, "w_max_dtod": 0.1, "w_min": 0.0, "w_min_dtod": 0.0}
    return _made(ExpStep, steps, noise, response, bounds, {"reset": 0.01, "reset_dtod": 0.02}, changes)


def pcm_unit_cell(**changes: Any) -> OneSided:
    """A pair of `pcm` devices, refreshed through the preset periphery (Nandakumar et
    al., Front. Neurosci. 14:406, 2020).
    """
    return OneSided(pcm(**changes), refresh=Refresh(forward=io()))


def io(**changes: Any) -> IOParameters:
    """The periphery of aihwkit's preset configurations: 7 bit in, 9 bit out, a range of
    twenty full weights, noise of a step.
    """
    return _made(IOParameters, {"inp_res": 1 / 126, "out_res": 1 / 510, "out_bound": 20.0, "out_noise": 0.1}, changes)


def standard_io(**changes: Any) -> IOParameters:
    """8 bit in and out (Rasch et al., Nat. Commun. 14:5282, 2023)."""
    return _made(IOParameters, {"inp_res": 1 / 254, "out_res": 1 / 254, "out_bound": 10.0, "out_noise": 0.04}, changes)


def config(device: AbstractDevice) -> TileConfig:
    """A device in the preset periphery: aihwkit's preset configuration, where it has
    one of that device alone.
    """
    return TileConfig(device=device, forward=io(), backward=io())
