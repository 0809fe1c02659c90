"""Refusals of the command line."""

import contextlib
import difflib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import jax

from .._paths import whole, writable
from ..sweeping.memory import free_memory

__all__ = ["Refusal", "check_file", "check_name", "check_range", "check_room", "check_whole", "one_line", "refusals", "write_whole"]


class Refusal(Exception):
    """An argument or a file that cannot be used; its text is one line."""

    def __init__(self, why: object):
        super().__init__(one_line(why))


def one_line(text: object) -> str:
    """A text without its line breaks."""
    return " ".join(str(text).split())


@contextlib.contextmanager
def refusals(where: str = "") -> Iterator[None]:
    """Turn what the library says about values into refusals. Only around what checks
    arguments: elsewhere an error is a bug.

    Args:
        where: what the values belong to, if they do not say it.
    """
    try:
        yield
    except (ArithmeticError, OSError, TypeError, ValueError) as error:
        raise Refusal(f"{where}: {error}" if where else error) from error


def check_whole(name: str, value: int, *, low: int, high: int = 2**31 - 1) -> None:
    """Refuse a whole number outside its range.

    Raises:
        Refusal: it is.
    """
    if not low <= value <= high:
        raise Refusal(f"--{name} {value} is out of range; pass a whole number of at least {low} and at most {high}.")


def check_range(g_min: float | None, g_max: float | None) -> None:
    """Refuse one end of a range of conductances without the other.

    Raises:
        Refusal: it is.
    """
    if (g_min is None) != (g_max is None):
        given, other = ("--g-max", "--g-min") if g_min is None else ("--g-min", "--g-max")
        raise Refusal(f"{given} needs {other}, the other end of the range of conductances.")


def check_name(what: str, name: Any, known: Collection[str]) -> None:
    """Refuse an unknown name.

    Raises:
        Refusal: it is.
    """
    if name not in list(known):
        close = difflib.get_close_matches(str(name), known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise Refusal(f"{what} {name!r} is unknown; choose from {', '.join(known)}.{hint}")


def check_room(what: str, numbers: int) -> None:
    """Refuse numbers, of 4 bytes each, that the memory cannot hold.

    Raises:
        Refusal: it cannot.
    """
    needed, free = 4 * numbers, min(map(free_memory, jax.local_devices()))
    if needed > free:
        gib = 2**30
        raise Refusal(f"{what} takes {needed / gib:.3g} GiB of memory at least, and {free / gib:.3g} GiB are free; pass less.")


def check_file(option: str, path: Path | None, endings: Collection[str]) -> None:
    """Refuse, before the work is done, a file that cannot be written after it.

    Raises:
        Refusal: it is a folder, its folder is absent or takes no files, or the ending
            is unknown.
    """
    if path is None:
        return
    if path.suffix.lower() not in endings:
        raise Refusal(f"--{option} {path} is of an unknown kind; pass a file that ends in {', '.join(endings)}.")
    with refusals():
        writable(path, f"--{option}")


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file whole or not at all: under another name, which then becomes its own.

    Raises:
        OSError: it cannot be written, as on a full disk.
    """
    with whole(path) as part, part.open("wb") as file:
        write(file)
