"""The results of a sweep as a data set of xarray."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from .._extras import need
from .store import Progress, Store
from .unstored import Unstored

if TYPE_CHECKING:  # importing it takes longer than importing the rest of this library
    import xarray as xr

__all__ = ["as_dataset", "load", "progress_of"]


def as_dataset(kept: Unstored | Store) -> xr.Dataset:
    """The results by named dimensions, with coordinates and units.

    Attributes say what was run, by which versions, how many blocks are missing, and how
    many points ended with weights that are not finite.
    """
    import xarray as xr

    layout, data = kept.layout, {}
    results, missing = kept.read()
    for name, values in results.items():
        result = layout.results[name]
        data[name] = ((*layout.sizes, *result["dims"]), values, {"units": result["units"], "label": result["label"]})
    units = layout.units
    coordinates = {name: (*place, {"units": units[name]} if name in units else {}) for name, place in layout.along.items()}
    failed = int(np.sum(results["finite"] == 0)) if "finite" in results else 0
    counts = {"missing_blocks": missing, "failed_points": failed}
    return xr.Dataset(data, coordinates, dict(kept.about) | {"versions": json.dumps(kept.versions, indent=1)} | counts)


def load(path: str | pathlib.Path) -> xr.Dataset:
    """The results in a store, as `sweep` returns them; `missing_blocks` in the
    attributes says how many are still to be run.

    Unlike `xarray.open_zarr`, it reads no chunk that is damaged, and keeps counts and
    truth values as they are where nothing is missing.

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
