"""What happens to the weights of a tile between updates: decay, diffusion, reset, drift.

Nothing here is automatic: call what the time that has passed asks for. Each ends with the clip to the bounds. Ideal devices
keep their weights.
"""

import jax.numpy as jnp
from jaxtyping import Array, Int

from ._random import Source, as_key
from ._types import Key, Scalar, check_number, is_concrete, scalar
from ._vectors import check_columns
from .device import Rewrite
from .tile import Tile, check_tile, draws, with_state

__all__ = ["decay", "diffuse", "drift", "reset"]


def decay(tile: Tile, *, alpha: Scalar | float = 1.0, key: Key | None = None) -> Tile:
    """One decay of every device towards its reset bias b: `w <- b + (w - b)(1 - alpha (1 - decay_scale))`.

    Args:
        tile: the tile.
        alpha: a fraction or multiple of one decay.
        key: of the write noise, for devices that have it.
    """
    check_tile(tile)
    part, key = scalar(alpha), None if key is None else as_key(key)
    check_number("alpha", part, low=0.0)

    def law(device, cells, weight, noise):
        return cells.reset_bias + (weight - cells.reset_bias) * (1 - part * (1 - cells.decay_scale))

    return _rewrite(tile, law, key)


def diffuse(tile: Tile, *, key: Key) -> Tile:
    """One diffusion of every device: `w <- w + diffusion_rate xi`.

    Args:
        tile: the tile.
        key: of this diffusion.
    """
    check_tile(tile)
    key = as_key(key)

    def law(device, cells, weight, noise):
        return weight + cells.diffusion_rate * noise.fold(Source.DIFFUSE).normal(weight.dtype)

    return _rewrite(tile, law, key)


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
    named = jnp.zeros(tile.shape[1], bool).at[jnp.asarray(columns)].set(True)

    def law(device, cells, weight, noise):
        drawn = noise.fold(Source.RESET_CHOICE).uniform(weight.dtype) < chance
        return jnp.where(drawn & named[None, :], device.after_reset(cells, noise), weight)

    return _rewrite(tile, law, key)


def drift(tile: Tile, time: Scalar | float, *, key: Key) -> Tile:
    """Let devices that drift (`jt.device.Drifting`, also in unit cells) do so; what was written since the last call starts anew.

    Args:
        tile: the tile.
        time: what has passed since the last call, or since the weights were written; in the units of the device's `t_0`.
        key: of this drift.

    Raises:
        TypeError: the devices do not drift.
    """
    check_tile(tile)
    span, key = scalar(time), as_key(key)
    check_number("time", span, low=0.0)
    if not tile.device.drifts:
        raise TypeError(f"device={tile.device!r} does not drift; wrap it, as in jaxtile.device.Drifting(device, nu=0.05).")
    return with_state(tile, tile.device.drift(tile.cells, tile.state, span, draws(tile, key)))


def _rewrite(tile: Tile, law: Rewrite, key: Key | None) -> Tile:
    noise = None if key is None else draws(tile, key)
    return with_state(tile, tile.device.rewrite(tile.cells, tile.state, law, noise=noise))
