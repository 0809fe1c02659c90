"""The arrays of a store, as xarray opens them."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import warnings
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from .layout import Layout

__all__ = ["DONE", "lay_out"]

DONE = "done"
_MEANING = "0: not run; n: run by the n-th of the attribute `versions`"


def lay_out(path: pathlib.Path, layout: Layout, about: Mapping[str, str], versions: list[dict[str, str]]) -> None:
    """Bring a group to a layout: arrays that are not there are made, and those that are
    there grow.
    """
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    group: Any = zarr.open_group(path, mode="r+", use_consolidated=False)
    more = {"versions": json.dumps(versions, indent=1), "layout": json.dumps(dataclasses.asdict(layout))}
    group.attrs.put(dict(about) | more | ({"coordinates": " ".join(layout.zipped)} if layout.zipped else {}))
    for name, (dim, values) in layout.along.items():
        if name not in group or group[name].shape != (len(values),) or list(group[name][:]) != values:
            of_text = isinstance(values[0], str)
            array = group.create_array(
                name,
                shape=len(values),
                dtype=str if of_text else np.asarray(values).dtype,
                dimension_names=(dim,),
                attributes={"units": layout.units[name]} if name in layout.units else {},
                overwrite=True,
            )
            array[:] = np.asarray(values, object if of_text else None)
    for name in (*layout.results, DONE):
        result = layout.results.get(name, {"shape": [], "dtype": "uint16", "dims": [], "units": "1", "label": _MEANING})
        shape = (*layout.sizes.values(), *result["shape"])
        if name in group:
            group[name].resize(shape)
            continue
        dtype, fill = ("uint16", 0) if name == DONE else _stored(result["dtype"])
        masked = {"_FillValue": fill} if dtype in ("int64", "uint64") else {}
        group.create_array(
            name,
            shape=shape,
            dtype=dtype,
            chunks=(*layout.block.values(), *(max(1, size) for size in result["shape"])),
            fill_value=fill,
            compressors=(ZstdCodec(), Crc32cCodec()),
            dimension_names=(*layout.sizes, *result["dims"]),
            attributes={"units": result["units"], "label": result["label"]} | masked,
        )
    pathlib.Path(path, DONE, "lock").touch()
    with warnings.catch_warnings(action="ignore"):  # zarr's own format of them is still to become a standard
        zarr.consolidate_metadata(path)


def _stored(dtype: str) -> tuple[str, Any]:
    """The type that holds all values of another one and, besides, what says that there is
    none: NaN, or a whole number that xarray reads as NaN.
    """
    if jnp.issubdtype(dtype, jnp.complexfloating):
        return dtype, complex(np.nan, np.nan)
    if jnp.issubdtype(dtype, jnp.floating):
        return (dtype if np.dtype(dtype).kind == "f" else "float32"), np.nan  # zarr knows no bfloat16
    return ("uint64", 2**64 - 1) if dtype == "uint64" else ("int64", -(2**63))
