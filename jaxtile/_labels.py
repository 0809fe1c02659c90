"""Arguments of pictures: objects of a kind, by label, names out of several, and styles."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

__all__ = ["check_choice", "check_has", "check_kind", "counted", "labelled", "styles"]

_DASHES = ("-", "--", ":", "-.")


def labelled(argument: str, given: Any, kind: type) -> dict[Any, Any]:
    """The objects to be drawn, by label; None stands for one without."""
    named = dict(given) if isinstance(given, Mapping) and given else {None: given}
    for value in named.values():
        check_kind(argument, value, kind)
    return named


def check_kind(argument: str, value: Any, kind: type) -> None:
    """Refuse what is of another kind."""
    if not isinstance(value, kind):
        raise TypeError(f"{argument}={value!r:.80} is no {kind.__name__} of jaxtile, nor several by label; pass what it returned.")


def check_has(argument: str, value: Any, attribute: str, wanted: str) -> None:
    """Refuse an object of a library that is not imported here, by what it lacks."""
    if not hasattr(value, attribute):
        raise TypeError(f"{argument}={value!r:.80} cannot be drawn with; pass {wanted}.")


def check_choice(name: str, value: str, options: Collection[str]) -> None:
    """Refuse an unknown name."""
    if value not in options:
        raise ValueError(f"{name}={value!r} is unknown; choose one of {', '.join(map(repr, options))}.")


def styles(colours: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """The styles of lines in turn: all colours, then again with other dashes."""
    if isinstance(colours, str) or not len(colours):
        raise ValueError(f"colours={colours!r} is no list of colours; pass one such as ('tab:blue', 'black').")
    return cycle({"color": colour, "linestyle": dashes} for dashes in _DASHES for colour in colours)


def counted(label: str | None, failed: int, of: int, absent: np.ndarray | None = None) -> str | None:
    """A label that says how many of its runs failed, and how many runs a point has.

    Args:
        label: the label without these numbers.
        failed: runs that failed.
        of: all runs of the line.
        absent: true for runs that are still to be made, [run, point]; None: there are
            none.
    """
    notes = [label] if label else []
    if failed:
        notes.append(f"({failed} of {of} failed)")
    if absent is not None and absent.any():
        made = np.sum(~absent, axis=0)
        few, most = made[made > 0].min(initial=len(absent)), made.max()
        if few < len(absent):
            notes.append(f"({few if few == most else f'{few} to {most}'} of {len(absent)} runs a point)")
    return " ".join(notes) or None
