"""What happens to the weights of a tile between updates: decay, diffusion, reset.

Nothing here is automatic: call what the time that has passed asks for. Each ends with the clip to the bounds. Ideal devices
keep their weights.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Int

from ._random import Source, as_key, cell_index, normal, numbers, stream, uniform
from ._types import Key, Scalar, Weight, check_number, is_concrete, scalar
from ._vectors import check_columns
from .device import AbstractPulsedDevice
from .tile import Tile, check_tile

__all__ = ["decay", "diffuse", "reset"]


def decay(tile: Tile, *, alpha: Scalar | float = 1.0) -> Tile:
    """One decay of every device towards its reset bias b: `w <- b + (w - b)(1 - alpha (1 - decay_scale))`.

    Args:
        tile: the tile.
        alpha: a fraction or multiple of one decay.
    """
    check_tile(tile)
    part = scalar(alpha)
    check_number("alpha", part, low=0.0)
    if not isinstance(tile.device, AbstractPulsedDevice):
        return tile
    bias, scale = tile.cells.reset_bias, 1 - part * (1 - tile.cells.decay_scale)
    return _put(tile, bias + (tile.weight - bias) * scale)


def diffuse(tile: Tile, *, key: Key) -> Tile:
    """One diffusion of every device: `w <- w + diffusion_rate xi`.

    Args:
        tile: the tile.
        key: of this diffusion.
    """
    check_tile(tile)
    key = as_key(key)
    if not isinstance(tile.device, AbstractPulsedDevice):
        return tile
    return _put(tile, tile.weight + tile.cells.diffusion_rate * _normal(tile, stream(key, Source.DIFFUSE)))


def reset(tile: Tile, columns: Int[Array, " n"], *, probability: Scalar | float = 1.0, key: Key) -> Tile:
    """Reset the devices of some columns, each with a probability: `w <- reset_bias + reset_std xi`.

    Args:
        tile: the tile.
        columns: which ones.
        probability: of each of their devices.
        key: of this reset.
    """
    check_tile(tile)
    chance, key = scalar(probability), as_key(key)
    check_number("probability", chance, low=0.0, high=1.0)
    if is_concrete(columns):
        check_columns(columns, tile.shape[1])
    if not isinstance(tile.device, AbstractPulsedDevice):
        return tile
    fresh = tile.cells.reset_bias + tile.device.reset_std * _normal(tile, stream(key, Source.RESET))
    drawn = uniform(stream(key, Source.RESET_CHOICE), _index(tile)).astype(chance.dtype) < chance
    named = jnp.zeros(tile.shape[1], bool).at[jnp.asarray(columns)].set(True)
    return _put(tile, jnp.where(drawn & named[None, :], fresh, tile.weight))


def _index(tile: Tile) -> Int[Array, "out in"]:
    out, width = tile.shape
    return cell_index(out, numbers(width), width)


def _normal(tile: Tile, key: Key) -> Weight:
    return normal(key, _index(tile)).astype(tile.weight.dtype)


def _put(tile: Tile, weight: Weight) -> Tile:
    return eqx.tree_at(lambda t: t.weight, tile, tile.device.clip(tile.cells, weight))
