"""aihwkit's hidden parameters: the realised numbers of every device, stacked in one
array with a name for each slice.

They hold the state of unit cells and of devices with write noise, too; the weight that
is read is carried beside them. What the cells of a device of one's own hold besides is
carried under its own name.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from aihwkit.exceptions import ConfigError
from jaxtyping import Array, Float

import jaxtile as jt
from jaxtile.device import (
    AbstractCells,
    AbstractUnitCell,
    Cells,
    DriftCells,
    Drifted,
    Drifting,
    State,
    UnitCells,
    Written,
)
from jaxtile.learning import Accumulated, MixedPrecision

from .memory import matrices, with_matrices

__all__ = ["from_hidden", "hidden_names", "is_weight", "to_hidden"]

_DRIFT = "drift_nu"  # which all of aihwkit's devices have; it is zero if they do not drift
_PERSISTENT = "persistent_weights"
# In aihwkit's order: what a slice holds.
_FIELDS = {
    "max_bound": "w_max",
    "min_bound": "w_min",
    "dwmin_up": "step_up",
    "dwmin_down": "step_down",
    "decay_scales": "decay_scale",
    "diffusion_rates": "diffusion_rate",
    "reset_bias": "reset_bias",
    _DRIFT: None,
    _PERSISTENT: None,
    "slope_up": "slope_up",
    "slope_down": "slope_down",
    "gamma_up": "gamma_up",
    "gamma_down": "gamma_down",
    "reference": "reference",
}
_REFERRED = ("max_bound", "min_bound", "reset_bias")  # of the conductance there, of the weight less the reference here

Slices = dict[str, Float[Array, "out in"]]


def hidden_names(tile: jt.Tile) -> list[str]:
    """The names of the slices, in aihwkit's order."""
    return list(_all_slices(tile))


def to_hidden(tile: jt.Tile) -> Float[Array, "name out in"]:
    """Stack the parameters of the devices of a tile, and their hidden state."""
    slices = _all_slices(tile)
    return jnp.stack(list(slices.values())) if slices else jnp.zeros(0)


def from_hidden(tile: jt.Tile, hidden: Float[Array, "name out in"], weight: Float[Array, "out in"]) -> jt.Tile:
    """A tile like `tile` with the parameters and the state that are stacked in
    `hidden`, of which `weight` is what is read.

    Raises:
        ConfigError: the stack has another shape, or holds devices that drift where the
            tile's do not.
    """
    names = hidden_names(tile)
    if names and hidden.shape != (len(names), *tile.shape):
        raise ConfigError(f"hidden parameters have shape {hidden.shape}; the tile has {names} for {tile.shape} devices.")
    slices = dict(zip(names, hidden, strict=True)) if names else {}
    parts = _from_slices(tile.cells, tile.state, slices, weight)
    return with_matrices(eqx.tree_at(lambda tile: (tile.chip.cells, tile.now.state), tile, parts), slices)


def _all_slices(tile: jt.Tile) -> Slices:
    return _slices(tile.device, tile.cells, tile.state) | matrices(tile)


def _slices(device: jt.device.AbstractDevice, cells: AbstractCells, state: State) -> Slices:
    if isinstance(device, AbstractUnitCell) and isinstance(cells, UnitCells):
        slices = {}
        for k, (part, *rest) in enumerate(zip(device.parts, cells.devices, state.devices, strict=True)):
            own = _slices(part, *rest) | {"hidden_weights": part.weight(rest[1])}
            slices |= {f"{name}_{k}": values for name, values in own.items()}
        return slices
    if isinstance(device, MixedPrecision):
        return _slices(device.device, cells, state.device)
    if isinstance(device, Drifting) and isinstance(cells, DriftCells):
        return _slices(device.device, cells.device, state.device) | {_DRIFT: cells.nu}
    held = {name: values for field, own in _fields(cells).items() for name, values in _unfold(own, getattr(cells, field)).items()}
    if not isinstance(cells, Cells):
        return held
    reference = getattr(cells, "reference", 0)
    held |= {name: values + reference for name, values in held.items() if name in _REFERRED}
    held[_DRIFT] = jnp.zeros_like(cells.w_max)
    if isinstance(state, Written) and is_weight(state.persistent):
        held[_PERSISTENT] = state.persistent
    return {name: held[name] for name in (*_FIELDS, *held) if name in held}


def is_weight(state: State) -> bool:
    """True if the state of devices is their weight; any other state goes by
    `dump_extra`.
    """
    return eqx.is_array(state) and state.ndim == 2


def _fields(cells: AbstractCells) -> dict[str, str]:
    """The fields that hold numbers of each cell, and the names of their slices; what
    all of a tile shares stays with it.
    """
    names = {field: name for name, field in _FIELDS.items()}
    arrays = {field.name: getattr(cells, field.name) for field in dataclasses.fields(cells)}
    return {field: names.get(field, field) for field, values in arrays.items() if eqx.is_array(values) and values.ndim >= 2}


def _unfold(name: str, values: Float[Array, "out in *n"]) -> Slices:
    """A slice for each number of a cell."""
    if values.ndim == 2:
        return {name: values}
    flat = values.reshape(*values.shape[:2], -1)
    return {f"{name}[{n}]": flat[:, :, n] for n in range(flat.shape[2])}


def _fold(name: str, slices: Slices, like: Float[Array, "out in *n"]) -> Float[Array, "cell line ..."]:
    """The inverse of `_unfold`."""
    return jnp.stack([slices[one] for one in _unfold(name, like)], axis=-1).reshape(like.shape)


def _from_slices(cells: AbstractCells, state: State, slices: Slices, weight: Float[Array, "out in"]) -> tuple[AbstractCells, State]:
    if isinstance(state, Accumulated):
        cells, inner = _from_slices(cells, state.device, slices, weight)
        return cells, dataclasses.replace(state, device=inner)
    if isinstance(cells, UnitCells):
        parts = []
        for k, (part_cells, part_state) in enumerate(zip(cells.devices, state.devices, strict=True)):
            own = {name.removesuffix(f"_{k}"): values for name, values in slices.items() if name.endswith(f"_{k}")}
            parts.append(_from_slices(part_cells, part_state, own, own["hidden_weights"]))
        cells_of_all, states = zip(*parts, strict=True)
        return UnitCells(cells_of_all), dataclasses.replace(state, devices=states)
    if isinstance(cells, DriftCells):
        part_cells: Any
        part_cells, part_state = _from_slices(cells.device, state.device, slices | {_DRIFT: jnp.zeros(())}, weight)
        return DriftCells(part_cells, slices[_DRIFT]), Drifted(part_state, state.start, state.seen, state.age)
    if np.any(np.asarray(slices.get(_DRIFT, 0)) != 0):
        raise ConfigError(f"hidden parameter {_DRIFT} is not zero, but these devices do not drift: configure them with a drift.")
    fields = {field: _fold(name, slices, getattr(cells, field)) for field, name in _fields(cells).items()}
    if isinstance(cells, Cells):
        reference = slices.get("reference", 0)
        fields |= {field: fields[field] - reference for field in map(_FIELDS.__getitem__, _REFERRED)}
    cells = dataclasses.replace(cells, **fields)
    if isinstance(state, Written) and is_weight(state.persistent):
        return cells, Written(slices[_PERSISTENT], weight - slices[_PERSISTENT])
    return cells, weight if is_weight(state) else state
