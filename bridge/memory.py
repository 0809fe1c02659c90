"""Counters and digital memory of unit cells and algorithms, under aihwkit's names."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

import jaxtile as jt

__all__ = ["counters", "matrices", "with_counters", "with_matrices"]

_PREFIX = "rpu.rpu_device."
Table = dict[type, Callable[[Any], dict[str, Array]]]


def _chopping(state: Any) -> dict[str, Array]:
    m = state.memory
    own = {"in_chopper": m.lines, "out_chopper": m.across, "transfer_counter": m.passes}
    return _transferring(state) | own | {"m_x": m.largest_x, "m_d": m.largest_d, "tmp_count_lr": m.fast_rate}


def _transferring(state: Any) -> dict[str, Array]:
    return {"current_update_idx": state.turn, "current_slice_indices": state.line}


# What a C++ tile dumps, of a state that has counters.
_COUNTERS: Table = {
    jt.device.OneSided: lambda state: {"current_update_idx": state.turn},
    jt.device.VectorCell: lambda state: {"current_device_idx": state.turn},
    jt.learning.Transfer: _transferring,
    jt.learning.BufferedTransfer: _transferring,
    jt.learning.ChoppedTransfer: _chopping,
    jt.learning.DynamicTransfer: lambda state: _chopping(state) | {"in_chopper_switched": state.memory.switched},
    jt.learning.MixedPrecision: lambda state: {"current_update_index": state.turn, "current_row_index": state.row},
}
# Its hidden parameters, besides those of devices. Digital matrices are kept line by line,
# but for the sum of mixed precision.
_MATRICES: Table = {
    jt.learning.BufferedTransfer: lambda state: {f"buffered_FP_weight_{k}": one for k, one in enumerate(state.memory)},
    jt.learning.ChoppedTransfer: lambda state: {"buffered_FP_weight_0": state.memory.buffer},
    jt.learning.DynamicTransfer: lambda state: {
        "buffered_FP_weight": state.memory.buffer,
        "running_mean_weight": state.memory.reference.mean,
        "past_mean_weight": state.memory.reference.past,
    },
    jt.learning.MixedPrecision: lambda state: {"hidden_weights_chi": state.chi},
}


def counters(tile: jt.Tile) -> dict[str, list[float]]:
    """The counters of a tile, as `load_extra` takes them."""
    return {
        _PREFIX + name: jnp.ravel(values).astype(float).tolist()
        for name, values in _named(_COUNTERS, tile.device, tile.state).items()
    }


def with_counters(tile: jt.Tile, extra: dict[str, Any]) -> jt.Tile:
    """The same tile, with the counters of a C++ tile."""
    return _with(_COUNTERS, tile, lambda name, own: jnp.asarray(extra[_PREFIX + name], own.dtype).reshape(own.shape))


def matrices(tile: jt.Tile) -> dict[str, Float[Array, "out in"]]:
    """The digital matrices of a tile, [out, in]."""
    return {name: _by_rows(tile, own) for name, own in _named(_MATRICES, tile.device, tile.state).items()}


def with_matrices(tile: jt.Tile, slices: dict[str, Float[Array, "out in"]]) -> jt.Tile:
    """The same tile, with the digital matrices in `slices`."""
    return _with(_MATRICES, tile, lambda name, own: _by_rows(tile, slices[name]))


def _named(table: Table, device: Any, state: Any) -> dict[str, Array]:
    named = table.get(type(device), lambda state: {})(state)
    return {name: own for name, own in named.items() if own is not None}


def _with(table: Table, tile: jt.Tile, value: Callable[[str, Array], Array]) -> jt.Tile:
    device, state = tile.device, tile.state
    new = [value(name, own) for name, own in _named(table, device, state).items()]
    return tile.with_state(eqx.tree_at(lambda state: list(_named(table, device, state).values()), state, new)) if new else tile


def _by_rows(tile: jt.Tile, matrix: Float[Array, "..."]) -> Float[Array, "..."]:
    """A matrix that is kept line by line, and back."""
    return matrix.T if getattr(tile.device, "transfer_columns", False) else matrix
