"""`sweep`: one function of a tile, for all points of a grid."""

from __future__ import annotations

import contextlib
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Array, Float
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .._random import as_key
from .._types import Key, finite_array, is_whole
from .._version import __version__
from ..tile import Tile, TileConfig
from .block import Blocks
from .describe import describe, difference
from .grid import Grid, Subject
from .store import Block, Memory, Store, as_dataset, rows

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["sweep"]

Run = Callable[[Tile, Array, Key], dict[str, Array]]

_WIDEST = 256  # tiles: wider blocks gain nothing more on a CPU, and make tiles that have stopped wait longer for the rest
_SHARE = 0.5  # of the free memory


def sweep(
    run: Run | Mapping[str, Run],
    config: TileConfig | Mapping[str, TileConfig],
    target: Float[Array, "out in"] | Float[Array, "target out in"],
    *,
    key: Key,
    over: Mapping[str, Any] | None = None,
    zipped: bool = False,
    chips: int = 1,
    seeds: int = 1,
    store: str | pathlib.Path | None = None,
    width: int | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Run a function of a tile for every combination of numbers, chips, targets and seeds, on all local devices.

    A chip is fabricated from the key and its number alone: the same chips are used for every number, target and seed, and the same
    draws for all numbers, so differences between numbers are sharp. A point has the same bits for any number of tiles, devices,
    processes and interruptions, as long as `width`, the platform and the versions are the same.

    Args:
        run: a pure function (tile, target, key) -> {name: array}, such as `jaxtile.Programming(method)`; or several by name, which
            are compiled one by one and become the dimension "run".
        config: the hardware; or several by name, which become the dimension "config".
        target: the matrix, or several [target, out, in], which become the dimension "target".
        key: of the whole sweep.
        over: values by path, such as {"device.dw_min": [...], "method.learning_rate": [...]}: into the configuration, or else into
            `run`. Each path becomes a dimension. All values are run in one compiled program.
        zipped: take the values of all paths together, along one dimension "point", instead of all combinations.
        chips: how many chips of each kind.
        seeds: how many runs on each chip.
        store: a folder that the results stream to. A sweep that was interrupted goes on where it was with the same call.
        width: tiles in a block. None: as many as fit into half of the free memory, at most 256; a store keeps what was chosen.
        progress: show a progress bar.

    Returns:
        The results by named dimensions. Without a store they are kept in memory only.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, shape or range, or the store holds another sweep; how it differs.
        OSError: the store cannot be written to.
    """
    runs, configs = _by_name("run", run, callable), _by_name("config", config, lambda value: isinstance(value, TileConfig))
    for name, value in (("chips", chips), ("seeds", seeds), *((("width", width),) if width is not None else ())):
        if not is_whole(value, 1):
            raise ValueError(f"{name}={value!r} must be a whole number of at least 1.")
    matrices = finite_array(target, jnp.asarray(0.0, float).dtype, "target")
    if matrices.ndim not in (2, 3) or matrices.size == 0:
        raise ValueError(f"target has shape {matrices.shape}; pass a matrix [out, in], or several [target, out, in].")
    several = matrices.shape[0] if matrices.ndim == 3 else None
    matrices = matrices.reshape(-1, *matrices.shape[-2:])
    over, key = dict(over or {}), as_key(key)
    grid = Grid.of(over, zipped=zipped, targets=several, chips=chips, seeds=seeds)
    subjects = {(c, r): Subject(configs[c], runs[r]) for c in configs for r in runs}
    for subject in subjects.values():
        for path, (_, values) in grid.numbers.items():
            subject.check(path, values)

    description = {
        "jaxtile": __version__,
        "jax": jax.__version__,
        "platform": jax.default_backend(),
        "precision": str(matrices.dtype),
        "key": str(jr.key_data(key).tolist()),
        "target": describe(matrices),
        "sizes": grid.sizes,
        "over": {path: values.tolist() for path, (_, values) in grid.numbers.items()},
        "config": describe(configs),
        "run": describe(runs),
    }
    kept = None if store is None else Store.open(store)
    _wait_for_all("opened")  # before one of them makes what another would find
    if kept is not None:
        _refuse_another(kept, description, width)
        width = kept.plan["width"]
    if jax.process_count() > 1 and store is None:
        raise ValueError("store=None with several processes, each of which would see its own results only; pass a folder.")

    def compiled(subject: Subject, width: int) -> Blocks:
        return Blocks(subject, matrices, grid, key, width=width, devices=jax.local_devices())

    first = next(iter(subjects.values()))
    with Console(stderr=True).status("compiling") if progress else contextlib.nullcontext():
        blocks = _that_fit(lambda width: compiled(first, width), grid.count) if width is None else compiled(first, width)
    if kept is None:
        named = {"config": (config, configs), "run": (run, runs)}
        outer = {name: list(parts) for name, (given, parts) in named.items() if isinstance(given, Mapping)}
        plan = _plan(description, grid, outer, len(subjects), blocks)
        kept = _lay_out(store, plan)
    _run_all(kept, subjects, blocks, compiled, progress=progress)
    return as_dataset(kept)


def _by_name(name: str, value: Any, is_one: Callable[[Any], bool]) -> dict[str, Any]:
    parts = dict(value) if isinstance(value, Mapping) else {name: value}
    for part in parts.values():
        if not is_one(part):
            raise TypeError(f"{name}={part!r} is not one; pass {_WANTED[name]}, or several by name.")
    if not parts:
        raise ValueError(f"{name} is empty; pass {_WANTED[name]}, or several by name.")
    return parts


_WANTED = {"run": "a function of (tile, target, key), such as jaxtile.Programming(jaxtile.SVD())", "config": "a TileConfig"}


def _refuse_another(kept: Store, description: dict[str, Any], width: int | None) -> None:
    lines = difference(description, kept.plan["description"])
    if width not in (None, kept.plan["width"]):
        lines.append(f"width: {width} now, {kept.plan['width']} in the store")
    if lines:
        listed = "\n  ".join(lines)
        raise ValueError(f"store={str(kept.path)!r} holds another sweep; choose another place, or delete it.\n  {listed}")


def _that_fit(compiled: Callable[[int], Blocks], points: int) -> Blocks:
    """The widest block that leaves half of the free memory free."""
    devices = jax.local_devices()
    room = _SHARE * min(_free_memory(device) for device in devices)
    blocks = compiled(min(_WIDEST, -(-points // len(devices))))
    if blocks.bytes_per_device > room:
        blocks = compiled(max(1, int(blocks.width * room / blocks.bytes_per_device)))
    return blocks


def _free_memory(device: Any) -> float:
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / jax.local_device_count()


def _plan(description: dict[str, Any], grid: Grid, outer: dict[str, list[str]], groups: int, blocks: Blocks) -> dict[str, Any]:
    """What a store holds, and under which names."""
    coordinates, zipped = dict(outer), {}
    for name, size in grid.sizes.items():
        along = {path: values.tolist() for path, (dim, values) in grid.numbers.items() if dim == name}
        coordinates[name] = along[name] if name in along else list(range(size))
        zipped |= {} if name in along else {path: [name, values] for path, values in along.items()}
    return {
        "description": description,
        "groups": groups,
        "points": grid.count,
        "width": blocks.width,
        "coordinates": coordinates,
        "zipped": zipped,
        "results": blocks.results(),
    }


def _lay_out(store: str | pathlib.Path | None, plan: dict[str, Any]) -> Memory | Store:
    if store is None:
        return Memory(plan)
    if jax.process_index() == 0:
        Store.create(store, plan)
    _wait_for_all("laid out")
    kept = Store.open(store)
    assert kept is not None
    return kept


def _wait_for_all(what: str) -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(f"jaxtile.sweep: {what}")


def _run_all(kept: Memory | Store, subjects: dict[Any, Subject], first: Blocks, compiled: Any, *, progress: bool) -> None:
    """Run the blocks that are missing, those of this process."""
    missing = kept.missing()
    _wait_for_all("listed")  # before one of them writes what another would miss in its list
    mine = missing[jax.process_index() :: jax.process_count()]
    with _bar(kept.plan, len(missing), show=progress) as advance:
        for group, subject in enumerate(subjects.values()):
            todo = [block for block in mine if block[0] == group]
            if not todo:
                continue
            blocks = first if group == 0 else compiled(subject, first.width)
            if blocks.results() != kept.plan["results"]:
                raise ValueError(f"run={subject.run!r} returns {blocks.results()}; the first one returns {kept.plan['results']}.")
            n = len(blocks.devices)
            calls = (todo[first : first + n] for first in range(0, len(todo), n))
            started = ((call, blocks(_points(kept.plan, call))) for call in calls)
            for call, results in _one_ahead(started):
                advance(_write(kept, call, results))
    _wait_for_all("done")


def _points(plan: dict[str, Any], call: list[Block]) -> np.ndarray:
    """The points of the blocks of one call, the last block filled up with its own."""
    return np.concatenate([np.resize(np.arange(plan["points"])[rows(plan, block)[1]], plan["width"]) for block in call])


def _one_ahead(items: Iterator[Any]) -> Iterator[Any]:
    """Each item after the next one was made: devices work on that one meanwhile."""
    previous = next(items)
    for item in items:
        yield previous
        previous = item
    yield previous


def _write(kept: Memory | Store, call: list[Block], results: dict[str, Array]) -> int:
    """Put the blocks of one call; how many points they are."""
    arrays = {name: np.asarray(values).reshape(-1, kept.plan["width"], *values.shape[1:]) for name, values in results.items()}
    sizes = [len(range(kept.plan["points"])[rows(kept.plan, block)[1]]) for block in call]
    for n, (block, size) in enumerate(zip(call, sizes, strict=True)):
        kept.write(block, {name: values[n, :size] for name, values in arrays.items()})
    return sum(sizes)


@contextlib.contextmanager
def _bar(plan: dict[str, Any], missing: int, *, show: bool) -> Iterator[Callable[[int], None]]:
    if not show:
        yield lambda tiles: None
        return
    total = plan["groups"] * plan["points"]
    columns = (TextColumn("sweep"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        done = max(0, total - missing * plan["width"])
        task, start, since = bar.add_task("sweep", total=total, completed=done, rate=""), time.perf_counter(), 0

        def advance(tiles: int) -> None:
            nonlocal since
            since += tiles
            bar.update(task, advance=tiles, rate=f"{since / (time.perf_counter() - start):.3g} tiles/s")

        yield advance
