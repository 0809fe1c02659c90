"""What the routine of a device does before and after each vector."""

import dataclasses

import equinox as eqx
import jax

from .._random import Source, numbers, stream
from .._types import Key
from .._vectors import UnitVectors
from ..device import AbstractUnitCell, Sending, Vector
from ..tile import Chip, Now, TileConfig
from .execution import encode, execute
from .one_shot import one_shot

__all__ = ["after", "before"]


def before(config: TileConfig, chip: Chip, now: Now, vector: Vector | None, key: Key) -> tuple[Now, Vector | None]:
    """How the tile stands before a vector, and the vector that is really sent (None: none)."""
    device = config.crosspoint
    if device.routine is None:
        return now, vector
    state, vector = device.routine.before(device, chip.cells, now.state, vector, key=stream(key, Source.CONNECT))
    return now.replace(state=state), vector


def after(config: TileConfig, chip: Chip, now: Now, batch: int, key: Key) -> Now:
    """How the tile stands after a vector: if the routine is due, what it sends has been sent."""
    device = config.crosspoint
    due = None if device.routine is None else device.routine.due(device, now.state, batch)
    if due is None:
        return now

    def act(now: Now) -> Now:
        own_key = stream(key, Source.REFRESH)
        state, sending = device.routine.act(device, chip.cells, now.state, chip.draws(own_key))
        return _send(config, chip, now.replace(state=state), sending, own_key)

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
