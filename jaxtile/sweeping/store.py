"""Where the results of a sweep go: block by block, each whole or not at all.

A store is a zarr group with an array [group, point, ...] for each result, in chunks of
one block. (A group is one kind of hardware with one function.) A mark for each block is
set once all of its chunks are there. Chunks are written under another name and renamed,
and carry a checksum. So a sweep that is killed leaves whole blocks, and the same call
goes on with the others.

The mark says which versions wrote the block: n for the n-th of those that the
attributes of the marks list.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import glob
import json
import pathlib
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._extras import need
from .._paths import as_path
from .part import WHOLE, Part

try:
    import fcntl
except ImportError:  # Windows: stores are not locked
    fcntl = None

if TYPE_CHECKING:  # importing these takes longer than importing the rest of this library
    import xarray as xr
    import zarr

__all__ = ["Block", "Memory", "Progress", "Store", "as_dataset", "check_place", "load", "progress_of", "rows"]

_DONE = "block_done"
_VERSIONS = "versions"
_WRITE_ALL: Any = {"write_empty_chunks": True}

Block = tuple[int, int]  # its group, and its number there


class Progress(NamedTuple):
    """How far a sweep is.

    Attributes:
        blocks: number of all blocks.
        done: number of those that are there.
        first: when the first of these was written, in local time.
        last: when the last one was.
    """

    blocks: int
    done: int
    first: datetime.datetime | None
    last: datetime.datetime | None


class Memory:
    """Results that are kept in memory only."""

    def __init__(self, plan: Mapping[str, Any]):
        self.plan = dict(plan)
        self.versions: list[dict[str, str]] = []
        self._arrays = {name: np.zeros(*_shape(plan, name)) for name in plan["results"]}

    def locked(self, *, shared: bool = False) -> contextlib.AbstractContextManager[None]:
        """Nobody else knows of it."""
        return contextlib.nullcontext()

    def sign(self, versions: dict[str, str]) -> None:
        """Say by which versions the blocks are written from now on."""
        self.versions = [versions]

    def missing(self, part: Part = WHOLE) -> list[Block]:
        """The blocks of a part that are not there yet: at the start, all."""
        return part.among(blocks(self.plan))

    def write(self, block: Block, results: Mapping[str, np.ndarray]) -> None:
        """Put one block."""
        for name, values in results.items():
            self._arrays[name][rows(self.plan, block)] = values

    def read(self) -> tuple[dict[str, np.ndarray], int]:
        """All results, [group, point, ...], and the number of blocks that are missing:
        none, at the end.
        """
        return self._arrays, 0


class Store:
    """Results in a zarr group on disk.

    Attributes:
        path: where it is.
        plan: what it holds.
        versions: those that have written blocks, or None in a store that is older than
            this list.
    """

    def __init__(self, path: str | pathlib.Path, group: zarr.Group):
        self.path = pathlib.Path(path)
        self.plan: dict[str, Any] = json.loads(str(group.attrs["plan"]))
        self._arrays: dict[str, Any] = {name: group[name] for name in (*self.plan["results"], _DONE)}  # opened once: it takes time
        self.versions: list[dict[str, str]] | None = self._arrays[_DONE].attrs.get(_VERSIONS)
        self._mark = 0

    @classmethod
    def create(cls, path: str | pathlib.Path, plan: Mapping[str, Any]) -> None:
        """Lay out an empty store: in a place of its own, and moved here once it is
        whole. If another sweep has come first, its store is left as it is.

        Raises:
            OSError: the disk is full.
        """
        import zarr
        from zarr.codecs import Crc32cCodec, ZstdCodec

        path = pathlib.Path(path)
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            cls._lay_out(zarr.open_group(part, mode="w-"), plan, (ZstdCodec(), Crc32cCodec()))
            part.rename(path)
        except OSError:
            if not path.exists():
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
        for left in path.parent.glob(f".{glob.escape(path.name)}.????????"):  # of sweeps that were killed here
            shutil.rmtree(left, ignore_errors=True)

    @staticmethod
    def _lay_out(group: zarr.Group, plan: Mapping[str, Any], compress: Any) -> None:
        for name, result in plan["results"].items():
            shape, dtype = _shape(plan, name)
            chunks = (1, plan["width"], *shape[2:])
            # xarray opens no array whose axes have no names.
            how = {"chunks": chunks, "dtype": dtype, "compressors": compress, "dimension_names": ("group", "tile", *result["dims"])}
            group.create_array(name, shape=shape, **how)
        shape = (plan["groups"], len(blocks(plan)) // plan["groups"])
        how = {"chunks": (1, 1), "dtype": "uint8", "compressors": compress, "dimension_names": ("group", "block")}
        done = group.create_array(_DONE, shape=shape, **how)
        done.attrs[_VERSIONS] = []
        group.attrs["plan"] = json.dumps(plan)

    @classmethod
    def open(cls, path: str | pathlib.Path) -> Store | None:
        """The store at a path, or None if nothing is there.

        Raises:
            ValueError: something else is there.
        """
        path = as_path(path, "store")
        if not path.exists() and not path.is_symlink():
            return None
        if not path.is_dir():
            raise ValueError(f"store={str(path)!r} is a file, and no store of a sweep; choose another place.")
        import zarr

        try:
            group = zarr.open_group(path, mode="r+")
            return cls(path, group)
        except Exception as error:  # zarr has several
            if (path / _DONE).is_dir():
                raise ValueError(
                    f"store={str(path)!r} is a store of a sweep whose description is damaged ({error!r}). Its blocks are kept: "
                    "put its zarr.json files back from a copy, or choose another place."
                ) from error
            raise ValueError(f"store={str(path)!r} is no store of a sweep ({error!r}); choose another place.") from error

    @contextlib.contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Keep other sweeps out; the system lets them in again when this process ends,
        however it ends.

        Args:
            shared: let those in that run a part, as this one does.

        Raises:
            OSError: another sweep is inside.
        """
        with contextlib.ExitStack() as held:
            try:
                file = held.enter_context(pathlib.Path(self.path, "zarr.json").open("r+b"))
                if fcntl is not None:
                    fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OSError(
                    error.errno, "another sweep is writing to this store; wait until it ends, or end it", str(self.path)
                ) from None
            except OSError:
                print(
                    f"jaxtile: {self.path} is on a file system without locks: take care that no other sweep writes to it.",
                    file=sys.stderr,
                )
            yield

    def sign(self, versions: dict[str, str]) -> None:
        """Say by which versions the blocks are written from now on."""
        known = self.versions or []
        self.versions = known if versions in known else [*known, versions]
        self._mark = 1 + self.versions.index(versions)
        if self.versions is not known:
            self._arrays[_DONE].attrs[_VERSIONS] = self.versions

    def missing(self, part: Part = WHOLE) -> list[Block]:
        """The blocks of a part that are not there, or damaged."""
        return [block for block in part.among(blocks(self.plan)) if not self._holds(block)]

    def progress(self) -> Progress:
        """How far the sweep is."""
        every, missing = blocks(self.plan), set(self.missing())
        marks = (pathlib.Path(self.path, _DONE, "c", *map(str, block)) for block in every if block not in missing)
        written = sorted(datetime.datetime.fromtimestamp(mark.stat().st_mtime) for mark in marks)
        return Progress(len(every), len(written), *((written[0], written[-1]) if written else (None, None)))

    def _holds(self, block: Block) -> bool:
        try:
            if not self._arrays[_DONE][block]:
                return False
            for name in self.plan["results"]:
                axes = len(self.plan["results"][name]["shape"])
                if not pathlib.Path(self.path, name, "c", *map(str, block), *["0"] * axes).exists():
                    return False  # it would read as zeros
                self._arrays[name][rows(self.plan, block)]
        except Exception:  # a checksum or a codec that fails: each codec has errors of its own
            return False
        return True

    def write(self, block: Block, results: Mapping[str, np.ndarray]) -> None:
        """Put one block, and say that it is there.

        Raises:
            OSError: the disk is full, or cannot be written to.
        """
        try:
            for name, values in results.items():
                # A chunk of zeros is written as well: what is not there is missing.
                self._arrays[name].with_config(_WRITE_ALL)[rows(self.plan, block)] = values
            self._arrays[_DONE][block] = self._mark
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror}: block {block} could not be written. {_remedy(error)} and call again: what is there is kept.",
                str(self.path),
            ) from error

    def read(self) -> tuple[dict[str, np.ndarray], int]:
        """All results, [group, point, ...], NaN in the blocks that are missing, and how
        many these are.
        """
        missing, results = set(self.missing()), {}
        for name in self.plan["results"]:
            shape, dtype = _shape(self.plan, name)
            if missing and np.dtype(dtype).kind != "f":
                dtype = "float64"  # whole numbers know no NaN
            results[name] = np.full(shape, np.nan, dtype) if missing else np.empty(shape, dtype)
            for block in blocks(self.plan):
                if block not in missing:
                    results[name][rows(self.plan, block)] = self._arrays[name][rows(self.plan, block)]
        return results, len(missing)


def check_place(path: str | pathlib.Path) -> None:
    """Refuse a place where no store can be written, before anything is compiled.

    Raises:
        OSError: it is one.
    """
    place = pathlib.Path(path).absolute()
    folder = next(one for one in (place, *place.parents) if one.exists())
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{place.name}"):
            pass
    except OSError as error:
        raise OSError(error.errno, f"store={str(path)!r} cannot be written ({error.strerror}). {_remedy(error)}") from None


def _remedy(error: OSError) -> str:
    return "Make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Choose a place that can be written to"


def blocks(plan: Mapping[str, Any]) -> list[Block]:
    """All blocks of a sweep."""
    return [(group, number) for group in range(plan["groups"]) for number in range(-(-plan["points"] // plan["width"]))]


def rows(plan: Mapping[str, Any], block: Block) -> tuple[int, slice]:
    """Where a block stands in an array [group, point, ...]."""
    group, number = block
    return group, slice(number * plan["width"], min((number + 1) * plan["width"], plan["points"]))


def _shape(plan: Mapping[str, Any], name: str) -> tuple[tuple[int, ...], str]:
    result = plan["results"][name]
    return (plan["groups"], plan["points"], *result["shape"]), result["dtype"]


def as_dataset(store: Memory | Store) -> xr.Dataset:
    """The results by named dimensions, with coordinates and units; as attributes the plan,
    how many blocks are missing, and how many points ended with weights that are not finite.
    """
    import xarray as xr

    plan = store.plan
    sizes = {name: len(values) for name, values in plan["coordinates"].items()}
    data, (results, missing) = {}, store.read()
    for name, values in results.items():
        result = plan["results"][name]
        values = values.reshape(*sizes.values(), *result["shape"])
        attributes = {"units": result["units"], "label": result.get("label", name)}  # a store of old has no labels
        data[name] = xr.Variable((*sizes, *result["dims"]), values, attributes)
    along = {name: (name, values) for name, values in plan["coordinates"].items()} | plan["zipped"]
    units = plan["units"]
    coordinates = {name: (*place, {"units": units[name]} if name in units else {}) for name, place in along.items()}
    described = {
        name: json.dumps(value, indent=1) for name, value in (("description", plan["description"]), ("versions", store.versions))
    }
    failed = int(np.sum(results["finite"] == 0)) if "finite" in results else 0
    return xr.Dataset(data, coordinates, described | {"missing_blocks": missing, "failed_points": failed})


def load(path: str | pathlib.Path) -> xr.Dataset:
    """The results in a store, as `sweep` returns them; `missing_blocks` in the
    attributes says how many are still to be run.

    Raises:
        FileNotFoundError: there is no store.
        ValueError: something else is there.
    """
    return as_dataset(_opened(path))


def progress_of(path: str | pathlib.Path) -> Progress:
    """How far the sweep of a store is, also while it is running.

    Raises:
        FileNotFoundError: there is no store.
        ValueError: something else is there.
    """
    return _opened(path).progress()


def _opened(path: str | pathlib.Path) -> Store:
    need("sweep", "xarray", "zarr")
    store = Store.open(path)
    if store is None:
        raise FileNotFoundError(f"store={str(path)!r}: there is no store of a sweep.")
    return store
