"""`save` and `load`: one file for anything."""

import json
import zlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .. import _safetensors
from .._paths import readable, writable
from .._version import __version__
from .tree import Reader, Writer

__all__ = ["load", "save"]

FORMAT = 2  # files of format 1 had no checksum
_HEADER = "jaxtile"
_NUMPY = b"\x93NUMPY"  # how its files begin


def save(path: str | Path, value: Any) -> None:
    """Write anything to one file: a tile, a configuration, a model, a solution, the
    state of an optimizer, or a tuple, list or dict of such.

    The file is one of safetensors: its arrays are named by their paths, such as
    `layers[0].tile.now.state`, and other programs can read them. A header in JSON says
    how they belong together. A reader sees the old file or the new one.

    Args:
        path: the file.
        value: what to save. Of functions a file holds those of arrays in `jax.nn`,
            `jax.numpy` and `jax.lax`, and the metrics of jaxtile, by name.

    Raises:
        TypeError: it holds what a file cannot, such as a lambda; the message names it.
        ValueError: it holds itself.
        OSError: there cannot be such a file.
    """
    path = writable(path, "file")
    writer = Writer()
    try:
        tree = writer(value, "")
    except RecursionError:
        raise ValueError(f"value={type(value).__name__} holds itself, or is nested too deeply to be saved.") from None
    header = {"format": FORMAT, "versions": _versions(), "tree": tree}
    header["crc32"] = _checksum(header, writer.arrays)
    _safetensors.write(path, writer.arrays, {_HEADER: json.dumps(header)})


def load(path: str | Path, *, classes: Sequence[type] = ()) -> Any:
    """Read what `save` wrote, bit for bit.

    Nothing from the file is run. Classes are looked up among those of jaxtile, equinox
    and optax that are imported, and those of `classes`. Their constructors are not
    called: fields get the values that were saved.

    Args:
        path: the file.
        classes: classes of your own that the file may name.

    Raises:
        OSError: there is no such file, or it cannot be opened.
        ValueError: it is damaged, of another kind, of a newer version, or names a class
            or a function that it may not; the message says which.
    """
    path = readable(path, "file")
    try:
        arrays, texts = _safetensors.read(path)
    except OSError:
        raise
    except Exception as error:  # what the reader raises shares no base
        with path.open("rb") as file:
            if file.read(len(_NUMPY)) == _NUMPY:
                raise ValueError(
                    f"{path} holds arrays without names, as equinox.tree_serialise_leaves and NumPy write them. Read it as it was "
                    "written, into an object of the same configuration and version. Then write that with jaxtile.save."
                ) from None
        raise ValueError(f"{path} is damaged, or no file of jaxtile.save: {error}") from None
    if _HEADER not in texts:
        raise ValueError(f"{path} was not written by jaxtile.save: it has arrays, but does not say which objects they belong to.")
    versions = "other versions"
    try:
        header = _safetensors.parse(texts[_HEADER])
        versions = ", ".join(f"{name} {number}" for name, number in header["versions"].items())
        if header["format"] > FORMAT:
            raise ValueError(f"it has format {header['format']}, and this jaxtile {__version__} reads up to {FORMAT}: update it.")
        if header["format"] != 1 and header.pop("crc32") != _checksum(header, arrays):
            raise ValueError("it is damaged, since its checksum differs: copy it anew, or save it again.")
        return Reader(arrays, tuple(classes))(header["tree"])
    except ValueError as error:
        raise ValueError(f"{path}, saved by {versions}, cannot be loaded: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(f"{path} has a damaged header: {type(error).__name__}: {error}") from None


def _checksum(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """The checksum of a header and of the arrays, with their names, types and shapes."""
    total = zlib.crc32(json.dumps(header).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total = zlib.crc32(f"{name} {array.dtype.name} {arrays[name].shape}".encode(), total)
        total = zlib.crc32(array.reshape(-1).view(np.uint8).data, total)
    return f"{total:08x}"


def _versions() -> dict[str, str]:
    return {"jaxtile": __version__, "jax": jax.__version__} | {name: version(name) for name in ("equinox", "optax")}
