"""The routines of a device, executed before and after each vector."""

import dataclasses

import equinox as eqx
import jax

from .._random import Source, numbers, stream
from .._types import Key
from .._vectors import UnitVectors
from ..device import AbstractRoutine, AbstractUnitCell, Sending, Vector
from ..tile import Chip, Now, TileConfig
from .execution import encode, execute
from .one_shot import one_shot

__all__ = ["after", "before"]


def before(config: TileConfig, chip: Chip, now: Now, vector: Vector | None, key: Key) -> tuple[Now, Vector | None]:
    """The tile as it stands before a vector, and the vector that is really sent (None: none)."""
    device = config.crosspoint
    for n, routine in enumerate(device.routines):
        state, vector = routine.before(device, chip.cells, now.state, vector, key=_own(key, Source.CONNECT, n))
        now = now.replace(state=state)
    return now, vector


def after(config: TileConfig, chip: Chip, now: Now, vector: Vector | None, key: Key) -> Now:
    """The tile as it stands once each routine that is due has sent its vectors."""
    for n, routine in enumerate(config.crosspoint.routines):
        now = _after(config, chip, now, routine, vector, _own(key, Source.REFRESH, n))
    return now


def _own(key: Key, source: Source, n: int) -> Key:
    """The key of routine n."""
    return stream(key, source, n) if n else stream(key, source)


def _after(config: TileConfig, chip: Chip, now: Now, routine: AbstractRoutine, vector: Vector | None, key: Key) -> Now:
    device = config.crosspoint
    due = routine.due(device, now.state, vector)
    if due is None:
        return now

    def act(now: Now) -> Now:
        state, sending = routine.act(device, chip.cells, now.state, vector, chip.draws(key))
        return _send(config, chip, now.replace(state=state), sending, key)

    return jax.lax.cond(due, act, lambda now: now, now)


def _send(config: TileConfig, chip: Chip, now: Now, sending: Sending, key: Key) -> Now:
    """Send the vectors of a routine, to all of the tile or to one device of each unit cell."""
    config = dataclasses.replace(config, pulse=sending.pulse)
    if sending.part is None:
        return _send_all(config, chip, now, sending, key)
    cell, k = config.device, sending.part
    assert isinstance(cell, AbstractUnitCell)
    alone = dataclasses.replace(config, device=cell.parts[k]), dataclasses.replace(chip, cells=chip.cells.devices[k])
    part = _send_all(*alone, now.replace(state=now.state.devices[k]), sending, key)
    return part.replace(state=eqx.tree_at(lambda state: state.devices[k], now.state, part.state))


def _send_all(config: TileConfig, chip: Chip, now: Now, sending: Sending, key: Key) -> Now:
    x, d, rate = sending.x, sending.d, sending.learning_rate
    if isinstance(x, UnitVectors):
        if config.keeps_no_order:
            return one_shot(config, chip, now, x, d, rate, key)
        x = x.dense(d.dtype)

    def step(now, numbered):
        v, x, d = numbered
        own_key = stream(key, v)
        return execute(config, chip, now, encode(config, Vector(x, d, rate, d.shape[0]), own_key), own_key), None

    return jax.lax.scan(step, now, (numbers(d.shape[0]), x, d))[0]
