"""Where a store may be, and what the disk says when it cannot."""

from __future__ import annotations

import contextlib
import errno
import pathlib
import tempfile
from collections.abc import Iterator

__all__ = ["check_place", "disk_errors"]


def check_place(path: str | pathlib.Path) -> None:
    """Refuse a place where no store can be written, before anything is compiled.

    Raises:
        OSError: it is one.
    """
    place = pathlib.Path(path).absolute()
    folder = next(one for one in (place, *place.parents) if one.exists())
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{place.name}."):
            pass
    except OSError as error:
        raise OSError(error.errno, f"store={str(path)!r} cannot be written ({error.strerror}). {_remedy(error)}") from None


@contextlib.contextmanager
def disk_errors(path: pathlib.Path, failed: str) -> Iterator[None]:
    """An error of the disk says what failed, and the remedy."""
    try:
        yield
    except OSError as error:
        said = f"{error.strerror}: {failed}. {_remedy(error)} and call again: what is there is kept."
        raise OSError(error.errno, said, str(path)) from error


def _remedy(error: OSError) -> str:
    return "Make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Choose a place that can be written to"
