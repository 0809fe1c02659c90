"""The code that writes a store: results of other code need not have the same bits."""

import functools
import hashlib
import pathlib
from importlib.metadata import version

import jax

from .._version import __version__

__all__ = ["checksum_of", "versions"]


@functools.cache
def versions() -> dict[str, str]:
    """The versions of jaxtile, of its own code and of what compiles it.

    The number of a version stays the same from one release to the next, whatever is
    changed in between. So jaxtile's code is part of it.
    """
    code = checksum_of(pathlib.Path(__file__).parents[1])
    return {"jaxtile": __version__, "code of jaxtile": code, "jax": jax.__version__, "jaxlib": version("jaxlib")}


def checksum_of(folder: pathlib.Path) -> str:
    """A checksum of all Python files in a folder: of their names and of what they hold."""
    code = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        code.update(f"{path.relative_to(folder).as_posix()}\n{path.stat().st_size}\n".encode() + path.read_bytes())
    return code.hexdigest()[:16]
