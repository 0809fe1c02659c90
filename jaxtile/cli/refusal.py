"""Refusals of the command line."""

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path

__all__ = ["Refusal", "check_file", "check_name", "check_whole", "refusals"]


class Refusal(Exception):
    """An argument or a file that cannot be used; its text is one line."""

    def __init__(self, why: object):
        super().__init__(" ".join(str(why).split()))


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn what the library says about values into refusals. Only around what checks
    arguments: elsewhere an error is a bug.
    """
    try:
        yield
    except (OSError, TypeError, ValueError) as error:
        raise Refusal(error) from error


def check_whole(name: str, value: int, *, low: int, high: int = 2**31 - 1) -> None:
    """Refuse a whole number outside its range.

    Raises:
        Refusal: it is.
    """
    if not low <= value <= high:
        raise Refusal(f"--{name} {value} is out of range; pass a whole number of at least {low} and at most {high}.")


def check_name(what: str, name: str, known: Collection[str]) -> None:
    """Refuse an unknown name.

    Raises:
        Refusal: it is.
    """
    if name not in known:
        raise Refusal(f"{what} {name!r} is unknown; choose from {', '.join(known)}.")


def check_file(option: str, path: Path | None, endings: Collection[str]) -> None:
    """Refuse, before the work is done, a file that cannot be written after it.

    Raises:
        Refusal: the folder is absent, or the ending unknown.
    """
    if path is None:
        return
    if path.suffix.lower() not in endings:
        raise Refusal(f"--{option} {path} is of an unknown kind; pass a file that ends in {', '.join(endings)}.")
    if not path.parent.is_dir():
        raise Refusal(f"--{option} {path} is in a folder that does not exist; make it, or choose another.")
