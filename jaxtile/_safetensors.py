"""Files in the format of safetensors: named arrays, and texts beside them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors import deserialize
from safetensors.numpy import save_file

from ._paths import whole

__all__ = ["NATIVE", "parse", "read", "write"]

NATIVE = ("bool", "bfloat16", "float16", "float32", "float64", *(f"{kind}int{n}" for kind in ("", "u") for n in (8, 16, 32, 64)))
"""The types of NumPy that every version of the format has a name for."""


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the texts of a file.

    Raises:
        OSError: it cannot be opened.
        Exception: it is damaged, or no such file.
    """
    data = path.read_bytes()
    # Not by NumPy, which has no bfloat16 and no float8.
    arrays = {name: np.frombuffer(part["data"], _dtype(part["dtype"])).reshape(part["shape"]) for name, part in deserialize(data)}
    header = parse(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return arrays, header.get("__metadata__", {})


def parse(text: str | bytes) -> Any:
    """The data of JSON in which each name stands once: of two, readers take different
    ones.

    Raises:
        ValueError: it is no JSON, or has a name twice.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a name stands twice")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=once)


def write(path: Path, arrays: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> None:
    """Write a file, so that a reader sees the old one or the new one.

    Args:
        path: the file.
        arrays: arrays of `NATIVE` types.
        texts: texts by name.
    """
    with whole(path) as part:
        save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, part, dict(texts))


def _dtype(name: str) -> np.dtype:
    """The type that a file calls F32, BF16, F8_E4M3 ..."""
    if name == "BOOL":
        return np.dtype(bool)
    known = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}
    kinds = {"F": "float", "I": "int", "U": "uint", "C": "complex"}
    return jnp.dtype(known.get(name) or f"{kinds[name[0]]}{name[1:]}")
