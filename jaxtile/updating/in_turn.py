"""Vectors one after another, with nothing between them."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from .._random import Source, arange, stream
from .._types import Key, Keys
from ..device import State, Vector
from ..half_select.phases import Exposure, exposure_to_lines, select
from ..pulse import AbstractLines, Trains
from ..pulse.coincidences import Moves, sum_of_trains
from ..tile import Chip, Now, TileConfig
from .execution import count, encode, move
from .rows import Rows, by_rows, pulse_own_rows, pulse_rows

__all__ = ["encode_all", "in_turn", "seen_of_all"]


def encode_all(config: TileConfig, vectors: Vector, key: Key) -> tuple[Keys, AbstractLines]:
    """The keys of vectors [k, ...], and what their lines send: vector v has the trains
    of `fold_in(key, v)`.
    """
    keys = jax.vmap(partial(stream, key))(arange(vectors.d.shape[0]))
    return keys, jax.vmap(partial(encode, config))(vectors, keys)


def seen_of_all(config: TileConfig, lines: AbstractLines, moves: Moves | None) -> Exposure:
    """The exposure of cells to the lines of all vectors, given their full pulses; None:
    as if there were none.
    """
    each = jax.vmap(partial(exposure_to_lines, skip_inactive=config.skips_phases))(lines)
    seen = jax.tree.map(lambda counts: jnp.sum(counts, axis=0, dtype=counts.dtype).astype(float), each)
    return seen if moves is None else select(seen, *moves)


def in_turn(config: TileConfig, chip: Chip, now: Now, keys: Keys, lines: Trains, *, rows: Int[Array, " k"] | None = None) -> Now:
    """Send the trains of vectors [k, ...], encoded and counted all at once: one after
    another this took as long as the pulses.

    Vectors that drive a row each, as `rows` says, do not wait for one another.
    """
    moves = None if now.tally.each is None else sum_of_trains(lines).moves()
    moved = _by_cells if not by_rows(config) else _by_rows if rows is None else partial(_by_own_rows, rows)
    now = moved(config, chip, now, keys, lines)
    return count(config, chip, now, jnp.sum(jax.vmap(Trains.total)(lines)), seen_of_all(config, lines, moves))


def _by_cells(config: TileConfig, chip: Chip, now: Now, keys: Keys, lines: Trains) -> Now:
    def step(now: Now, sent: tuple[Trains, Key]) -> tuple[Now, None]:
        return move(config, chip, now, *sent), None

    return jax.lax.scan(step, now, (lines, keys))[0]


def _by_rows(config: TileConfig, chip: Chip, now: Now, keys: Keys, lines: Trains) -> Now:
    def step(state: State, sent: tuple[Trains, Rows, Key]) -> tuple[State, None]:
        return pulse_rows(config, chip, state, *sent), None

    return now.replace(state=jax.lax.scan(step, now.state, (lines, jax.vmap(Rows.of)(lines), _cycles(keys)))[0])


def _by_own_rows(rows: Int[Array, " k"], config: TileConfig, chip: Chip, now: Now, keys: Keys, lines: Trains) -> Now:
    return now.replace(state=pulse_own_rows(config, chip, now.state, lines, rows, _cycles(keys)))


def _cycles(keys: Keys) -> Keys:
    """The keys of the cycle noise of vectors."""
    return jax.vmap(lambda key: stream(key, Source.CYCLE))(keys)
