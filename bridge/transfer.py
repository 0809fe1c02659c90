"""A fabricated chip, carried from one simulator to the other with its very devices."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from aihwkit.exceptions import ConfigError
from aihwkit.simulator.configs import DigitalRankUpdateRPUConfig, SingleRPUConfig, UnitCellRPUConfig

import jaxtile as jt
from jaxtile.device import (
    AbstractCrosspoint,
    AbstractPulsedDevice,
    AbstractUnitCell,
    Drifted,
    SingleFixed,
    State,
    UnitState,
)
from jaxtile.learning import MixedPrecision
from jaxtile.tile import check_tile

from ._convert import to_jax, to_torch
from .config import aihwkit_device, aihwkit_update, hardware
from .hidden import from_hidden, hidden_names, to_hidden
from .memory import counters, with_counters
from .periphery import from_extra, to_extra, to_io
from .tile import HalfSelectedSimulatorTile

__all__ = ["from_analog_tile", "to_analog_tile"]

_GRANULARITY = "rpu.rpu_device.weight_granularity"
_DEVICE = "rpu.rpu_device.current_device_idx"  # of unit cells: which is next
_DIRECTIONS = ("forward", "backward")


def from_analog_tile(analog_tile: Any) -> jt.Tile:
    """The chip in a tile module of aihwkit: its configuration, the very devices that
    were drawn, and the weights.

    Args:
        analog_tile: a tile module, such as `AnalogTile` or `RealisticTile`.

    The chip is the hardware: digital scales and biases, and learned input ranges, stay
    behind.

    Raises:
        ConfigError: it is no tile module, or has something that jaxtile does not have.
    """
    source = getattr(analog_tile, "tile", None)
    if source is None:
        raise ConfigError(f"{type(analog_tile).__name__} is no tile module; pass one, such as `layer.analog_module`.")
    if isinstance(source, HalfSelectedSimulatorTile):
        return source.jax_tile
    shape = (source.get_d_size(), source.get_x_size())
    tile = jt.init(hardware(analog_tile.rpu_config), shape, key=jr.key(0))
    names = hidden_names(tile)
    if list(source.get_hidden_parameter_names()) != names:
        raise ConfigError(f"the tile has hidden parameters {source.get_hidden_parameter_names()}; jaxtile's devices have {names}.")
    tile = from_hidden(tile, to_jax(source.get_hidden_parameters()), to_jax(source.get_weights()))
    # The size of step that pulse trains are planned with is a number of the C++ tile,
    # which may differ from the configuration's.
    extra = source.dump_extra() or {}
    tile = from_extra(tile, extra)
    if isinstance(tile.device, AbstractCrosspoint) and _GRANULARITY in extra:
        factor = extra[_GRANULARITY][0] / tile.device.granularity()
        tile = eqx.tree_at(lambda t: t.config.device, tile, _planned(tile.device, factor))
    if isinstance(getattr(tile.device, "update_policy", None), SingleFixed):
        tile = jt.connect(tile, int(extra[_DEVICE][0]))
    tile = with_counters(tile, extra)
    return tile.with_state(_with_clocks(tile.state, extra))


def _with_clocks(state: State, extra: dict, prefix: str = "rpu.rpu_device.") -> State:
    """The same state, with the ages of drifting devices as the C++ tile knows them."""
    if isinstance(state, UnitState):
        devices = (_with_clocks(one, extra, f"{prefix}{k}.") for k, one in enumerate(state.devices))
        return dataclasses.replace(state, devices=tuple(devices))
    clock = f"{prefix}wdrifter."
    if not isinstance(state, Drifted) or not len(extra[f"{clock}w0"]):
        return state

    def matrix(name: str) -> jax.Array:
        return jnp.asarray(extra[clock + name], state.start.dtype).reshape(state.start.shape)

    age = jnp.asarray(extra[f"{clock}current_t"][0], state.age.dtype) - matrix("t")
    return Drifted(state.device, start=matrix("w0"), seen=matrix("previous_weights"), age=age)


def _clocks(state: State, prefix: str = "rpu.rpu_device.") -> dict[str, list[float]]:
    """The state that `_with_clocks` reads."""
    if isinstance(state, UnitState):
        return {name: v for k, one in enumerate(state.devices) for name, v in _clocks(one, f"{prefix}{k}.").items()}
    if not isinstance(state, Drifted) or bool(jnp.all(jnp.isinf(state.seen))):  # which have none before the first drift
        return {}
    now = jnp.max(state.age)
    clock = {"w0": state.start, "previous_weights": state.seen, "t": now - state.age, "current_t": now, "active": jnp.ones(())}
    return {f"{prefix}wdrifter.{name}": values.ravel().tolist() for name, values in clock.items()}


def _planned(device: AbstractCrosspoint, factor: Any) -> AbstractCrosspoint:
    """Devices whose trains are planned with other steps."""

    def scale(one):
        if not isinstance(one, AbstractPulsedDevice):
            return one
        return eqx.tree_at(lambda d: d.dw_min, one, jnp.asarray(one.dw_min * factor, one.dw_min.dtype))

    return jax.tree.map(scale, device, is_leaf=lambda node: isinstance(node, AbstractPulsedDevice))


def to_analog_tile(tile: jt.Tile, rpu_config: Any = None) -> Any:
    """A tile module of aihwkit that holds this chip: its devices, its weights, and the
    size of step that trains are planned with.

    Args:
        tile: the chip.
        rpu_config: what to build, with the chip's devices (and its half-selection, if
            it has any); pulses and periphery may be others. None: aihwkit's C++
            `AnalogTile` with the chip's own configuration.

    Raises:
        ConfigError: aihwkit has nothing like it, or `rpu_config` describes other
            devices.
        ValueError: `tile` is a batch of tiles.
    """
    check_tile(tile)
    if rpu_config is None:
        config = tile.config
        if config.half_select is not None:
            raise ConfigError(
                f"half_select={config.half_select!r}: aihwkit's own tiles have no half-selection; pass rpu_config="
                "RPUConfigWithProgram(half_select=...)."
            )
        kinds = {AbstractUnitCell: UnitCellRPUConfig, MixedPrecision: DigitalRankUpdateRPUConfig}
        kind = next((theirs for ours, theirs in kinds.items() if isinstance(config.device, ours)), SingleRPUConfig)
        rpu_config = kind(
            device=aihwkit_device(config.device),
            update=aihwkit_update(config.pulse),
            forward=to_io(config.forward),
            backward=to_io(config.backward),
        )
    _refuse_other_hardware(hardware(rpu_config), tile.config)
    analog_tile = rpu_config.tile_class(*tile.shape, rpu_config, bias=False)
    target, names = analog_tile.tile, hidden_names(tile)
    if list(target.get_hidden_parameter_names()) != names:
        raise ConfigError(f"the chip has hidden parameters {names}; that tile's are {target.get_hidden_parameter_names()}.")
    if isinstance(target, HalfSelectedSimulatorTile):
        made, asked = tile.chip, target.jax_tile.chip
        channels = {name: _carried(getattr(made, name), getattr(asked, name)) for name in _DIRECTIONS}
        averages = {name: _own_or(getattr(tile.now, name), getattr(target.jax_tile.now, name)) for name in _DIRECTIONS}
        half_cells, half_memory = asked.half_cells, target.jax_tile.now.half_memory
        if tile.config.half_select is not None:
            half_cells, half_memory = made.half_cells, tile.now.half_memory
        chip = jt.tile.Chip(made.shape, made.cells, half_cells, **channels)
        now = target.jax_tile.now.replace(state=tile.state, half_memory=half_memory, **averages)
        target.jax_tile = jt.Tile(target.jax_tile.config, chip, now)
        return analog_tile
    if isinstance(tile.device, MixedPrecision) and bool(jnp.any(tile.state.chi != 0)):
        raise ConfigError("The digital sum `chi` of mixed precision cannot be put into an aihwkit tile, which clears it.")
    # The size of step that trains are planned with, which aihwkit changes to the mean
    # of the devices if they are far from the configuration's.
    extra = {name: value for name, value in (target.dump_extra() or {}).items() if name == _GRANULARITY}
    extra |= _clocks(tile.state) | counters(tile) | to_extra(tile)
    if names:
        target.set_hidden_parameters(to_torch(to_hidden(tile)))
    written = tile.device.device if isinstance(tile.device, MixedPrecision) else tile.device
    if not isinstance(written, AbstractUnitCell):
        # aihwkit can put in the persistent weights; what they read as, it draws anew.
        target.set_weights(to_torch(tile.device.held(tile.state)))
    elif any(name.startswith("persistent_weights") for name in names):
        raise ConfigError(f"device={tile.device!r}: the persistent weights of a unit cell cannot be put into an aihwkit tile.")
    if extra:
        target.load_extra(extra, False)
    return analog_tile


def _carried(made: jt.periphery.Channels, asked: jt.periphery.Channels) -> jt.periphery.Channels:
    """The numbers that a periphery asks for, the chip's own where it has them."""
    names = [field.name for field in dataclasses.fields(asked)]
    return jt.periphery.Channels(**{name: _own_or(getattr(made, name), getattr(asked, name)) for name in names})


def _own_or(made: Any, asked: Any) -> Any:
    """The number of the chip, where the periphery asks for one and the chip has it."""
    return asked if made is None or asked is None else made


def _refuse_other_hardware(wanted: jt.TileConfig, chip: jt.TileConfig) -> None:
    """The devices must be the chip's; half-selection, too, unless the chip was made
    without.
    """
    names = ("device",) if chip.half_select is None else ("device", "half_select")
    for name in names:
        theirs, ours = getattr(wanted, name), getattr(chip, name)
        if type(theirs) is not type(ours):
            raise ConfigError(f"rpu_config asks for {name}={theirs!r}; the chip has {ours!r}.")
        for field in dataclasses.fields(ours):
            asked, made = getattr(theirs, field.name), getattr(ours, field.name)
            if field.name != "order" and not eqx.tree_equal(asked, made, rtol=1e-6):  # aihwkit has single precision
                raise ConfigError(f"rpu_config asks for {name}.{field.name}={asked}; the chip was made with {made}.")
