"""Where the results of a sweep go: block by block, each whole or not at all.

A store is a zarr group with an array [group, point, ...] for each result (a group is one kind of hardware with one function), in
chunks of one block, and a flag for each block that is set once all of its chunks are there. Chunks are written under another name
and renamed, and carry a checksum. So a sweep that is killed leaves whole blocks, and the same call goes on with the others.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # importing these takes longer than importing the rest of this library
    import xarray as xr
    import zarr

__all__ = ["Block", "Memory", "Store", "as_dataset", "load", "rows"]

_DONE = "block_done"
_WRITE_ALL = {"write_empty_chunks": True}

Block = tuple[int, int]  # its group, and its number there


class Memory:
    """Results that are kept in memory only."""

    def __init__(self, plan: Mapping[str, Any]):
        self.plan = dict(plan)
        self._arrays = {name: np.zeros(*_shape(plan, name)) for name in plan["results"]}

    def missing(self) -> list[Block]:
        """The blocks that are not there yet: at the start, all."""
        return blocks(self.plan)

    def write(self, block: Block, results: Mapping[str, np.ndarray]) -> None:
        """Put one block."""
        for name, values in results.items():
            self._arrays[name][rows(self.plan, block)] = values

    def read(self) -> dict[str, np.ndarray]:
        """All results, [group, point, ...]."""
        return self._arrays


class Store:
    """Results in a zarr group on disk."""

    def __init__(self, path: str | pathlib.Path, group: zarr.Group):
        self.path, self._group = path, group
        self.plan: dict[str, Any] = json.loads(group.attrs["plan"])

    @classmethod
    def create(cls, path: str | pathlib.Path, plan: Mapping[str, Any]) -> Store:
        """Lay out an empty store; the plan is written last, so that a store without one is an empty one."""
        import zarr
        from zarr.codecs import Crc32cCodec, ZstdCodec

        group = zarr.open_group(path, mode="w")
        compress = (ZstdCodec(), Crc32cCodec())
        for name in plan["results"]:
            shape, dtype = _shape(plan, name)
            chunks = (1, plan["width"], *shape[2:])
            group.create_array(name, shape=shape, chunks=chunks, dtype=dtype, compressors=compress, config=_WRITE_ALL)
        group.create_array(
            _DONE, shape=(plan["groups"], len(blocks(plan)) // plan["groups"]), chunks=(1, 1), dtype="uint8", compressors=compress
        )
        group.attrs["plan"] = json.dumps(plan)
        return cls(path, group)

    @classmethod
    def open(cls, path: str | pathlib.Path) -> Store | None:
        """The store at a path, or None if nothing (or a store that was never finished laying out) is there.

        Raises:
            ValueError: something else is there.
        """
        if not pathlib.Path(path).exists():
            return None
        import zarr

        try:
            group = zarr.open_group(path, mode="r+")
        except Exception as error:  # zarr has several
            raise ValueError(f"store={str(path)!r} is no store of a sweep ({error}); choose another place.") from error
        return cls(path, group) if "plan" in group.attrs else None

    def missing(self) -> list[Block]:
        """The blocks that are not there, or damaged."""
        return [block for block in blocks(self.plan) if not self._holds(block)]

    def _holds(self, block: Block) -> bool:
        try:
            if not self._group[_DONE][block]:
                return False
            for name in self.plan["results"]:
                self._group[name][rows(self.plan, block)]
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
                self._group[name][rows(self.plan, block)] = values
            self._group[_DONE][block] = 1
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror}: block {block} could not be written. Make room and call again: what is there is kept.",
                str(self.path),
            ) from error

    def read(self) -> dict[str, np.ndarray]:
        """All results, [group, point, ...]."""
        return {name: np.asarray(self._group[name][:]) for name in self.plan["results"]}


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
    """The results by named dimensions, with coordinates, units, and the plan as attributes."""
    import xarray as xr

    plan = store.plan
    sizes = {name: len(values) for name, values in plan["coordinates"].items()}
    data = {}
    for name, values in store.read().items():
        result = plan["results"][name]
        values = values.reshape(*sizes.values(), *result["shape"])
        data[name] = xr.Variable((*sizes, *result["dims"]), values, {"units": result["units"]})
    coordinates = plan["coordinates"] | {path: tuple(values) for path, values in plan["zipped"].items()}
    blocks = {"missing_blocks": len(store.missing())} if isinstance(store, Store) else {}
    return xr.Dataset(data, coordinates, {"description": json.dumps(plan["description"], indent=1), **blocks})


def load(path: str | pathlib.Path) -> xr.Dataset:
    """The results in a store, as `sweep` returns them; `missing_blocks` in the attributes says how many are still to be run.

    Raises:
        FileNotFoundError: there is no store.
        ValueError: something else is there.
    """
    store = Store.open(path)
    if store is None:
        raise FileNotFoundError(f"store={str(path)!r}: there is no store of a sweep.")
    return as_dataset(store)
