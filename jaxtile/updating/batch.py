"""A batch of vectors, and what the routines of a device do between them."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Bool

from .._loop import any_lane
from .._random import Source, arange, stream
from .._types import Key, Scalar
from .._vectors import UnitVectors
from ..device import AbstractRoutine, AbstractUnitCell, Sending, UnitCells, Vector
from ..pulse import Trains
from ..pulse.base import SLOTS_PER_WORD
from ..tile import Chip, Now, TileConfig, as_vectors
from .execution import encode, execute
from .in_turn import encode_all, in_turn
from .one_pass import one_pass
from .one_shot import one_shot

__all__ = ["Routines", "after", "before", "send_batch"]

Routines = tuple[AbstractRoutine, ...]


def send_batch(
    config: TileConfig,
    chip: Chip,
    now: Now,
    x: Any,
    d: Any,
    learning_rate: Scalar,
    key: Key,
    *,
    routines: Routines = (),
) -> Now:
    """Send vectors one after another, as the hardware does; all in one pass, if the
    device declares it; unit vectors at once, if nothing asks for an order. One of x and
    d may be unit vectors.

    Vector v draws from `fold_in(key, v)`. The routines act before and after each
    vector, or before and after all of them.
    """
    rows = None
    if isinstance(d, UnitVectors):
        rows, d = d.columns, d.dense(float)
    if d.shape[0] == 0:
        return now
    if isinstance(x, UnitVectors) and config.keeps_no_order and not routines:
        return one_shot(config, chip, now, x, d, learning_rate, key)
    batch, x = d.shape[0], x.dense(d.dtype) if isinstance(x, UnitVectors) else x
    vectors = jax.vmap(lambda x, d: Vector(x, d, learning_rate, batch, config.pulse))(x, d)
    if config.crosspoint.order == "batch" and batch > 1:  # of one vector there is nothing to sum
        return _together(config, chip, now, vectors, key, routines)
    if not routines and config.trains.desired_bl <= SLOTS_PER_WORD:  # then the trains are no larger than x and d
        keys, lines = encode_all(config, vectors, key)
        if isinstance(lines, Trains):
            return in_turn(config, chip, now, keys, lines, rows=rows)

    def step(now: Now, numbered: tuple[Array, Vector]) -> tuple[Now, None]:
        v, vector = numbered
        own_key = stream(key, v)
        now, sent = before(config, chip, now, vector, own_key, routines)
        if sent is not None:
            now = execute(config, chip, now, encode(config, sent, own_key), own_key)
        return after(config, chip, now, vector, own_key, routines), None

    return jax.lax.scan(step, now, (arange(batch), vectors))[0]


def _together(config: TileConfig, chip: Chip, now: Now, vectors: Vector, key: Key, routines: Routines) -> Now:
    """Send all vectors in one pass: the routines see all of them first, and act once
    all are sent, as many times as they were due.
    """
    if not routines:
        return one_pass(config, chip, now, vectors, key)
    numbers = arange(vectors.d.shape[0])

    def look(now: Now, numbered: tuple[Array, Vector]) -> tuple[Now, Any]:
        v, vector = numbered
        now, sent = before(config, chip, now, vector, stream(key, v), routines)
        return now, (sent, [routine.due(config.device, now.state, vector) for routine in routines])

    def act(now: Now, numbered: tuple[Array, Vector, Any]) -> tuple[Now, None]:
        v, vector, due = numbered
        return after(config, chip, now, vector, stream(key, v), routines, due=due), None

    now, (sent, due) = jax.lax.scan(look, now, (numbers, vectors))
    if sent is not None:
        now = one_pass(config, chip, now, sent, key)
    return jax.lax.scan(act, now, (numbers, vectors, due))[0]


def before(
    config: TileConfig, chip: Chip, now: Now, vector: Vector | None, key: Key, routines: Routines
) -> tuple[Now, Vector | None]:
    """The tile as it stands before a vector, and the vector that is really sent (None:
    none).
    """
    for n, routine in enumerate(routines):
        own_key = _own(key, Source.CONNECT, n)
        state, vector = routine.before(config.device, chip.cells, now.state, vector, key=own_key)
        now = now.replace(state=state)
    return now, vector


def after(
    config: TileConfig,
    chip: Chip,
    now: Now,
    vector: Vector | None,
    key: Key,
    routines: Routines,
    *,
    due: list[Bool[Array, ""] | None] | None = None,
) -> Now:
    """The tile as it stands once each routine that is due has sent its vectors; None:
    each is asked now.
    """
    for n, routine in enumerate(routines):
        is_due = routine.due(config.device, now.state, vector) if due is None else due[n]
        now = _after(config, chip, now, vector, _own(key, Source.REFRESH, n), routine, is_due)
    return now


def _own(key: Key, source: Source, n: int) -> Key:
    """The key of routine n."""
    return stream(key, source, n) if n else stream(key, source)


def _after(
    config: TileConfig, chip: Chip, now: Now, vector: Vector | None, key: Key, routine: AbstractRoutine, due: Array | None
) -> Now:
    if due is None:
        return now

    def act(now: Now) -> Now:
        state, sending = routine.act(config.device, chip.cells, now.state, vector, chip.draws(key))
        return _send(config, chip, now.replace(state=state).having_read(sending.reads), sending, key)

    def stay(now: Now) -> Now:
        return now

    # Of tiles under `vmap` none acts, and costs nothing, where none is due.
    return jax.lax.cond(any_lane(due), lambda now: jax.lax.cond(due, act, stay, now), stay, now)


def _send(config: TileConfig, chip: Chip, now: Now, sending: Sending, key: Key) -> Now:
    """Send the vectors of a routine, to all of the tile or to one device of each unit
    cell.
    """
    (out, width), config = chip.shape, dataclasses.replace(config, pulse=sending.pulse)
    x = sending.x if isinstance(sending.x, UnitVectors) else as_vectors("Sending.x", sending.x, width, float)
    d = sending.d if isinstance(sending.d, UnitVectors) else as_vectors("Sending.d", sending.d, out, float)
    vectors = (x, d, sending.learning_rate)
    if sending.part is None:
        return send_batch(config, chip, now, *vectors, key, routines=sending.routines)
    cell, k = config.device, sending.part
    assert isinstance(cell, AbstractUnitCell)
    assert isinstance(chip.cells, UnitCells)
    config, chip = dataclasses.replace(config, device=cell.parts[k]), dataclasses.replace(chip, cells=chip.cells.devices[k])
    part = send_batch(config, chip, now.replace(state=now.state.devices[k]), *vectors, key)
    return part.replace(state=eqx.tree_at(lambda state: state.devices[k], now.state, part.state))
