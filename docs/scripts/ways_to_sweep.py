"""Sweeps the same points in every way that there is, and compares the bits: the tables in docs/how_to/sweep.md.

python docs/scripts/ways_to_sweep.py           # the table of bits, and that of executors
python docs/scripts/ways_to_sweep.py --small   # one process, parts and growth
"""

import concurrent.futures
import itertools
import multiprocessing
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np

import jaxtile as jt

KAPPAS = [10.0, 30.0, 100.0]
CHIPS = 16 if "--small" in sys.argv else 160
SECONDS = 0.5


def pulsed(tile, target, key):
    """Draws a chip and pulses it: each last bit of the program matters."""
    tile = jt.update(tile, target[0], -target[:, 0], learning_rate=1.0, key=key)
    return {"weights": jt.get_weights(tile), "half_pulses": tile.half_pulses}


def deadly(tile, target, key):
    """The same; the first worker that traces it is killed."""
    mark = pathlib.Path(os.environ["JAXTILE_MARK"])
    if multiprocessing.parent_process() is not None and mark.exists():
        mark.unlink()
        os.kill(os.getpid(), 9)
    return pulsed(tile, target, key)


def waiting(tile, target, key):
    """Takes half a second, and no processor."""
    draw = jax.random.uniform(key)
    return {"draw": jax.pure_callback(wait, jax.ShapeDtypeStruct((), draw.dtype), draw, vmap_method="sequential")}


def wait(draw):
    time.sleep(SECONDS)
    return np.asarray(draw)


def swept(run=pulsed, **options):
    config = jt.TileConfig(half_select=jt.half_select.ConstantRatio())
    target = 0.1 * jax.random.normal(jax.random.key(1), (5, 6))
    points = {"over": {"half_select.kappa": KAPPAS}, "chips": CHIPS, "width": 4}
    return jt.sweep(run, config, target, key=jax.random.key(0), **points | options)


def child(store, *arguments, **environment):
    """This script in a process of its own, which sweeps into a store."""
    command = [sys.executable, __file__, "--child", str(store), *map(str, arguments)]
    return subprocess.Popen([*command, *(["--small"] if CHIPS == 16 else [])], env=os.environ | environment)


def in_parts(folder):
    parts = random.Random(0).sample(range(1, 5), 4)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:  # two at a time
        list(pool.map(lambda part: child(folder / "parts.zarr", part, 4).wait(), parts))
    return folder / "parts.zarr"


def in_growth(folder):
    for values, chips in ((KAPPAS[::2], CHIPS // 2 + 1), (KAPPAS[::2], CHIPS), (KAPPAS, CHIPS)):
        swept(store=folder / "growth.zarr", over={"half_select.kappa": values}, chips=chips)
    return folder / "growth.zarr"


def on_devices(folder, count):
    child(folder / f"{count}.zarr", XLA_FLAGS=f"--xla_force_host_platform_device_count={count}").wait()
    return folder / f"{count}.zarr"


def under_kills(folder):
    store, rng, kills = folder / "killed.zarr", random.Random(0), 0
    while kills < 20 and done(store) < 0.8 * len(KAPPAS) * CHIPS / 4:
        process, enough = child(store), done(store) + rng.randint(1, 4)
        while process.poll() is None and done(store) < enough:
            time.sleep(0.001)
        process.kill()
        kills += process.wait() == -9
    child(store).wait()
    print(f"killed {kills} times", file=sys.stderr)
    return store


def done(store):
    return sum(1 for _ in (store / "done" / "c").glob("*/*/0"))


def on_dask(folder):
    from distributed import Client, LocalCluster

    mark = folder / "mark"
    mark.touch()
    os.environ["JAXTILE_MARK"] = str(mark)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        swept(deadly, store=folder / "dask.zarr", executor=client.get_executor())
    assert not mark.exists()
    return folder / "dask.zarr"


def on_submitit(folder):
    import submitit

    executor = submitit.LocalExecutor(folder / "logs")
    executor.update_parameters(timeout_min=10)
    # A job of submitit is a process: a few chips will do, whose blocks are those of the whole.
    swept(store=folder / "submitit.zarr", executor=executor, over={"half_select.kappa": KAPPAS[:1]}, chips=8)
    return folder / "submitit.zarr"


def bits(store, like):
    """Whether a store holds the bits of another one."""
    data = jt.sweep.load(store).sortby("half_select.kappa")
    like = like.sel({"half_select.kappa": data["half_select.kappa"]}).isel(chip=slice(data.sizes["chip"]))
    same = all(data[name].values.tobytes() == like[name].values.tobytes() for name in like.data_vars)
    return same and data.attrs["missing_blocks"] == 0


def seconds(executor):
    swept(waiting, chips=2, over={}, width=1, executor=executor)  # workers begin
    begun = time.perf_counter()
    swept(waiting, chips=200, over={}, width=1, executor=executor)
    return time.perf_counter() - begun


def main():
    ways = {"four parts in random order, two at a time": in_parts, "more chips, then more values, in three steps": in_growth}
    if CHIPS > 16:
        ways |= {"Dask with two workers, one of which is killed": on_dask}
        ways |= {"submitit, for the first 8 chips of one value": on_submitit}
        ways |= {"killed 20 times at random moments, and begun again": under_kills}
        ways |= {f"{n} device{'s'[: n > 1]}": lambda folder, n=n: on_devices(folder, n) for n in (1, 2, 8)}
    with tempfile.TemporaryDirectory() as name:
        like = swept(store=pathlib.Path(name, "one.zarr"))
        print("| way | results |\n|---|---|", flush=True)
        for way, store in ways.items():
            print(f"| {way} | {'the same bits' if bits(store(pathlib.Path(name)), like) else 'OTHER BITS'} |", flush=True)
    if CHIPS > 16:
        from distributed import Client, LocalCluster

        print("\n| executor | 200 blocks |\n|---|---|", flush=True)
        spawn = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn) as pool:
            print(f"| `ProcessPoolExecutor` | {seconds(pool):.1f} s |", flush=True)
        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
            print(f"| Dask | {seconds(client.get_executor()):.1f} s |", flush=True)


if __name__ == "__main__":
    if "--child" in sys.argv:
        store, *part = itertools.takewhile(lambda word: word != "--small", sys.argv[sys.argv.index("--child") + 1 :])
        swept(store=store, part=tuple(map(int, part)) or None)
    else:
        main()
