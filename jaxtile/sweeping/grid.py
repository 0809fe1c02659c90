"""The points of a sweep: which numbers, chip, target and seed each of them has."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._types import real_array
from ..device import AbstractCrosspoint
from ..fields import Checked, recheck
from ..tile import TileConfig

__all__ = ["CHIP", "SEED", "TARGET", "Grid", "Subject"]

CHIP = "chip"
TARGET = "target"
SEED = "seed"


@dataclasses.dataclass(frozen=True)
class Grid:
    """The outer product of the dimensions, in the order of their names; the last one
    runs fastest.

    Attributes:
        sizes: length of each dimension.
        numbers: for each path the dimension that it varies along, and its values.
    """

    sizes: dict[str, int]
    numbers: dict[str, tuple[str, np.ndarray]]

    @classmethod
    def of(cls, over: Mapping[str, Any], *, zipped: bool, targets: int | None, chips: int, seeds: int) -> "Grid":
        """The grid of some paths and their values.

        Raises:
            TypeError, ValueError: these are no values by path, or no numbers, empty,
                not in one dimension, or (zipped) of different lengths.
        """
        if not isinstance(over, Mapping):
            raise TypeError(f"over={over!r:.80} does not map paths to values; pass such as {{'device.dw_min': [0.001, 0.01]}}.")
        values = {}
        for path, value in over.items():
            if not isinstance(path, str):
                raise TypeError(f"over names {path!r}, which is no path; pass a text, such as 'device.dw_min'.")
            try:
                if not {type(one) for one in np.asarray(value, object).flat}.isdisjoint((bool, np.bool_, str, bytes)):
                    raise TypeError("texts and truth values are no numbers")
                real_array(value, None, path)  # for what it refuses: the values stay in double precision
                values[path] = np.atleast_1d(np.asarray(value, float))
            except (OverflowError, TypeError, ValueError) as error:
                raise TypeError(
                    f"over[{path!r}]={value!r:.80} are not numbers in one dimension ({error}); pass such as [0.001, 0.01]."
                ) from error
        for path, value in values.items():
            if value.ndim != 1 or value.size == 0:
                raise ValueError(f"over[{path!r}] has shape {value.shape}; pass numbers in one dimension, at least one.")
        lengths = {path: value.size for path, value in values.items()}
        if zipped and len(set(lengths.values())) > 1:
            raise ValueError(
                f"over has {lengths} values, which cannot be zipped; pass the same number of values for each path, or zipped=False."
            )
        along = {path: "point" if zipped else path for path in values}
        sizes = {along[path]: length for path, length in lengths.items()}
        sizes |= {CHIP: chips} | ({} if targets is None else {TARGET: targets}) | {SEED: seeds}
        if math.prod(sizes.values()) >= 2**31:
            raise ValueError(f"{sizes} are {math.prod(sizes.values())} points; a sweep takes at most {2**31 - 1}.")
        return cls(sizes, {path: (along[path], value) for path, value in values.items()})

    def together(self) -> Iterator[tuple[list[str], Iterable[dict[str, Any]]]]:
        """The paths of each object at the beginning of a path, such as "device", and their
        numbers in all combinations: what may contradict each other.
        """
        roots: dict[str, dict[str, np.ndarray]] = {}
        for path, (_, values) in self.numbers.items():
            roots.setdefault(path.split(".")[0], {})[path] = values
        for values in roots.values():
            along = {self.numbers[path][0] for path in values}
            rows = zip(*values.values(), strict=True) if along == {"point"} else itertools.product(*values.values())
            yield [*values], (dict(zip(values, row, strict=True)) for row in rows)

    @property
    def count(self) -> int:
        """Number of points."""
        return math.prod(self.sizes.values())

    def picked(self, order: Mapping[str, Sequence[int]]) -> "Grid":
        """The same numbers in another order along each dimension."""
        picked = {dim: list(places) for dim, places in order.items()}
        return Grid(self.sizes, {path: (dim, values[picked.get(dim, slice(None))]) for path, (dim, values) in self.numbers.items()})

    def at(self, points: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The numbers of some points by path, and the indices of their chip, target and
        seed.
        """
        index = dict(zip(self.sizes, np.unravel_index(points, tuple(self.sizes.values())), strict=True))
        numbers = {path: value[index[along]] for path, (along, value) in self.numbers.items()}
        nothing = np.zeros(len(points), np.int32)
        return numbers, {name: index.get(name, nothing).astype(np.int32) for name in (CHIP, TARGET, SEED)}


class Subject(eqx.Module):
    """The objects that a sweep varies: a configuration, and the function that is run. A
    path leads into the one or the other.
    """

    config: Any
    run: Any

    def at(self, names: Sequence[str]) -> Any:
        """The object at the end of a path, each name a field, or the number of a part.

        Raises:
            AttributeError: the path leads nowhere.
        """
        node = self._root(names[0])
        for name in names:
            is_part = isinstance(node, tuple) and name in map(str, range(len(node)))
            node = node[int(name)] if is_part else getattr(_holder(node, name), name)
        return node

    def _root(self, name: str) -> Any:
        return self.config if hasattr(self.config, name) else self.run

    def field(self, path: str) -> dict[str, Any]:
        """The declaration of the number at the end of a path, by the class of the
        object that holds it.
        """
        *before, name = path.split(".")
        owner = _holder(self.at(before), name) if before else self._root(name)
        fields = dataclasses.fields(owner) if dataclasses.is_dataclass(owner) else ()
        return {"of": type(owner).__name__, **next((dict(field.metadata) for field in fields if field.name == name), {})}

    def check(self, path: str, values: np.ndarray) -> None:
        """Refuse a path that does not lead to a number, and values that its field does
        not take.

        Raises:
            ValueError: it does not, or one of them is out of range.
        """
        try:
            number = self.at(path.split("."))
        except AttributeError as error:
            absent = next((part for part in _beginnings(path) if self._is_absent(part)), None)
            why = f"{absent} is None: configure it (in a study: [{absent}])" if absent else str(error)
            raise ValueError(
                f"over names {path!r}, which leads nowhere, neither in the configuration nor in the run: {why}."
            ) from None
        if not (isinstance(number, float) or (eqx.is_array(number) and number.ndim == 0)):
            raise ValueError(f"over names {path!r}, which is {number!r}, not a number: sweep over objects that differ in it.")
        field = self.field(path)
        if "take" in field:
            for value in values:
                field["take"](f"over: {field['of']}.{path.split('.')[-1]}", value)

    def check_together(self, paths: Sequence[str], numbers: Iterable[Mapping[str, Any]]) -> None:
        """Refuse numbers that contradict each other, or others of the objects that they
        are in.

        Args:
            paths: all that vary together.
            numbers: their values by path, combination by combination; looked at only
                where an object has rules between its numbers.

        Raises:
            ValueError: they do.
        """
        guarded = [path for path in paths if any(hasattr(owner, "__check_init__") for owner in self._owners(path))]
        for some in numbers if guarded else ():
            placed = self.placed(some)
            for path in guarded:
                for owner in placed._owners(path):
                    recheck(owner)

    def _owners(self, path: str) -> list[Checked]:
        """The objects that a path leads through, but for the configuration of the tile,
        whose rules are of kinds and not of numbers.
        """
        names = path.split(".")
        nodes = [_holder(self.at(names[:n]), names[n]) if n else self._root(names[0]) for n in range(len(names))]
        return [node for node in nodes if isinstance(node, Checked) and not isinstance(node, TileConfig)]

    def _is_absent(self, path: str) -> bool:
        try:
            return self.at(path.split(".")) is None
        except AttributeError:
            return False

    def placed(self, numbers: Mapping[str, Any]) -> "Subject":
        """The same with other numbers at the ends of some paths."""
        subject = self
        for path, value in numbers.items():
            names = path.split(".")
            subject = eqx.tree_at(
                lambda tree, names=names: tree.at(names), subject, value.astype(jnp.asarray(subject.at(names)).dtype)
            )
        return subject


def _holder(node: Any, name: str) -> Any:
    """The object that has a field: this one or, of a wrapper that has none of that name,
    the device inside.
    """
    while not hasattr(node, name) and isinstance(getattr(node, "device", None), AbstractCrosspoint):
        node = node.device
    return node


def _beginnings(path: str) -> list[str]:
    names = path.split(".")
    return [".".join(names[:n]) for n in range(1, len(names))]
