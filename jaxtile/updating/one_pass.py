"""A batch of vectors in one pass over the cells: `order="batch"`."""

import jax.numpy as jnp
from jaxtyping import Array

from .._random import Source, stream
from .._types import Key, Scalar
from ..device import Vector
from ..pulse import AbstractLines, Trains
from ..pulse.coincidences import sum_of_trains, sum_one_by_one
from ..tile import Chip, Now, TileConfig
from .execution import count, encode, send_together
from .in_turn import encode_all, seen_of_all
from .rows import Rows, by_rows, pulse_rows

__all__ = ["one_pass"]


def one_pass(config: TileConfig, chip: Chip, now: Now, vectors: Vector, key: Key) -> Now:
    """Send vectors [k, ...] by the sums of what their lines send: the pulses of a cell
    up, those down, and the half ones of each polarity.

    The cycle noise is drawn once, from the stream of the first vector.
    """
    keys, lines = encode_all(config, vectors, key)
    if isinstance(lines, Trains):
        return _trains(config, chip, now, lines, keys[0])
    # Counts of cells are encoded anew: all of them at once would be [k, out, in].
    up, down = sum_one_by_one(lambda sent: encode(config, *sent).moves(), (vectors, keys))
    total = jnp.sum(jnp.sum(up + down, axis=1).astype(float))  # whole numbers are added up as such
    return _cells(config, chip, now, lines, (up.astype(float), down.astype(float)), total, keys[0])


def _trains(config: TileConfig, chip: Chip, now: Now, lines: Trains, key: Key) -> Now:
    sums = sum_of_trains(lines)
    of_rows = sums.of_rows()
    total = jnp.sum(of_rows.astype(float))
    if not by_rows(config):
        return _cells(config, chip, now, lines, sums.moves(), total, key)
    state = pulse_rows(config, chip, now.state, sums, Rows.where(of_rows > 0), stream(key, Source.CYCLE))
    seen = seen_of_all(config, lines, None if now.tally.each is None else sums.moves())
    return count(config, chip, now.replace(state=state), total, seen)


def _cells(
    config: TileConfig, chip: Chip, now: Now, lines: AbstractLines, moves: tuple[Array, Array], total: Scalar, key: Key
) -> Now:
    """Pulse and disturb all cells."""
    seen, slots = seen_of_all(config, lines, moves), lines.d_sign.shape[0] * lines.n_slots
    now = send_together(config, chip, now, seen, slots, key)
    return count(config, chip, now, total, seen)
