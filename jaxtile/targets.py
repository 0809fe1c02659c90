"""Matrices to program: a random one of low rank, and loading one from a file."""

import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from . import _safetensors
from ._linalg import product
from ._paths import as_path, readable
from ._random import as_key
from ._text_table import read_text_table
from ._types import Key, Real, Weight, as_number, as_shape, is_whole

__all__ = ["ENDINGS", "load", "low_rank"]


def low_rank(shape: tuple[int, int], rank: int, *, spectral_norm: Real | None = 3.0, key: Key) -> Weight:
    """A Gaussian matrix, truncated to its largest singular values.

    Args:
        shape: (out, in).
        rank: how many singular values to keep.
        spectral_norm: scale to this largest singular value; None leaves the entries as
            they were drawn, with variance 1 before the truncation.
        key: of the draw.

    Raises:
        TypeError, ValueError: the shape has not that rank, or the norm is no number of
            at least 0.
    """
    shape = as_shape(shape)
    if not is_whole(rank, 1) or rank > min(shape):
        raise ValueError(
            f"rank={rank!r:.80} is out of range; pass at least 1 and at most {min(shape)}, the shorter side of {shape}."
        )
    u, s, v = jnp.linalg.svd(jax.random.normal(as_key(key), shape, float), full_matrices=False)
    scale = 1.0 if spectral_norm is None else as_number("spectral_norm", spectral_norm, low=0.0) / s[0]
    return product(u[:, :rank] * (s[:rank] * scale)[None, :], v[:rank])


def load(path: str | Path, name: str | None = None) -> np.ndarray:
    """Read a matrix from a .npy, .npz, .safetensors or .csv file.

    A .csv file holds one line for each row, without a header. Tabs, semicolons, commas
    or spaces separate the numbers.

    Args:
        path: the file.
        name: which array of an .npz or .safetensors file; None: the only matrix in it.

    Raises:
        OSError: there is no such file, or it cannot be opened.
        ValueError: it holds no such matrix, or not one of finite numbers; the message
            names the file.
    """
    path = as_path(path, "target")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"target {path} is of an unknown kind; pass a file that ends in {', '.join(_READERS)}.")
    if readable(path, "target").stat().st_size == 0:
        raise ValueError(f"target {path} is empty.")
    try:
        arrays = reader(path)
    except OSError:
        raise
    except Exception as error:  # each reader has exceptions of its own, and they share no base
        remedy = "" if path.suffix.lower() == ".csv" else "; write it anew, from an array of real numbers"
        raise ValueError(f"target {path} cannot be read as {path.suffix}: {error}{remedy}") from error
    return _as_matrix(path, _choose(path, arrays, name))


def _read_npy(path: Path) -> dict[str, np.ndarray]:
    # Not `np.load`: it takes a damaged file for a pickle, and says how to load that.
    with path.open("rb") as file:
        return {"": np.lib.format.read_array(file, allow_pickle=False)}


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise ValueError("it is not a zip archive of arrays")
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


_READERS = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".safetensors": lambda path: _safetensors.read(path)[0],
    ".csv": lambda path: {"": read_text_table(path, header=False).values},
}


ENDINGS = tuple(_READERS)
"""Endings of the files that `load` reads."""


def _choose(path: Path, arrays: dict[str, np.ndarray], name: str | None) -> np.ndarray:
    if name is None:
        matrices = {key: array for key, array in arrays.items() if array.ndim == 2} or arrays
        if len(matrices) == 1:
            return next(iter(matrices.values()))
    elif name in arrays:
        return arrays[name]
    elif [*arrays] == [""]:
        raise ValueError(f"target {path} holds one array, without a name; leave {name!r} out.")
    shapes = ", ".join(f"{key} {list(array.shape)}" for key, array in arrays.items())
    holds = "no array" if not arrays else "several arrays" if name is None else f"no array {name!r}"
    raise ValueError(f"target {path} holds {holds}" + (f"; name one of these: {shapes}." if arrays else "."))


def _as_matrix(path: Path, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "biuf" and not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(f"target {path} holds {array.dtype}; pass real numbers.")
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"target {path} has shape {list(array.shape)}; pass a matrix [out, in] that is not empty.")
    array = array.astype(float)
    bad = int(np.sum(~np.isfinite(array)))
    if bad:
        raise ValueError(f"target {path} holds {bad} of {array.size} entries that are NaN or infinite; pass finite numbers.")
    return array
