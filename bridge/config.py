"""aihwkit's configurations as jaxtile's, and back: total or loud.

Both sides use the same names for the same numbers, so fields go over by name. What
jaxtile has no field for must stand at its default; anything else is refused by name,
and nothing is dropped silently.
"""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

from aihwkit.exceptions import ConfigError
from aihwkit.simulator.configs import devices as aihwkit_devices
from aihwkit.simulator.configs.compounds import MixedPrecisionCompound
from aihwkit.simulator.parameters.enums import PulseType, RPUDataType
from aihwkit.simulator.parameters.inference import DriftParameter
from aihwkit.simulator.parameters.training import UpdateParameters

import jaxtile as jt

from ._fields import by_name, named_alike, numbers, refuse, refuse_rest
from .compounds import COMPOUNDS, from_compound, from_mixed_precision, to_compound, to_mixed_precision
from .noise import noise_model_of
from .own_device import OwnDevice
from .periphery import from_io, to_io
from .unit_cells import UNIT_CELLS, from_unit_cell, to_unit_cell

__all__ = ["BUILDING", "HARDWARE", "aihwkit_device", "aihwkit_update", "hardware", "tile_config"]

_DEVICES = {
    aihwkit_devices.IdealDevice: jt.device.Ideal,
    aihwkit_devices.ConstantStepDevice: jt.device.ConstantStep,
    aihwkit_devices.LinearStepDevice: jt.device.LinearStep,
    aihwkit_devices.SoftBoundsPmaxDevice: jt.device.SoftBoundsPmax,  # a subclass of the next
    aihwkit_devices.SoftBoundsDevice: jt.device.SoftBounds,
    aihwkit_devices.SoftBoundsReferenceDevice: jt.device.SoftBoundsReference,
    aihwkit_devices.ExpStepDevice: jt.device.ExpStep,
    aihwkit_devices.PowStepDevice: jt.device.PowStep,
    aihwkit_devices.PowStepReferenceDevice: jt.device.PowStepReference,
    aihwkit_devices.PiecewiseStepDevice: jt.device.PiecewiseStep,
}
_CELLS: dict[type, Callable[..., jt.device.AbstractCrosspoint]] = {}
_CELLS |= dict.fromkeys(UNIT_CELLS, from_unit_cell) | dict.fromkeys(COMPOUNDS, from_compound)
_CELLS[MixedPrecisionCompound] = from_mixed_precision
_PULSES = {
    PulseType.NONE: jt.pulse.NoPulse,
    PulseType.NONE_WITH_DEVICE: jt.pulse.NoneWithDevice,
    PulseType.STOCHASTIC_COMPRESSED: jt.pulse.StochasticCompressed,
    PulseType.STOCHASTIC: jt.pulse.Stochastic,
    PulseType.MEAN_COUNT: jt.pulse.MeanCount,
    PulseType.DETERMINISTIC_IMPLICIT: jt.pulse.DeterministicImplicit,
}
HARDWARE = {"device", "update", "forward", "backward", "half_select", "order"}
# How tiles are built and programmed.
BUILDING = {"tile_class", "tile_array_class", "simulator_tile_class", "runtime", "program_weights"}
# What works on whole matrices, in digital or in a statistical model: aihwkit's tile
# modules do it, or `RealisticTile`.
_AROUND_THE_TILE = {"mapping", "pre_post", "clip", "remap", "modifier", "noise_model", "drift_compensation"}


def tile_config(rpu_config: Any) -> jt.TileConfig:
    """Translate an aihwkit configuration.

    An inference configuration becomes that of the chip that its weights are written
    into: its noise model is the device (`jaxtile.device.Statistical`), which is not
    trained. `inference_of` translates what training needs and what is around the tile.

    Args:
        rpu_config: one with `device`, `update`, `forward` and `backward`, such as
            `SingleRPUConfig`, `RPUConfigWithProgram` (which also has jaxtile's
            `half_select` and `order`) or `InferenceRPUConfig`.

    Raises:
        ConfigError: it asks for something that a `jaxtile.TileConfig` does not have;
            the message names it.
        ValueError: a number is outside the range that jaxtile accepts.
    """
    config = hardware(rpu_config)
    taken = HARDWARE | BUILDING | {"noise_model"}
    if getattr(rpu_config, "drift_compensation", None) is None:
        taken |= {"drift_compensation"}
    around = "; what is around a tile goes over by bridge.inference_of, or part by part"
    refuse_rest(rpu_config, type(rpu_config), type(rpu_config).__name__, taken, instead=around)
    model = getattr(rpu_config, "noise_model", None)
    if model is None:
        return config
    return dataclasses.replace(config, device=jt.device.Statistical(noise_model_of(model)), pulse=jt.pulse.NoneWithDevice())


def hardware(rpu_config: Any) -> jt.TileConfig:
    """The same for what is used inside a tile module, which clips, scales and modifies
    by itself.
    """
    missing = [part for part in ("device", "update", "forward", "backward") if not hasattr(rpu_config, part)]
    if missing:
        raise ConfigError(f"{type(rpu_config).__name__} has no {', '.join(missing)}: use SingleRPUConfig or RPUConfigWithProgram.")
    name = type(rpu_config).__name__
    refuse_rest(rpu_config, type(rpu_config), name, HARDWARE | BUILDING | _AROUND_THE_TILE)
    if rpu_config.runtime.data_type != RPUDataType.FLOAT:
        refuse(f"{name}.runtime.data_type", rpu_config.runtime.data_type, "jaxtile's tiles are single precision")
    pulse = _pulse(rpu_config.update)
    for field in ("lifetime", "diffusion"):
        if not pulse.uses_device and getattr(rpu_config.device, field, 0.0):
            value = getattr(rpu_config.device, field)
            refuse(f"device.{field}", value, "with pulse_type NONE devices are ideal, and those of jaxtile keep their weights")
    return jt.TileConfig(
        device=_device(rpu_config.device, getattr(rpu_config, "order", "aggregate")),
        pulse=pulse,
        half_select=getattr(rpu_config, "half_select", None),
        forward=from_io(rpu_config.forward, "forward"),
        backward=from_io(rpu_config.backward, "backward"),
    )


def _device(device: Any, order: str) -> jt.device.AbstractDevice:
    if isinstance(device, OwnDevice):
        return device.device
    if isinstance(device, jt.device.AbstractDevice):
        raise ConfigError(
            f"device={device!r} is a device of jaxtile, which lacks what aihwkit asks of one: pass bridge.OwnDevice(...) of it."
        )
    cell = next((theirs for theirs in _CELLS if isinstance(device, theirs)), None)
    if cell is not None:
        refuse_rest(device, cell, "device", {field.name for field in dataclasses.fields(cell)} - {"copy_inverted"})
        parts = [device.device] if cell is MixedPrecisionCompound else device.unit_cell_devices
        return _CELLS[cell](device, tuple(_device(part, order) for part in parts), _pulse, from_io)
    # Presets are subclasses with other defaults, so what counts as a default is the
    # base class's.
    base = next((theirs for theirs in _DEVICES if isinstance(device, theirs)), None)
    if base is None:
        known = ", ".join(theirs.__name__ for theirs in (*_DEVICES, *_CELLS))
        refuse("device", type(device).__name__, f"known are {known}")
    make = _DEVICES[base]
    # The seed of fabrication is not a property of the hardware: the tile takes it from
    # the configuration.
    around = {"construction_seed", "write_noise_std", "apply_write_noise_on_set", "drift"}
    values = by_name(device, base, _parameters(make), "device", inert=around)
    values = {name: value for name, value in values.items() if value is not None}  # numbers that follow from others
    made = make(**values, order=order) if make().takes_pulses else make(**values)
    if getattr(device, "write_noise_std", 0) > 0:
        made = jt.device.WriteNoise(
            made, write_noise_std=device.write_noise_std, apply_write_noise_on_set=device.apply_write_noise_on_set
        )
    drift = getattr(device, "drift", None)
    if drift is not None and drift.nu > 0:
        shared = {field.name for field in dataclasses.fields(jt.device.Drifting)}
        return jt.device.Drifting(made, **by_name(drift, type(drift), shared, "device.drift", inert=set()))
    return made


def _parameters(make: Callable[..., Any]) -> set[str]:
    """The names of what makes a jaxtile object: of the arguments, and of the fields
    that they set.
    """
    return {*inspect.signature(make).parameters, *(field.name for field in dataclasses.fields(make()))}


def _pulse(update: Any) -> jt.pulse.AbstractPulse:
    if not isinstance(update, UpdateParameters):
        refuse("update", type(update).__name__, "pass UpdateParameters")
    kind = _PULSES[update.pulse_type]
    if not kind.sends_pulses:
        return kind()
    if not (update.fixed_bl or update.update_bl_management):
        refuse("update.fixed_bl", update.fixed_bl, "jaxtile has it only where update_bl_management makes it irrelevant")
    # aihwkit reads `res` for all types but one, which has two resolutions of its own; 0
    # or less is none.
    grids = {"res", "x_res_implicit", "d_res_implicit"}
    values = by_name(update, UpdateParameters, _parameters(kind), "update", inert={"pulse_type", "fixed_bl"} | grids)
    return kind(**{name: max(value, 0) if name in grids else value for name, value in values.items()})


def aihwkit_device(device: jt.device.AbstractDevice) -> Any:
    """The aihwkit device that `tile_config` translates into this one."""
    if isinstance(device, jt.learning.AbstractTransfer):
        return to_compound(device, aihwkit_device, aihwkit_update, to_io)
    if isinstance(device, jt.learning.MixedPrecision):
        return to_mixed_precision(device, aihwkit_device)
    if isinstance(device, jt.device.AbstractUnitCell):
        return to_unit_cell(device, aihwkit_device, aihwkit_update, to_io)
    if isinstance(device, jt.device.WriteNoise):
        written, values = aihwkit_device(device.device), numbers(device)
        if not hasattr(written, "write_noise_std"):
            raise ConfigError(f"device={device!r}: {type(written).__name__} has no write noise in aihwkit.")
        return dataclasses.replace(written, **{name: values[name] for name in ("write_noise_std", "apply_write_noise_on_set")})
    if isinstance(device, jt.device.Drifting):
        values = numbers(device)
        return dataclasses.replace(aihwkit_device(values.pop("device")), drift=DriftParameter(**values))
    values = numbers(device)
    values.pop("order", None)  # how jaxtile computes, which aihwkit has no choice of
    own = "pass rpu_config=bridge.RPUConfigWithProgram(device=bridge.OwnDevice(...)), or that as a device"
    return named_alike(_DEVICES, device, "device", instead=own)(**values)


def aihwkit_update(pulse: jt.pulse.AbstractPulse) -> UpdateParameters:
    """The aihwkit update parameters that `tile_config` translates into this pulse type."""
    return UpdateParameters(pulse_type=named_alike(_PULSES, pulse, "pulse"), **numbers(pulse))
