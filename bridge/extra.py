"""Arrays of a tile, by name, that its hidden parameters and weights leave out."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from aihwkit.exceptions import TileError

import jaxtile as jt

from .hidden import is_weight

__all__ = ["from_named", "to_named"]


def to_named(tile: jt.Tile) -> dict[str, np.ndarray]:
    """The arrays of a tile that aihwkit knows nothing of, such as
    `bridge.forward.v_offset`.
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(_extra(tile))
    return {_name(path): np.array(leaf) for path, leaf in leaves}


def from_named(tile: jt.Tile, state: dict[str, Any]) -> jt.Tile:
    """The same tile with the arrays of `to_named`.

    Raises:
        TileError: an array has another shape than the tile's own.
    """

    def take(path: Any, own: jax.Array) -> jax.Array:
        name = _name(path)
        if np.shape(state[name]) != own.shape:
            raise TileError(f"{name} has shape {np.shape(state[name])}; this tile's has {own.shape}.")
        return jnp.asarray(state[name], own.dtype)

    extra = jax.tree_util.tree_map_with_path(take, _extra(tile))
    (half,) = (extra[name] for name in extra if name.startswith("half_select"))
    chip = dataclasses.replace(tile.chip, half_cells=half["cells"], forward=extra["forward"], backward=extra["backward"])
    now = tile.now.replace(
        state=tile.state if is_weight(tile.state) else extra["state"],
        half_memory=half["memory"],
        tally=extra["tally"],
        **extra["average"],
    )
    return jt.Tile(tile.config, chip, now)


def _extra(tile: jt.Tile) -> dict[str, Any]:
    # Numbers of one disturb model mean nothing to another: its class is part of their
    # names.
    half_select = f"half_select.{type(tile.config.half_select).__name__}"
    return {
        "state": None if is_weight(tile.state) else tile.state,
        "forward": tile.chip.forward,
        "backward": tile.chip.backward,
        "average": {"forward": tile.now.forward, "backward": tile.now.backward},
        half_select: {"cells": tile.chip.half_cells, "memory": tile.now.half_memory},
        "tally": tile.tally,
    }


def _name(path: Any) -> str:
    return f"bridge.{jax.tree_util.keystr(path, simple=True, separator='.')}"
