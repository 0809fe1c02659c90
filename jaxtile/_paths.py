"""Paths that users pass: what is read from them and written to them is a whole file."""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["as_path", "readable", "whole", "writable"]


def as_path(path: Any, name: str) -> Path:
    """A path, with "~" at its beginning for the home of the user.

    Raises:
        TypeError: it is none.
        ValueError: it is empty, holds a zero byte, or is an address such as "s3://...".
        OSError: the system knows no such path, or keeps it from this user.
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise TypeError(f"{name}={path!r:.80} is no path; pass the name of a file or of a folder, as text.")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise ValueError(f"{name}={os.fspath(path)!r:.80} is empty, or holds a zero byte; pass a path such as 'results/file'.")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", os.fspath(path)):  # otherwise a folder "s3:" would be made here
        raise ValueError(f"{name}={os.fspath(path)!r:.80} is an address; pass a path on this machine, and copy from there.")
    path = Path(path)
    path = path.expanduser() if path.parts[:1] == ("~",) else path
    try:
        path.exists()
    except OSError as error:
        raise type(error)(f"{name} {str(path)[:200]} cannot be written to or read: {error.strerror}; pass another path.") from None
    return path


def readable(path: Any, name: str) -> Path:
    """The path of a file that can be read.

    Raises:
        OSError: there is no file, or something else, or it cannot be opened.
        TypeError, ValueError: it is no path.
    """
    path = as_path(path, name)
    said = f"{name} {str(path)[:200]}"
    try:
        if path.is_dir():
            raise IsADirectoryError(f"{said}: it is a folder; pass the name of a file.")
        if path.is_symlink() and not path.exists():
            raise FileNotFoundError(f"{said}: it is a link to {os.readlink(path)}, where there is no such file.")
        if not path.exists():
            raise FileNotFoundError(f"{said}: there is no such file.")
        if not path.is_file():
            raise OSError(f"{said}: it is a pipe or a device; write what it gives to a file, and pass that.")
        with path.open("rb"):
            return path
    except PermissionError as error:
        raise PermissionError(f"{said}: {error.strerror}; pass a file that can be read.") from None


def writable(path: Any, name: str) -> Path:
    """The path of a file that can be written: what cannot is refused before the work.

    Raises:
        OSError: it is a folder, or no file, or its folder is absent or takes no files.
        TypeError, ValueError: it is no path.
    """
    path = as_path(path, name)
    said = f"{name} {str(path)[:200]}"
    if path.is_dir():
        raise IsADirectoryError(f"{said} is a folder; pass the name of a file.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{said} is in a folder that does not exist; make it, or choose another.")
    if path.exists() and not path.is_file():
        raise OSError(f"{said} cannot be written to: it is a pipe or a device; choose another.")
    try:
        if path.exists():
            path.open("r+b").close()
        part = _part(path)
        part.touch()
        part.unlink()
    except OSError as error:
        raise type(error)(f"{said} cannot be written to: {error.strerror}; choose another.") from None
    return path


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write a file, so that a reader sees the old one or the new one: under
    another name, which then becomes its own.
    """
    path = as_path(path, "file")
    part = _part(path)
    try:
        yield part
        part.replace(os.path.realpath(path))
    finally:
        part.unlink(missing_ok=True)


def _part(path: Path) -> Path:
    real = Path(os.path.realpath(path))  # not `resolve`, which raises for links in a circle
    return real.with_name(f".{real.name}.{os.getpid()}")
