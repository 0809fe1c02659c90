"""Changes of the weights between updates or after the last one: decay, diffusion,
reset, programming noise, drift.

Nothing here is automatic: call what the time that has passed asks for. Each ends with
the clip to the bounds. Ideal devices keep their weights.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Int

from ._random import Source, as_key
from ._types import AnyArray, Key, Real, as_number, is_concrete, number_array
from ._vectors import check_columns
from .device import Rewrite, Statistical
from .noise import AbstractNoiseModel
from .pulse import NoneWithDevice
from .tile import Chip, Tile, TileConfig, check_tile

__all__ = ["apply_programming_noise", "decay", "diffuse", "drift", "reset"]


def decay(tile: Tile, *, alpha: Real = 1.0, key: Key | None = None) -> Tile:
    """One decay of every device towards its reset bias b: `w <- b + (w - b)(1 - alpha
    (1 - decay_scale))`.

    Args:
        tile: the tile.
        alpha: a fraction or multiple of one decay.
        key: of the write noise, for devices that have it.
    """
    check_tile(tile)
    part, key = as_number("alpha", alpha, low=0.0), None if key is None else as_key(key)

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


def reset(tile: Tile, columns: Int[AnyArray, " n"] | Sequence[int], *, probability: Real = 1.0, key: Key) -> Tile:
    """Reset the devices of some columns, each with a probability: `w <- reset_bias +
    reset_std xi`. In an algorithm of several arrays those of the first one are, which
    the columns are connected to.

    Args:
        tile: the tile.
        columns: which ones.
        probability: of each of their devices.
        key: of this reset.
    """
    check_tile(tile)
    chance, key = as_number("probability", probability, low=0.0, high=1.0), as_key(key)
    columns = number_array(columns, "columns")
    if columns.size == 0:  # JAX takes an empty list for floats
        columns = columns.astype(jnp.int32)
    masks = columns.dtype == bool and columns.shape == tile.shape[1:]
    if not (masks or jnp.issubdtype(columns.dtype, jnp.integer)):
        raise TypeError(f"columns has dtype {columns.dtype} and shape {columns.shape}; pass whole numbers, one for each column.")
    if is_concrete(columns):
        check_columns(columns, tile.shape[1])
    chosen = jnp.zeros(tile.shape[1], bool).at[columns].set(True)
    return tile.with_state(tile.device.reset_columns(tile.cells, tile.state, chosen, chance, noise=tile.chip.draws(key)))


def apply_programming_noise(tile: Tile, noise_model: AbstractNoiseModel, *, key: Key) -> Tile:
    """Write the weights of a tile, as they are, into statistical devices: the same
    periphery around a chip that is only read.

    Args:
        tile: the tile; its weights are the targets.
        noise_model: one of `jaxtile.noise`: how devices come out, and what time makes
            of them.
        key: of this write: programming noise and drift coefficients.
    """
    weight, key = check_tile(tile), as_key(key)
    device = Statistical(noise_model)
    config = TileConfig(device, NoneWithDevice(), forward=tile.config.forward, backward=tile.config.backward)
    cells = device.fabricate(tile.shape, key=None)
    chip = Chip(tile.shape, cells, forward=tile.chip.forward, backward=tile.chip.backward)
    state = device.write(cells, device.start(tile.shape), weight, noise=chip.draws(key))
    return Tile(config, chip, tile.now.replace(state=state, half_memory=None))


def drift(tile: Tile, time: Real, *, key: Key) -> Tile:
    """Let time pass for devices that drift: those of `jt.apply_programming_noise`, and
    `jt.device.Drifting`, also in unit cells.

    Of the latter, what was written since the last call starts anew.

    Args:
        tile: the tile.
        time: what has passed since the last call, or since the weights were written; in
            seconds, or in the units of the `t_0` of `Drifting`.
        key: of this drift, and of the read noise of then.

    Raises:
        TypeError: the devices do not drift.
    """
    check_tile(tile)
    span, key = as_number("time", time, low=0.0), as_key(key)
    if not tile.device.drifts:
        raise TypeError(
            f"device={tile.device!r} does not drift; wrap it, as in jaxtile.device.Drifting(device, nu=0.05), or "
            "jaxtile.apply_programming_noise(tile, jaxtile.noise.PCM(), key=key)."
        )
    return tile.with_state(tile.device.drift(tile.cells, tile.state, span, tile.chip.draws(key)))


def _rewrite(tile: Tile, law: Rewrite, key: Key | None) -> Tile:
    noise = None if key is None else tile.chip.draws(key)
    return tile.with_state(tile.device.rewrite(tile.cells, tile.state, law, noise=noise))
