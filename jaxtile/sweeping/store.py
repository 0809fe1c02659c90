"""Where the results of a sweep go: block by block, each whole or not at all.

A store is a zarr group that xarray opens as the labelled data set: an array for each
result, with the dimensions of the sweep, in chunks of one block. What is not there reads
as NaN. `done` says of each point which versions ran it: n for the n-th of those in the
attributes, 0 where it was not run.

A block is marked as done once all of its chunks are there. Chunks are written under
another name and renamed, and carry a checksum. So a sweep that is killed leaves whole
blocks, and the same call goes on with the others.

The attribute `layout` is the truth about the dimensions. Whoever grows a store writes it
first, and consolidates the metadata last: metadata that are not consolidated were left
behind in between, and are brought to the layout by the next sweep.
"""

from __future__ import annotations

import contextlib
import datetime
import glob
import json
import os
import pathlib
import shutil
import sys
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from .._paths import as_path
from .arrays import DONE, lay_out
from .disk import disk_errors
from .layout import Block, Layout, Task
from .locks import lock
from .part import WHOLE, Part

if TYPE_CHECKING:  # importing it takes longer than importing the rest of this library
    import zarr

__all__ = ["Progress", "Store"]

_WRITE_ALL: Any = {"write_empty_chunks": True}


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


class Store:
    """Results in a zarr group on disk.

    Attributes:
        path: where it is.
        layout: what it holds.
        about: attributes that users read: texts by name.
        description: what was run, as plain data.
        versions: those that have written blocks.
        settled: whether the arrays have the sizes of the layout.
    """

    def __init__(self, path: str | pathlib.Path, group: zarr.Group):
        self.path = pathlib.Path(path)
        attributes = {name: str(value) for name, value in group.attrs.items()}
        self.layout = Layout(**json.loads(attributes["layout"]))
        self.versions: list[dict[str, str]] = json.loads(attributes["versions"])
        self.about = {name: text for name, text in attributes.items() if name not in ("layout", "versions", "coordinates")}
        self.description: dict[str, Any] = json.loads(self.about["description"])
        self.settled = group.metadata.consolidated_metadata is not None
        self._arrays: dict[str, Any] = {name: group[name] for name in (*self.layout.results, DONE)}  # opened once: it takes time
        self._mark = 0

    @classmethod
    def create(cls, path: str | pathlib.Path, layout: Layout, about: Mapping[str, str], versions: dict[str, str]) -> None:
        """Lay out an empty store: in a place of its own, and moved here once it is
        whole. If another sweep has come first, its store is left as it is.

        Raises:
            OSError: the disk is full.
        """
        import zarr

        path = pathlib.Path(path)
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            with disk_errors(path, "the store could not be laid out"):
                zarr.open_group(part, mode="w-")
                lay_out(part, layout, about, [versions])
                part.rename(path)
        except Exception:  # whoever came first has removed this place while it was written: zarr has several errors of that
            if not path.exists():
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
        for left in path.parent.glob(f".{glob.escape(path.name)}.????????"):  # of sweeps that were killed here
            shutil.rmtree(left, ignore_errors=True)

    @classmethod
    def open(cls, path: str | pathlib.Path) -> Store | None:
        """The store at a path, or None if nothing is there.

        Raises:
            ValueError: something else is there.
        """
        path = as_path(path, "store")
        if not path.exists() and not path.is_symlink():
            return None
        said = f"store={str(path)!r}"
        if not path.is_dir():
            what = "a file" if path.exists() else f"a link to {os.readlink(path)}, where nothing is"
            raise ValueError(f"{said} is {what}, and no store of a sweep; choose another place.")
        import zarr

        try:
            group = zarr.open_group(path, mode="r+")
            older = "plan" in group.attrs
            if not older:
                return cls(path, group)
        except Exception as error:  # zarr has several
            if (path / DONE).is_dir():
                raise ValueError(
                    f"{said} is a store of a sweep whose description is damaged ({error!r}). Its blocks are kept: "
                    "put its zarr.json files back from a copy, or choose another place."
                ) from error
            raise ValueError(f"{said} is no store of a sweep ({error!r}); choose another place.") from error
        raise ValueError(f"{said} was laid out by an older jaxtile, which can read it; choose another place.")

    def reopen(self) -> Store:
        """The store as others may have left it.

        Raises:
            FileNotFoundError: it has been deleted.
        """
        again = Store.open(self.path)
        if again is None:
            raise FileNotFoundError(f"store={str(self.path)!r} was there, and has been deleted.")
        return again

    def grow(self, layout: Layout, about: Mapping[str, str]) -> None:
        """Make room for more; what is there stays where it is."""
        commands = dict.fromkeys((*self.about.get("command", "").splitlines(), about["command"]))
        with disk_errors(self.path, "the store could not grow"), self._writing():
            lay_out(self.path, layout, dict(about) | {"command": "\n".join(commands)}, self.reopen().versions)

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
                known = held.enter_context(lock(self.path / DONE / "lock", shared=shared))
            except BlockingIOError as error:
                raise BlockingIOError(
                    error.errno, "another sweep is writing to this store; wait until it ends, or end it", str(self.path)
                ) from None
            if not known:
                print(
                    f"jaxtile: {self.path} is in a place without file locks: take care that no other sweep writes to it.",
                    file=sys.stderr,
                )
            self._tidy()
            yield

    def _tidy(self) -> None:
        """Remove what killed writes have left behind, unless somebody is writing now."""
        with contextlib.suppress(BlockingIOError), lock(self.path / DONE / "writing") as known:
            for place in ("*", "*/*", "*/c/**/*") if known else ():
                for left in self.path.glob(f"{place}.partial"):
                    left.unlink(missing_ok=True)

    def _writing(self) -> contextlib.AbstractContextManager[bool]:
        """Tell others that files are being written: those of workers, too, whom no other
        lock knows.
        """
        return lock(self.path / DONE / "writing", shared=True, wait=True)

    def sign(self, versions: dict[str, str]) -> None:
        """Say by which versions the blocks are written from now on."""
        if versions not in self.versions:
            with lock(self.path / DONE / "writing", wait=True):  # other versions may sign at the same time
                again = self.reopen()  # which may have grown: its own layout here would cut off the blocks of others
                self.versions = again.versions
                if versions not in self.versions:
                    self.versions.append(versions)
                    lay_out(self.path, again.layout, again.about, self.versions)
        self._mark = 1 + self.versions.index(versions)

    def missing(self, part: Part = WHOLE) -> list[Task]:
        """The blocks of a part that are not there, or damaged, or hold new points."""
        tasks = [Task(block, self._lanes(block)) for block in part.among(self.layout.blocks())]
        return [task for task in tasks if task.lanes.size]

    def progress(self) -> Progress:
        """How far the sweep is."""
        every, missing = self.layout.blocks(), {task.block for task in self.missing()}
        marks = (self._chunk(DONE, block) for block in every if block not in missing)
        written = sorted(datetime.datetime.fromtimestamp(mark.stat().st_mtime) for mark in marks)
        return Progress(len(every), len(written), *((written[0], written[-1]) if written else (None, None)))

    def _chunk(self, name: str, block: Block) -> pathlib.Path:
        axes = len(self.layout.results[name]["shape"]) if name in self.layout.results else 0
        return pathlib.Path(self.path, name, "c", *map(str, block), *["0"] * axes)

    def _lanes(self, block: Block) -> np.ndarray:
        """The points of a block that are not there."""
        region = self.layout.region(block)
        try:
            if all(self._chunk(name, block).exists() for name in (*self.layout.results, DONE)):
                for name in self.layout.results:
                    self._arrays[name][region]
                return np.flatnonzero(self._arrays[DONE][region] == 0)
        except Exception:  # a checksum or a codec that fails: each codec has errors of its own
            pass
        return self.layout.task(block).lanes

    def folder(self, task: Task) -> pathlib.Path:
        """Where a block may keep its checkpoints until it is written. Other versions go on
        from none of them.
        """
        return pathlib.Path(self.path, DONE, "running." + ".".join(map(str, task.block)), str(self._mark))

    def write(self, task: Task, results: Mapping[str, np.ndarray]) -> None:
        """Put one block, say that it is there, and forget its checkpoints.

        Raises:
            OSError: the disk is full, or cannot be written to.
        """
        with disk_errors(self.path, f"block {task.block} could not be written"), self._writing():
            for name, values in {**results, DONE: np.full(len(task.lanes), self._mark)}.items():
                self._put(name, task, values)
        shutil.rmtree(self.folder(task).parent, ignore_errors=True)

    def _put(self, name: str, task: Task, values: np.ndarray) -> None:
        array, region, box = self._arrays[name], self.layout.region(task.block), self.layout.box(task.block)
        values = values.astype(array.dtype)
        if len(task.lanes) < self.layout.task(task.block).lanes.size:  # the others are there
            whole = np.asarray(array[region]).reshape(-1, *values.shape[1:])
            whole[task.lanes] = values
            values = whole
        # A chunk of zeros is written as well: what is not there is missing.
        array.with_config(_WRITE_ALL)[region] = values.reshape(*box, *values.shape[1:])

    def read(self) -> tuple[dict[str, np.ndarray], int]:
        """All results, NaN where points are missing, and in how many blocks they are."""
        missing, results = {task.block: task.lanes for task in self.missing()}, {}
        for name, result in self.layout.results.items():
            # Whole numbers know no NaN.
            dtype = "float64" if missing and not jnp.issubdtype(result["dtype"], jnp.inexact) else result["dtype"]
            results[name] = np.full(self.layout.shape(name), np.nan if missing else 0, dtype)
            for block in self.layout.blocks():
                region, lanes = self.layout.region(block), missing.get(block)
                if lanes is None:
                    results[name][region] = self._arrays[name][region]
                elif len(lanes) < self.layout.task(block).lanes.size:
                    values = np.asarray(self._arrays[name][region]).astype(dtype)
                    values.reshape(-1, *result["shape"])[lanes] = np.nan
                    results[name][region] = values
        return results, len(missing)
