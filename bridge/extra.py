"""Arrays of a tile, by name, that its hidden parameters and weights leave out.

The numbers of the configuration that they were drawn by go along. A tile that draws by
other numbers keeps what it drew itself.
"""

import dataclasses
import re
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from aihwkit.exceptions import TileError

import jaxtile as jt

from .hidden import is_weight

__all__ = ["from_named", "refuse_other_versions", "sample", "to_named"]

_VERSION = 2  # of the names; the first had numbers in their place


def to_named(tile: jt.Tile) -> dict[str, np.ndarray]:
    """The arrays of a tile that aihwkit knows nothing of, such as
    `bridge.forward.v_offset`.
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(_drawn(tile) | _changing(tile) | _numbers(tile.config))
    return {"bridge.version": np.array([_VERSION])} | {_name(path): np.array(leaf) for path, leaf in leaves}


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

    def take_number(path: Any, own: jax.Array) -> jax.Array:
        value = state[_name(path)]
        return jnp.asarray(value, own.dtype) if np.shape(value) == own.shape else jnp.full_like(own, jnp.nan)

    def take_drawn(path: Any, own: jax.Array, ours: jax.Array, theirs: jax.Array) -> jax.Array:
        return take(path, own) if np.allclose(ours, theirs, rtol=1e-6, atol=0) else own

    with_path, config = jax.tree_util.tree_map_with_path, _numbers(tile.config)
    samples = (_sample(numbers, tile.shape) for numbers in (config, with_path(take_number, config)))
    drawn, changing = with_path(take_drawn, _drawn(tile), *samples), with_path(take, _changing(tile))
    chip = dataclasses.replace(
        tile.chip, half_cells=drawn[_half_cells(tile.config)], forward=drawn["forward"], backward=drawn["backward"]
    )
    now = tile.now.replace(
        state=tile.state if is_weight(tile.state) else changing[_state(tile.config)],
        half_memory=changing[_half_memory(tile.config)],
        tally=changing["tally"],
        **changing["average"],
    )
    return jt.Tile(tile.config, chip, now)


def sample(config: jt.TileConfig, shape: tuple[int, int]) -> dict[str, Any]:
    """The arrays that a chip of a configuration draws, from one and the same key.

    Two configurations that draw alike have equal samples.
    """
    return _sample(_numbers(config), shape)


def refuse_other_versions(state: dict[str, Any]) -> None:
    """Refuse a state whose arrays have other names.

    Raises:
        TileError: its version is later than this one, or its arrays have numbers for
            names.
    """
    version = int(np.ravel(state.get("bridge.version", 1))[0])
    if version > _VERSION:
        raise TileError(
            f"bridge.version={version}: a later jaxtile wrote this state, and this one reads up to {_VERSION}; update it."
        )
    numbered = sorted(name for name in state if re.fullmatch(r"bridge\.\w+\.\d+", name))
    if version < _VERSION and numbered:
        raise TileError(
            f"{', '.join(numbered)}: an early jaxtile wrote this state, whose drawn numbers have no names. Without these entries "
            "it is read, and the tile keeps what it drew itself."
        )


# Numbers of one class mean nothing to another: the class is part of their names.


def _state(config: jt.TileConfig) -> str:
    return f"state.{type(config.device).__name__}"


def _half_cells(config: jt.TileConfig) -> str:
    return f"half_select.{type(config.half_select).__name__}.cells"


def _half_memory(config: jt.TileConfig) -> str:
    return f"half_select.{type(config.half_select).__name__}.memory"


def _drawn(tile: jt.Tile) -> dict[str, Any]:
    chip = tile.chip
    return {"forward": chip.forward, "backward": chip.backward, _half_cells(tile.config): chip.half_cells}


def _changing(tile: jt.Tile) -> dict[str, Any]:
    return {
        _state(tile.config): None if is_weight(tile.state) else tile.state,
        "average": {"forward": tile.now.forward, "backward": tile.now.backward},
        _half_memory(tile.config): tile.now.half_memory,
        "tally": tile.tally,
    }


def _numbers(config: jt.TileConfig) -> dict[str, Any]:
    return {"config": {"forward": config.forward, "backward": config.backward, _half_cells(config): config.half_select}}


def _sample(numbers: dict[str, Any], shape: tuple[int, int]) -> dict[str, Any]:
    key = jr.key(0)
    models = dict(numbers["config"])
    forward, backward = models.pop("forward"), models.pop("backward")
    return {
        "forward": jt.periphery.fabricate(forward, shape, key),
        "backward": jt.periphery.fabricate(backward, (shape[1], shape[0]), key),
        **{name: None if model is None else model.fabricate(shape, key=key) for name, model in models.items()},
    }


def _name(path: Any) -> str:
    return f"bridge.{jax.tree_util.keystr(path, simple=True, separator='.')}"
