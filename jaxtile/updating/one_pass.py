"""A batch of vectors in one pass over the cells: `order="batch"`."""

from functools import partial

import jax
import jax.numpy as jnp

from .._random import Source, stream
from .._types import Key
from ..device import Vector
from ..pulse import Trains
from ..pulse.coincidences import sum_of_trains, sum_one_by_one
from ..tile import Chip, Now, TileConfig
from .execution import count, encode, send_together
from .in_turn import encode_all, seen_of_all
from .rows import Moves, Rows, by_rows, pulse_rows

__all__ = ["one_pass"]


def one_pass(config: TileConfig, chip: Chip, now: Now, vectors: Vector, key: Key) -> Now:
    """Send vectors [k, ...] by the sums of what their lines send: the pulses of a cell
    up, those down, and the half ones of each polarity.

    The cycle noise is drawn once, from the stream of the first vector.
    """
    keys, lines = encode_all(config, vectors, key)
    if isinstance(lines, Trains):
        up, down = sum_of_trains(lines)
    else:  # counts of cells: encoded anew, for all of them at once would be [k, out, in]
        up, down = sum_one_by_one(lambda sent: encode(config, *sent).moves(), (vectors, keys))
    of_rows = jnp.sum(up + down, axis=1)
    total = jnp.sum(of_rows.astype(float))
    if by_rows(config) and isinstance(lines, Trains):
        sent, rows, cycle = Moves(up, down, lines.n_slots), Rows.where(of_rows > 0), stream(keys[0], Source.CYCLE)
        now = now.replace(state=pulse_rows(config, chip, now.state, sent, rows, cycle))
        return count(config, chip, now, total, seen_of_all(config, lines, None if now.tally.each is None else (up, down)))
    # A cell may get pulses of both directions: as real numbers, they are mixed evenly.
    seen = jax.tree.map(partial(jnp.asarray, dtype=float), seen_of_all(config, lines, (up, down)))
    now = send_together(config, chip, now, seen, lines.n_slots, keys[0])
    return count(config, chip, now, total, seen)
