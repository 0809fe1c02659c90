"""The same work as a user writes it: through a `jit` of one's own, by defaults, with another number of steps."""

import subprocess
import sys
import time
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr

import jaxtile as jt

from .timing import Side, measure
from .work import KEY, SQUARE, Again, many_keys, tile_of

__all__ = ["ONCE", "as_written"]

LAYER, STEPS = (300, 500), 20


def as_written() -> dict:
    """Milliseconds by work and side, the fastest first; and seconds of what happens once."""
    programs = {f"a {name} step of `program`, 300 x 500": _programs(method) for name, method in METHODS.items()}
    return {"a dense update, 512 x 512": _updates(), **programs, ONCE: _once()}


METHODS = {"SVD": jt.SVD(), "GDP": jt.GDP()}
ONCE = "once"


def _updates() -> dict[str, float]:
    """A dense update of 512 x 512."""
    x, d = (jr.uniform(jr.key(n), (512,), minval=-1) for n in (1, 2))
    keys = many_keys()

    def update(tile, key):
        return jt.update(tile, x, d, learning_rate=0.1, key=key)

    def own(jitted):
        held = {"tile": tile_of(SQUARE)}

        def call():
            held["tile"] = jitted(held["tile"], next(keys))
            return held["tile"]

        return Side(call)

    tile = tile_of(SQUARE)

    def only_now(**donated):
        held = {"now": jax.tree.map(jnp.copy, tile.now)}
        step = jax.jit(lambda chip, now, key: update(jt.Tile(tile.config, chip, now), key).now, **donated)

        def call():
            held["now"] = step(tile.chip, held["now"], next(keys))
            return held["now"]

        return Side(call)

    sides = {
        "in a loop under `jit`": Side(Again(tile_of(SQUARE), update, 20), share=20),
        "`jax.jit` of one's own, the tile donated": own(jax.jit(update, donate_argnums=0)),
        "the same, carrying only `now`, donated": only_now(donate_argnums=1),
        "the same, carrying only `now`": only_now(),
        "the same, the whole tile, not donated": own(jax.jit(update)),
        "call by call": own(update),
    }
    return {name: found["ms"] for name, found in measure(sides, seconds=10).items()}


def _programs(method) -> dict[str, float]:
    """A step of `program` on 300 x 500, of 20 steps."""
    tile = jt.init(jt.TileConfig(), LAYER, key=KEY)
    target = jt.targets.low_rank(LAYER, rank=20, key=jr.key(1))
    run = partial(jt.program, tile, target, method, key=KEY, max_steps=STEPS, tolerance=0)
    sides = {
        "nothing recorded": Side(lambda: run(record=()), share=STEPS),
        "defaults": Side(run, share=STEPS),
    }
    return {name: found["ms"] for name, found in measure(sides, seconds=15, most=30).items()}


def _once() -> dict[str, float]:
    """Seconds: imports, a first run and the first of another number of steps."""
    found = {}
    for name in ("jax", "jaxtile"):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {name}"], check=True)
        found[f"import {name}"] = time.perf_counter() - start
    tile = jt.init(jt.TileConfig(), (40, 60), key=KEY)
    target = jt.targets.low_rank((40, 60), rank=4, key=jr.key(1))
    for what, steps in (("a first `program`", 10), ("one more step: `max_steps=11` after 10", 11), ("the same again", 11)):
        start = time.perf_counter()
        jax.block_until_ready(jt.program(tile, target, jt.SVD(), key=KEY, max_steps=steps).weight)
        found[what] = time.perf_counter() - start
    return found
