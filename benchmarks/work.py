"""A line of the table, and what its sides are made of."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr

import jaxtile as jt

from .timing import Side

__all__ = ["KEY", "SQUARE", "Again", "Work", "many_keys", "tile_of"]

KEY = jr.key(0)
SQUARE = (512, 512)


class Work(NamedTuple):
    """One line of the table.

    Attributes:
        title: what is done.
        regime: where the line holds.
        sides: the contenders, jaxtile first, each made when it is called.
        least, aim: how many times faster than `against` it should be.
        against: the rivals; the ratio is with the faster one.
        seconds: how long to measure.
        flags: of XLA, for the process that it runs in.
    """

    title: str
    regime: str
    sides: Callable[[], dict[str, Callable[[], Side]]]
    least: float
    aim: float
    against: tuple[str, ...] = ("aihwkit",)
    seconds: float = 10.0
    flags: str = ""


def many_keys():
    """Keys, made beforehand."""
    return itertools.cycle(list(jr.split(jr.key(3), 100)))


class Again:
    """A tile that is updated again and again, in place: the old one is given away. `times` updates are one call."""

    def __init__(self, tile, step, times=1):
        def several(tile, key):
            return jax.lax.fori_loop(0, times, lambda n, tile: step(tile, jr.fold_in(key, n)), tile)

        self.tile, self.keys = jax.tree.map(jnp.copy, tile), many_keys()
        self.step = jax.jit(step if times == 1 else several, donate_argnums=0)

    def __call__(self):
        self.tile = self.step(self.tile, next(self.keys))
        return self.tile


def tile_of(shape, **config):
    """A fabricated tile."""
    return jt.init(jt.TileConfig(**config), shape, key=KEY)
