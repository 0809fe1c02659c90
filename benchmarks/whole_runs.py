"""What is not a ratio of two calls: how cost grows with the number of tiles, and the command line's default run."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import jaxtile as jt

from .as_written import as_written
from .training import chips, width

__all__ = ["BYTES", "WHOLE_RUNS"]


def updates(count: int, side: int) -> float:
    """Median time in seconds of one update of so many square tiles, vmapped."""
    x, d = jr.uniform(jr.key(1), (side,), minval=-1), jr.uniform(jr.key(2), (side,), minval=-1)
    tiles = jax.vmap(lambda key: jt.init(jt.TileConfig(), (side, side), key=key))(jr.split(jr.key(0), count))
    step = jax.jit(jax.vmap(lambda tile, key: jt.update(tile, x, d, learning_rate=0.1, key=key)), donate_argnums=0)
    times = []
    for n in range(9):
        keys = jax.block_until_ready(jr.split(jr.key(n), count))
        start = time.perf_counter()
        tiles = jax.block_until_ready(step(tiles, keys))
        times.append(time.perf_counter() - start)
    return float(np.median(times[-5:]))


def scaling() -> dict:
    """Times of updates of 64 to 4096 tiles of 64 x 64, and the exponent of their growth."""
    counts = [64, 256, 1024, 4096]
    times = [updates(count, 64) for count in counts]
    return {"tiles": counts, "ms": [1e3 * t for t in times], "exponent": float(np.polyfit(np.log(counts), np.log(times), 1)[0])}


BYTES = 24  # that an update moves for each cell: five parameters and weights are read, a weight is written


def throughput() -> dict:
    """Cell updates a second of many tiles, and the bytes that they move, beside the bandwidth of a plain copy."""
    values = jnp.zeros(1 << 26, jnp.float32)
    copy = jax.jit(lambda values: values + 1, donate_argnums=0)  # new memory would cost more than the copy
    values = jax.block_until_ready(copy(values))
    start = time.perf_counter()
    for _ in range(10):
        values = copy(values)
    jax.block_until_ready(values)
    found = {"copy": 10 * 2 * values.nbytes / (time.perf_counter() - start)}
    for count, side in ((4096, 64), (256, 512)) if jax.default_backend() != "cpu" else ((1024, 64), (16, 512)):
        found[f"{count} tiles of {side} x {side}"] = count * side**2 / updates(count, side)
    return found


def command_line() -> dict:
    """Seconds of `jaxtile program`, and of a later run that finds compiled programs in the cache: medians of three."""
    return {"cold": _three_runs(lambda caches, n: caches / str(n)), "cached": _three_runs(lambda caches, n: caches, before=1)}


def _three_runs(cache: Callable[[Path, int], Path], before: int = 0) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        times = [_one_run(folder, cache(Path(folder, "caches"), n)) for n in range(before + 3)]
    wall, processor = np.median(times[before:], axis=0)
    return {"wall_s": wall, "cpu_s": processor}


def _one_run(folder: str, cache: Path) -> tuple[float, float]:
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    start, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, "-m", "jaxtile", "program"], cwd=folder, env=environment, check=True, capture_output=True)
    after = os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return time.perf_counter() - start, used


WHOLE_RUNS = {
    **{"scaling": scaling, "throughput": throughput, "command-line": command_line, "as-written": as_written},
    **{"chips": chips, "width": width},  # of training
}
