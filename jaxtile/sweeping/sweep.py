"""`sweep`: one function of a tile, for all points of a grid."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import math
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, cast, runtime_checkable

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Num

from .._describe import describe
from .._extras import need
from .._paths import as_path
from .._random import as_key
from .._types import AnyArray, Key, finite_array, is_whole
from ..tile import Tile, TileConfig
from .arrays import DONE
from .dataset import as_dataset, load
from .disk import check_place
from .grid import Grid, Subject
from .layout import Layout
from .matching import Asked, Order, find_order, grow
from .memory import free_on_host
from .one_by_one import keeps_checkpoints
from .part import WHOLE, Part
from .processes import wait_for_all
from .running import Executor, Program, Work, as_executor, refuse_others, run_elsewhere, run_here
from .store import Store
from .unstored import Unstored
from .versions import versions
from .width import compile_at_a_width

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["sweep"]

Run = Callable[[Tile, Array, Key], dict[str, Array]] | Callable[[Any, Key], dict[str, Array]]

_SHARES = 64  # blocks, at least, that an executor divides among its workers

_Arguments = ParamSpec("_Arguments")


@runtime_checkable
class _WithLoad(Protocol[_Arguments]):
    load: Callable[[str | pathlib.Path], xr.Dataset]

    def __call__(self, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> xr.Dataset: ...


def _with_load(function: Callable[_Arguments, xr.Dataset]) -> _WithLoad[_Arguments]:
    """Put `load` where users look for it: beside what writes the store."""
    function = cast(_WithLoad[_Arguments], function)
    function.load = load
    return function


@_with_load
def sweep(
    run: Run | Mapping[str, Run],
    config: Any,
    target: Num[AnyArray, "out in"] | Num[AnyArray, "target out in"] | None = None,
    *,
    key: Key,
    over: Mapping[str, Any] | None = None,
    zipped: bool = False,
    chips: int = 1,
    seeds: int = 1,
    store: str | pathlib.Path | None = None,
    width: int | None = None,
    part: tuple[int, int] | None = None,
    executor: Executor | None = None,
    allow_versions: bool = False,
    progress: bool = False,
) -> xr.Dataset:
    """Run a function of a tile, or of a configuration, for every combination of numbers,
    chips, targets and seeds, on all local devices.

    A chip is fabricated from the key and its number alone: the same chips are used for
    every number, target and seed, and the same draws for all numbers, so differences
    between numbers are sharp. A point has the same bits for any number of tiles,
    devices, processes and interruptions. `width`, the platform and the versions must be
    the same.

    Args:
        run: a pure function (tile, target, key) -> {name: array}, such as
            `jaxtile.Programming(method)`; or several by name, which are compiled one by
            one and become the dimension "run". Without a target: of (config, key), such
            as the training of a network. A function that takes `checkpoint`, too, is
            called point by point, with a file that it may write its state to and go on
            from (None without a store).
        config: the hardware; or several by name, which become the dimension "config".
            Without a target: any object with numbers.
        target: the matrix, or several [target, out, in], which become the dimension
            "target".
        key: of the whole sweep.
        over: values by path, such as {"device.dw_min": [...], "method.learning_rate":
            [...]}: into the configuration, or else into `run`; the parts of a tuple by
            their number, such as "device.devices.0.dw_min". Each path becomes a
            dimension. All values are run in one compiled program.
        zipped: take the values of all paths together, along one dimension "point",
            instead of all combinations.
        chips: how many chips of each kind.
        seeds: how many runs on each chip.
        store: a folder that the results stream to. A sweep that was interrupted goes on
            where it was with the same call.
        width: tiles in a block. None: as many as fit into a quarter of the free memory,
            at most 256, and few enough for every part and worker to have some; a store
            keeps what was chosen.
        part: (3, 16) runs the third of sixteen parts and needs a store. Parts are jobs of
            their own: in any order, at any time, also at the same time. The one that
            comes first lays the store out.
        executor: anything with the interface of `concurrent.futures.Executor` runs the
            blocks, such as `client.get_executor()` of `dask.distributed`, those of
            submitit and mpi4py, or a `ProcessPoolExecutor` that spawns. Functions that
            it cannot send to its workers it refuses. None: here, on all local devices.
        allow_versions: go on with a store that other versions of jaxtile or jax have
            written. The store keeps which versions wrote which block.
        progress: show a progress bar.

    Returns:
        The results by named dimensions. Without a store they are kept in memory only.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, shape or range. Or the
            store holds another sweep, or one of other versions; how it differs.
        OSError: the store cannot be written to, or another sweep is writing to it.
        TimeoutError: one of several processes does not come.
    """
    need("sweep", "rich", "xarray", "zarr")  # now: at the end it would cost the whole sweep
    runs = _by_name("run", run, lambda value: callable(value) and not isinstance(value, type))
    configs = _by_name("config", config, lambda value: target is None or isinstance(value, TileConfig))
    for one in runs.values():
        _check_takes(one, ("config", "key") if target is None else ("tile", "target", "key"))
    for name, value in (("chips", chips), ("seeds", seeds), *((("width", width),) if width is not None else ())):
        if not is_whole(value, 1):
            raise ValueError(f"{name}={value!r} must be a whole number of at least 1.")
    for name, value in (("zipped", zipped), ("allow_versions", allow_versions), ("progress", progress)):
        if not isinstance(value, bool):
            raise TypeError(f"{name}={value!r:.80} must be True or False.")
    matrices, several = (None, None) if target is None else _matrices(target)
    store = None if store is None else as_path(store, "store")
    share = WHOLE if part is None else Part(part)
    executor = None if executor is None else as_executor(executor)
    if share.of > 1 and store is None:
        raise ValueError(f"part={part!r} needs a store, in which the parts meet; pass store='study.zarr'.")
    if executor is not None and jax.process_count() > 1:
        raise ValueError(
            f"executor={executor!r} does not go with several processes of JAX; let one process send blocks to its workers."
        )
    key = as_key(key)
    grid = Grid.of({} if over is None else over, zipped=zipped, targets=several, chips=chips, seeds=seeds)
    subjects = {(c, r): Subject(configs[c], runs[r]) for c in configs for r in runs}
    for subject in subjects.values():
        for path, (_, values) in grid.numbers.items():
            subject.check(path, values)
        for paths, numbers in grid.together():
            subject.check_together(paths, numbers)

    named = {"config": (config, configs), "run": (run, runs)}
    outer = {name: list(parts) for name, (given, parts) in named.items() if isinstance(given, Mapping)}
    checksums = [] if matrices is None else [str(describe(matrix)) for matrix in matrices]
    description = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",  # whose bytecode `run` is described by
        "platform": jax.default_backend(),
        "precision": str(jnp.asarray(0.0, float).dtype),
        "key": str(jr.key_data(key).tolist()),
        "target": "several" if several else checksums,
        "config": describe(configs),
        "run": describe(runs),
    }
    asked = Asked(description, _configuration(configs, runs), *_places(grid, outer), checksums)
    kept = None if store is None else Store.open(store)
    if store is not None:
        check_place(store)
    if kept is not None:
        find_order(kept, asked, width, allow_versions=allow_versions)
    wait_for_all("opened")  # before one of them makes what another would find
    if jax.process_count() > 1 and store is None:
        raise ValueError("store=None does not go with several processes: each would see its own results only; pass a folder.")

    def work_in(order: Order) -> Work:
        names = [_picked(parts, order.get(dim)) for dim, parts in (("config", configs), ("run", runs))]
        return Work([subjects[c, r] for c, r in itertools.product(*names)], matrices, grid.picked(order), key)

    made = dict[int, Program]()
    order: Order = {}  # that of the call, but for stores that have another
    if kept is None:
        shares = share.of * (1 if executor is None else _SHARES)
        work = work_in(order)
        with _spinner(show=progress):
            made, block = compile_at_a_width(work, functools.partial(_check_results, grid, outer), -(-grid.count // shares), width)
        units = {path: work.subjects[0].field(path).get("units", "") for path in grid.numbers}
        block = dict.fromkeys(outer, 1) | block
        layout = asked.layout(units=units, block=block, width=made[0].width, results=made[0].results())
        kept = Unstored(layout, asked.about) if store is None else _lay_out(store, layout, asked)
    if isinstance(kept, Store):  # perhaps of another sweep, which came first
        for pair, subject in subjects.items():
            if not all(map(kept.layout.has, ("config", "run"), pair)):
                new = Work([subject], matrices, grid, key).compile(0, kept.layout.width, jax.local_devices())
                refuse_others(new, kept.layout.results)
        kept, order = grow(kept, asked, allow_versions=allow_versions)
        if order or (made and made[0].width != kept.layout.width):
            made = {}  # they were made for another store
    work = work_in(order)
    if executor is None:
        run_here(kept, work, made, share, progress=progress and jax.process_index() == 0)
    else:
        run_elsewhere(kept, work, executor, share, progress=progress)
    data = as_dataset(kept).isel({dim: np.argsort(places) for dim, places in order.items()})
    return data.assign_coords(point=range(data.sizes["point"])) if "point" in order else data  # which are counted


def _picked(parts: Mapping[str, Any], order: Sequence[int] | None) -> list[str]:
    """Names in the order of a store."""
    return list(parts) if order is None else [list(parts)[place] for place in order]


def _configuration(configs: Mapping[str, Any], runs: Mapping[str, Any]) -> str:
    """What is run, for people to read."""
    return "\n".join(f"{name}: {getattr(part, '__qualname__', repr(part))}" for name, part in (*configs.items(), *runs.items()))


def _matrices(target: Any) -> tuple[Array, int | None]:
    """Targets as [target, out, in], and how many there are if they are several."""
    matrices = finite_array(target, jnp.asarray(0.0, float).dtype, "target")
    if matrices.ndim not in (2, 3) or matrices.size == 0:
        raise ValueError(f"target has shape {matrices.shape}; pass a matrix [out, in], or several [target, out, in].")
    return matrices.reshape(-1, *matrices.shape[-2:]), matrices.shape[0] if matrices.ndim == 3 else None


def _check_takes(run: Callable[..., Any], names: Sequence[str]) -> None:
    """Refuse a function that cannot be called with some arguments.

    Raises:
        TypeError: it cannot.
    """
    try:
        signature = inspect.signature(run)
    except ValueError:  # of functions that are not written in Python
        return
    try:
        signature.bind(*names, **({"checkpoint": None} if keeps_checkpoints(run) else {}))
    except TypeError as error:
        raise TypeError(
            f"run={run!r:.80} does not take {', '.join(names)} ({error}); with a target a function takes tile, target and key, "
            "and without one config and key."
        ) from None


def _by_name(name: str, value: Any, is_one: Callable[[Any], bool]) -> dict[str, Any]:
    parts = dict(value) if isinstance(value, Mapping) else {name: value}
    for given, part in parts.items():
        if not isinstance(given, str):
            raise TypeError(f"{name} has the name {given!r}; name each {name} by a text.")
        if not is_one(part):
            raise TypeError(f"{name}={part!r} is no {name}; pass {_WANTED[name]}, or several by name.")
    if not parts:
        raise ValueError(f"{name} is empty; pass {_WANTED[name]}, or several by name.")
    return parts


_WANTED = {"run": "a function of (tile, target, key), such as jaxtile.Programming(jaxtile.SVD())", "config": "a TileConfig"}


def _check_results(grid: Grid, outer: dict[str, list[str]], made: dict[int, Program]) -> None:
    """Refuse results that the data set cannot hold.

    Raises:
        ValueError: they differ from one run to another, have the name of something
            else, or are more than the memory.
    """
    results = made[0].results()
    for blocks in made.values():
        refuse_others(blocks, results)
    taken = {*grid.sizes, *grid.numbers, *outer, DONE}
    for name, result in results.items():
        if name in taken or not name.isidentifier():
            raise ValueError(f"run returns {name!r}, which is the name of a dimension or none at all; choose another name.")
        if 0 in result["shape"]:
            raise ValueError(f"run returns {name!r} of shape {result['shape']}, which holds nothing; leave it out.")
    sizes = (math.prod(result["shape"]) * np.dtype(result["dtype"]).itemsize for result in results.values())
    needed, free = len(made) * grid.count * sum(sizes), free_on_host()
    if needed > free:
        taken, left = needed / 2**30, free / 2**30
        raise ValueError(
            f"results of {len(made) * grid.count} points take {taken:.3g} GiB of memory, and {left:.3g} GiB are free; pass fewer "
            "chips, seeds or values, or record less."
        )


def _places(grid: Grid, outer: dict[str, list[str]]) -> tuple[dict[str, list[Any] | int], dict[str, list[float]]]:
    """What is along each dimension; and the numbers that are zipped, by path."""
    numbers = {path: (dim, values.tolist()) for path, (dim, values) in grid.numbers.items()}
    coordinates = {dim: numbers[dim][1] if dim in numbers else size for dim, size in grid.sizes.items()}
    return outer | coordinates, {path: values for path, (dim, values) in numbers.items() if path != dim}


def _lay_out(store: pathlib.Path, layout: Layout, asked: Asked) -> Store:
    if jax.process_index() == 0:
        Store.create(store, layout, asked.about, versions())
    wait_for_all("laid out")
    kept = Store.open(store)
    if kept is None:
        raise ValueError(
            f"store={str(store)!r} is not seen by process {jax.process_index()}; pass a folder that all of them share."
        )
    return kept


def _spinner(*, show: bool) -> contextlib.AbstractContextManager[object]:
    if not show:
        return contextlib.nullcontext()
    from rich.console import Console

    return Console(stderr=True).status("compiling")
