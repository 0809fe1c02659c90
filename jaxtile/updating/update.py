"""`update`: send pulses into a tile, half-selected cells and all.

    encode        x and d become what the lines send              (pulse)
    pulse         the fully selected cells                        (device)
    disturb       the half-selected cells                         (half_select)
    clip          to what each device can hold                    (device, with every pulse)

Each loop over the vectors of a batch is a function from `Now` to `Now`. `batch` sends
one after another, as the hardware does, with the routines of the device between them.
`one_shot` sends unit vectors, each of which touches a column of its own, in one pass
over the tile. `without_pulses` adds the products themselves. `execution` has the four
lines for one vector.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from .._random import as_key
from .._types import AnyArray, Key, Real, Scalar, as_number
from .._vectors import UnitVectors
from ..pulse import AbstractLines, Counts
from ..tile import Chip, Now, Tile, TileConfig, as_vectors, check_tile
from .batch import after, before, send_batch
from .execution import execute
from .without_pulses import without_pulses

__all__ = ["send", "update"]


def update(
    tile: Tile,
    x: Num[AnyArray, "k in"] | Num[AnyArray, " in"] | UnitVectors,
    d: Num[AnyArray, "k out"] | Num[AnyArray, " out"],
    *,
    learning_rate: Real,
    key: Key,
) -> Tile:
    """Send pulses that change the weights by `-learning_rate * d^T x` on average.

    Args:
        tile: the tile.
        x: one vector or several, for the columns; `UnitVectors` for columns driven one
            by one.
        d: as many, for the rows.
        learning_rate: not negative.
        key: of the trains and of the cycle noise. Vector v draws from `fold_in(key,
            v)`.

    Raises:
        TypeError, ValueError: x or d hold something else than finite numbers, which
            would send no pulses; or shapes do not fit the tile or one another; or the
            learning rate is negative.
    """
    weight = check_tile(tile)
    rate = as_number("learning_rate", learning_rate, low=0.0)
    (out, width), dtype = tile.shape, weight.dtype
    d = jnp.atleast_2d(as_vectors("d", d, out, dtype, finite=True))
    if isinstance(x, UnitVectors):
        k = x.columns.shape[0]
        if x.width != width:
            raise ValueError(f"x is of width {x.width}; the tile has {width} columns.")
    else:
        x = jnp.atleast_2d(as_vectors("x", x, width, dtype, finite=True))
        if x.ndim != 2:
            raise ValueError(f"x has shape {x.shape}; pass one vector [in] or several [k, in].")
        k = x.shape[0]
    if d.shape != (k, out):
        raise ValueError(f"x holds {k} vectors and d has shape {d.shape}; pass one d of {out} entries for each x.")
    key = as_key(key)
    if k == 0:  # nothing is sent
        return tile
    return tile.at(_update(tile.config, tile.chip, tile.now, x, d, rate.astype(dtype), key))


@eqx.filter_jit
def _update(config: TileConfig, chip: Chip, now: Now, x: Any, d: Float[Array, "k out"], learning_rate: Scalar, key: Key) -> Now:
    fresh = now.recounted()
    if config.is_pulsed:
        routines = config.crosspoint.routines
        moved = send_batch(config, chip, fresh, x, d, learning_rate, key, routines=routines)
    else:
        moved = without_pulses(config, chip, fresh, x, d, learning_rate, key)
    return moved.counted_after(now)


def send(tile: Tile, lines: AbstractLines, *, key: Key) -> Tile:
    """Execute what the lines send for one pair of vectors, wherever it was drawn;
    `update` without the encoding.

    Args:
        tile: the tile.
        lines: trains or counts.
        key: of the cycle noise.

    Raises:
        TypeError, ValueError: these are not lines, they do not fit the tile, or its
            devices take no pulses.
    """
    check_tile(tile)
    if not isinstance(lines, AbstractLines):
        raise TypeError(f"lines={lines!r:.80} are not Trains or Counts of jaxtile.pulse, such as Trains.from_bits makes.")
    if not tile.config.is_pulsed:
        raise ValueError(f"tile={tile!r} takes no pulses; use a pulsed device with a pulse type that sends pulses.")
    there = (lines.d_sign.shape[0], lines.x_sign.shape[0])
    if there != tile.shape:
        raise ValueError(f"lines are for {there[0]} rows and {there[1]} columns; the tile is [out, in] = {tile.shape}.")
    expected = isinstance(lines, Counts) and jnp.issubdtype(lines.coincidence.dtype, jnp.floating)
    if expected and tile.config.crosspoint.order == "slot":
        raise ValueError("lines hold expected counts, which have no slots; use a device with order='aggregate'.")
    return tile.at(_send(tile.config, tile.chip, tile.now, lines, as_key(key)))


@eqx.filter_jit
def _send(config: TileConfig, chip: Chip, now: Now, lines: AbstractLines, key: Key) -> Now:
    routines = config.crosspoint.routines
    ready, _ = before(config, chip, now.recounted(), None, key, routines)
    return after(config, chip, execute(config, chip, ready, lines, key), None, key, routines).counted_after(now)
