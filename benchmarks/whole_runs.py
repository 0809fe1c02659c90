"""What is not a ratio of two calls: how cost grows with the number of tiles, and the command line's default run."""

import os
import subprocess
import sys
import tempfile
import time

import jax
import jax.random as jr
import numpy as np

import jaxtile as jt

__all__ = ["WHOLE_RUNS"]


def scaling() -> dict:
    """Median times of vmapped updates of 64 to 4096 tiles of 64 x 64, and the exponent of their growth."""
    x, d = jr.uniform(jr.key(1), (64,), minval=-1), jr.uniform(jr.key(2), (64,), minval=-1)
    counts, medians = [64, 256, 1024, 4096], []
    for count in counts:
        tiles = jax.vmap(lambda key: jt.init(jt.TileConfig(), (64, 64), key=key))(jr.split(jr.key(0), count))
        step = jax.jit(jax.vmap(lambda tile, key: jt.update(tile, x, d, learning_rate=0.1, key=key)), donate_argnums=0)
        times = []
        for n in range(9):
            keys = jax.block_until_ready(jr.split(jr.key(n), count))
            start = time.perf_counter()
            tiles = jax.block_until_ready(step(tiles, keys))
            times.append(time.perf_counter() - start)
        medians.append(float(np.median(times[-5:])))
    exponent = float(np.polyfit(np.log(counts), np.log(medians), 1)[0])
    return {"tiles": counts, "ms": [1e3 * t for t in medians], "exponent": exponent}


def command_line() -> dict:
    """Wall time of `jaxtile program`, and of a second run that finds compiled programs in its cache."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": folder}

        def run() -> float:
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "jaxtile", "program"], cwd=folder, env=environment, check=True, capture_output=True
            )
            return time.perf_counter() - start

        return {"cold_s": run(), "cached_s": min(run(), run())}


WHOLE_RUNS = {"scaling": scaling, "command-line": command_line}
