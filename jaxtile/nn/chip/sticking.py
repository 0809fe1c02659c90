"""Devices that break after fabrication."""

import dataclasses

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import PyTree

from ..._types import Key, Real, as_number
from ...device import Cells
from ...tile import Tile
from ..layers import Linear, layers, map_layers_with_keys

__all__ = ["stick"]


def stick(model: PyTree, fraction: Real, *, value: Real = 0.0, key: Key) -> PyTree:
    """The model with some of its devices stuck: no pulse and no time moves them.

    Args:
        model: a model with layers on tiles.
        fraction: chance of each device to be stuck.
        value: where it is stuck, as far as it reaches.
        key: of the choice; layer n draws from `fold_in(key, n)`.

    Raises:
        TypeError: the cells of a layer are no single pulsed devices.
        ValueError: `fraction` is not within 0 and 1.
    """
    chance, place = as_number("fraction", fraction, low=0.0, high=1.0), as_number("value", value)
    for path, layer in layers(model).items():
        if not isinstance(layer.tile.cells, Cells):
            raise TypeError(f"{path} has cells of {layer.tile.device!r}; only single pulsed devices can be stuck.")

    def stuck(tile: Tile, *, key: Key) -> Tile:
        cells, chosen = tile.cells, jr.uniform(key, tile.shape) < chance
        assert isinstance(cells, Cells)
        at = jnp.clip(place, cells.w_min, cells.w_max)
        where = {"step_up": 0, "step_down": 0, "w_min": at, "w_max": at, "decay_scale": 1, "diffusion_rate": 0}
        broken = dataclasses.replace(cells, **{name: jnp.where(chosen, new, getattr(cells, name)) for name, new in where.items()})
        chip = dataclasses.replace(tile.chip, cells=broken)
        return Tile(tile.config, chip, tile.now).with_state(tile.device.settle(broken, tile.state))

    def each(path: str, layer: Linear, key: Key) -> Linear:
        return layer.replace(tile=layer.tile.change(stuck, key=key))

    return map_layers_with_keys(each, model, key)
