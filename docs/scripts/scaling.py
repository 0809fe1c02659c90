"""Measures the memory of sweeps, and how long tiles that have stopped wait for the rest: the tables in docs/how_to/scaling.md.

python docs/scripts/scaling.py
"""

import json
import subprocess
import sys
import time

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import stored

import jaxtile as jt

PEAK = """
import json, pathlib, re, sys, tempfile
import jax.random as jr, jaxtile as jt
tiles, side, width = (int(word) for word in sys.argv[1:])
target = jt.targets.low_rank((side, side), rank=4, spectral_norm=1.0, key=jr.key(1))
with tempfile.TemporaryDirectory() as folder:
    run = jt.Programming(jt.SVD(), max_steps=8)
    data = jt.sweep(run, jt.TileConfig(), target, key=jr.key(0), chips=tiles, width=width, store=folder + "/s.zarr")
    status = pathlib.Path("/proc/self/status").read_text()
print(json.dumps([int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) / 1024, float(data.steps.mean())]))
"""


def memory() -> list[str]:
    """Peak of the whole process, JAX and compilation included."""
    rows = []
    for tiles, side, width in ((256, 64, 256), (4096, 64, 256), (1024, 16, 1024), (100_000, 16, 1024)):
        start = time.perf_counter()
        command = [sys.executable, "-c", PEAK, str(tiles), str(side), str(width)]
        peak, _ = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        rows.append(f"| {tiles} | {side} x {side} | {width} | {peak:.0f} MiB | {time.perf_counter() - start:.0f} s |")
        print(rows[-1], flush=True)
    return rows


def waiting() -> list[str]:
    """A sweep over tolerances, so that tiles stop after very different numbers of steps."""
    target = jt.targets.low_rank((32, 32), rank=4, spectral_norm=1.5, key=jr.key(1))
    config = jt.TileConfig(half_select=jt.half_select.ConstantRatio(kappa=100.0))
    run = jt.Programming(jt.SVD(), max_steps=200)
    sorted_ = np.repeat(np.geomspace(0.5, 0.02, 16), 64)
    orders = {"value by value": sorted_, "shuffled": np.random.default_rng(0).permutation(sorted_)}
    rows = []
    for order, tolerances in orders.items():
        for width in (16, 64, 256):
            start = time.perf_counter()
            data = jt.sweep(run, config, target, key=jr.key(0), over={"tolerance": tolerances}, width=width)
            took = time.perf_counter() - start
            steps = data.steps.values.ravel()
            slowest = steps.reshape(-1, width).max(1).sum() * width
            rows.append(f"| {order} | {width} | {steps.min()} to {steps.max()} | {slowest / steps.sum():.2f} | {took:.1f} s |")
            print(rows[-1], flush=True)
    return rows


def main():
    jnp.zeros(1).block_until_ready()
    print(f"Measured at commit {stored.commit()}.\n")
    memory()
    waiting()


def small():
    """Steps until tiles stop, by tolerance: what a block waits for. Memory and time are the machine's and are not compared."""
    target = jt.targets.low_rank((32, 32), rank=4, spectral_norm=1.5, key=jr.key(1))
    config = jt.TileConfig(half_select=jt.half_select.ConstantRatio(kappa=100.0))
    tolerances = [0.05, 0.02]
    data = jt.sweep(jt.Programming(jt.SVD(), max_steps=60), config, target, key=jr.key(0), over={"tolerance": tolerances}, chips=4)
    return {f"tolerance {t:g}": stored.mean(data.steps.sel({"tolerance": t}).values) for t in tolerances}


if __name__ == "__main__":
    stored.run(small, main)
