"""Whether a store holds the sweep that is asked for, and what it lacks."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax

from .._describe import difference
from .grid import TARGET
from .layout import Layout, labels_of
from .processes import wait_for_all
from .store import Store
from .versions import versions

__all__ = ["Asked", "Order", "find_order", "grow"]

Order = dict[str, Sequence[int]]

_PATIENCE = 60.0  # seconds: growing a store takes a fraction of one


@dataclasses.dataclass(frozen=True)
class Asked:
    """The sweep that a call asks for.

    Attributes:
        description: plain data that is equal where results would be, but for those of
            more points.
        configuration: the same for people to read.
        coordinates, zipped, targets: of its `Layout`.
    """

    description: dict[str, Any]
    configuration: str
    coordinates: dict[str, list[Any] | int]
    zipped: dict[str, list[float]]
    targets: list[str]

    @property
    def about(self) -> dict[str, str]:
        """The attributes of its data set: texts by name."""
        command = " ".join(shlex.join(sys.argv).splitlines())
        return {"description": json.dumps(self.description, indent=1), "configuration": self.configuration, "command": command}

    @property
    def labels(self) -> dict[str, list[Any] | int]:
        """By dimension, what tells its places apart."""
        return labels_of(self.coordinates, self.zipped, self.targets)

    def layout(self, **rest: Any) -> Layout:
        """Its dimensions, cut into blocks."""
        return Layout(self.coordinates, self.zipped, self.targets, **rest)

    def within(self, kept: Layout, order: Order) -> Layout:
        """Its dimensions in the order of a store."""

        def ordered(dim: str, values: Any) -> Any:
            return [values[place] for place in order[dim]] if dim in order and isinstance(values, list) else values

        coordinates = {dim: ordered(dim, values) for dim, values in self.coordinates.items()}
        zipped = {path: ordered("point", values) for path, values in self.zipped.items()}
        return dataclasses.replace(kept, coordinates=coordinates, zipped=zipped, targets=self.targets)


def grow(kept: Store, asked: Asked, *, allow_versions: bool) -> tuple[Store, Order]:
    """A store with room for all that is asked for, and its order. Whoever comes first
    makes the room, the others find it.

    Raises:
        ValueError: it holds another sweep.
        OSError: another sweep is writing to it.
    """
    order = find_order(kept, asked, None, allow_versions=allow_versions)
    until = time.monotonic() + _PATIENCE
    while jax.process_index() == 0 and _lacks_room(kept, asked, order):
        try:
            with kept.locked():
                kept = kept.reopen()
                order = find_order(kept, asked, None, allow_versions=allow_versions)
                if _lacks_room(kept, asked, order):
                    kept.grow(asked.within(kept.layout, order), asked.about)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        kept = kept.reopen()
        order = find_order(kept, asked, None, allow_versions=allow_versions)
    wait_for_all("grown")
    kept = kept.reopen()
    return kept, find_order(kept, asked, None, allow_versions=allow_versions)


def _lacks_room(kept: Store, asked: Asked, order: Order) -> bool:
    return not kept.settled or asked.within(kept.layout, order) != kept.layout


def find_order(kept: Store, asked: Asked, width: int | None, *, allow_versions: bool) -> Order:
    """The places of what is asked for in the order of a store, by dimension where this is
    another one: first those that it has, then the new ones.

    Raises:
        ValueError: the store holds another sweep, or more than is asked for, or was
            written by other versions.
    """
    said, theirs = f"store={str(kept.path)!r}", kept.description
    ours = asked.description | {  # of what has names, others may be added
        kind: {name: asked.description[kind].get(name) for name in theirs[kind]}
        for kind in ("config", "run")
        if kind in asked.coordinates and kind in kept.layout.coordinates
    }
    lines = difference(ours, theirs)
    if width not in (None, kept.layout.width):
        lines.append(f"width: {width} now, {kept.layout.width} in the store")
    order: Order = {}
    if list(asked.labels) != list(kept.layout.labels):
        lines.append(f"dimensions: {list(asked.labels)} now, {list(kept.layout.labels)} in the store")
    else:
        for dim, labels in kept.layout.labels.items():
            places = _places(asked.labels[dim], labels, movable=dim != TARGET)  # draws depend on the number of a target
            if places is None:
                lines.append(f"{dim}: {asked.labels[dim]} now, {labels} in the store, which grows and gives up nothing")
            elif places:
                order[dim] = places
    if lines:
        listed = "\n  ".join(lines)
        raise ValueError(f"{said} holds another sweep; choose another place, or delete it.\n  {listed}")
    others = "\n  ".join(line for theirs in kept.versions for line in difference(versions(), theirs))
    if others and not allow_versions:
        raise ValueError(
            f"{said} was written by other versions, and mixed results need not be comparable. Choose another place, or go on with "
            "allow_versions=True; the store notes which versions wrote which block.\n  " + others
        )
    return order


def _places(ours: Any, theirs: Any, *, movable: bool) -> Sequence[int] | None:
    """Where the labels of a store stand among ours, and after them the new ones: empty
    where that is our order, None if some are not among ours. What is counted has no labels.
    """
    if isinstance(theirs, int):
        return () if ours >= theirs else None
    if ours[: len(theirs)] == theirs or not movable:
        return () if ours[: len(theirs)] == theirs else None
    left: dict[str, list[int]] = {}
    for place, label in reversed(list(enumerate(ours))):
        left.setdefault(repr(label), []).append(place)
    found = [left[repr(label)].pop() if left.get(repr(label)) else -1 for label in theirs]
    return None if -1 in found else [*found, *sorted(place for rest in left.values() for place in rest)]
