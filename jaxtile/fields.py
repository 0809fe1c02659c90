"""The fields that configuration classes are made of.

A physical number is a leaf: it can be traced, vmapped and differentiated. Anything that
changes shapes or code paths is static. Each field states its domain beside its default.
It converts the value that it is given, or refuses it by name. Fields are keyword-only,
but for those that say otherwise.

    class Mine(AbstractPulsedDevice):
        gamma: Number = number(0.5, low=0.0)
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import equinox as eqx
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Num

from ._show import text_of
from ._types import Interval, Real, Scalar, finite_array, is_concrete, is_whole

__all__ = [
    "LARGEST_WEIGHT",
    "Checked",
    "Field",
    "Number",
    "OptionalNumber",
    "Reals",
    "array",
    "choice",
    "flag",
    "function",
    "is_whole",
    "number",
    "optional",
    "part",
    "recheck",
    "whole",
]

Given = TypeVar("Given")
Value = TypeVar("Value")

if TYPE_CHECKING:

    class Field(Generic[Given, Value]):
        """The type of a field that takes one type and keeps another."""

        def __get__(self, owner: object, kind: type | None = None) -> Value: ...
        def __set__(self, owner: object, value: Given) -> None: ...

else:

    class Field:
        """The type of a field that takes one type and keeps another."""

        def __class_getitem__(cls, types: tuple[Any, Any]) -> Any:
            given, _ = types
            return given


LARGEST_WEIGHT = 1e12
"""The largest number in weight units that a field takes. Weights are normalised: what is
larger is in another unit, and its square is infinite in single precision.
"""

Number = Field[Real, Scalar]
OptionalNumber = Field[Real | None, Scalar | None]
Reals = Num[Array, "..."] | Num[np.ndarray, "..."] | Sequence[Real] | Sequence[Sequence[Real]]


def number(
    default: float | None,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open: bool = False,
    whole: bool = False,
    finite: bool = True,
    most: float = math.inf,
    units: str = "1",
    kw_only: bool = True,
) -> Any:
    """Declare a physical number, which is kept as an array leaf.

    Args:
        default: the number; None: the class replaces it when it is built, or a
            datasheet says it.
        low: the lower end of the interval of numbers that are accepted.
        high: the upper end.
        open: leave `low` out.
        whole: leave fractions out.
        finite: leave infinity out.
        most: the largest size with which programs compute right.
        units: label of the number where it is swept; "weight": of at most
            `LARGEST_WEIGHT`.
        kw_only: False for the one number that a class is about.
    """
    domain = Interval(low, high, open, whole, finite, LARGEST_WEIGHT if units == "weight" else most)
    take = domain.take if default is not None else _or_none(domain.take)
    return field(take, default=default, kw_only=kw_only, metadata={"domain": domain, "units": units})


def optional(default: float | None = None, *, low: float = -math.inf, high: float = math.inf, open: bool = False) -> Any:
    """Declare a physical number of a stage that may be absent.

    None leaves the stage out of the program; 0 does not.
    """
    domain = Interval(low, high, open)
    return field(_or_none(domain.take), default=default, metadata={"domain": domain})


def array(default: Any = dataclasses.MISSING, *, ndim: int = 1, low: float = -math.inf, units: str = "1") -> Any:
    """Declare physical numbers, which are kept as one array leaf of `ndim` dimensions;
    None as default: they may be absent. None of them is below `low`.
    """

    def take(name: str, value: Any) -> Array:
        numbers = finite_array(value, float, name)
        if numbers.ndim != ndim or numbers.size == 0:
            raise ValueError(f"{name} has shape {numbers.shape}; pass numbers in {_DIMENSIONS[ndim]}, at least one.")
        if is_concrete(numbers) and (least := np.asarray(numbers).min()) < low:
            raise ValueError(f"{name} holds {least:g}; pass numbers of at least {low:g}.")
        if units == "weight" and is_concrete(numbers) and np.abs(np.asarray(numbers)).max() > LARGEST_WEIGHT:
            raise ValueError(f"{name} holds numbers beyond {LARGEST_WEIGHT:g}; pass normalised weights.")
        return numbers

    return field(take if default is not None else _or_none(take), default=default, metadata={"units": units})


_DIMENSIONS = {1: "one dimension, such as [1.5, 1.0, 1.5]", 2: "two dimensions, such as [[1.5, 1.0, 1.5]]"}


def whole(default: int | None, *, low: int, high: int = 2**31 - 1, kw_only: bool = True) -> Any:
    """Declare a static whole number from `low` to `high`, which sets a shape; None as
    default: it may be absent.
    """

    def take(name: str, value: Any) -> int:
        if not is_whole(value, low) or value > high:
            kind = f"{'None or ' if default is None else ''}a whole number of at least {low} and at most {high}"
            raise ValueError(f"{name}={value!r:.80} must be {kind}; it sets a shape, so it cannot be traced.")
        return int(value)

    return field(take if default is not None else _or_none(take), default=default, static=True, kw_only=kw_only)


def flag(default: bool, /) -> Any:
    """Declare a static switch between two code paths."""

    def take(name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise TypeError(f"{name}={value!r} must be True or False.")
        return value

    return field(take, default=default, static=True)


def choice(*options: str | None) -> Any:
    """Declare a static name out of `options`; the first is the default."""

    def take(name: str, value: Any) -> str | None:
        if value not in options:
            raise ValueError(f"{name}={value!r} is unknown; choose one of {', '.join(map(repr, options))}.")
        return value

    return field(take, default=options[0], static=True)


def part(
    kind: type | tuple[type, ...],
    refusal: str,
    *,
    default: Callable[[], Any] | None = None,
    optional: bool = False,
    kw_only: bool = True,
) -> Any:
    """Declare a part: an object of a kind, or of one of several kinds.

    Args:
        kind: the class of the part.
        refusal: says about another object why it is refused and what to pass, such as
            "is no method; pass one such as jaxtile.SVD()".
        default: makes the part, when the class that holds it is built.
        optional: None stands for no part.
        kw_only: False for the one part that a class wraps or runs.
    """

    def take(name: str, value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(f"{name}={value!r} {refusal}.")
        return value

    how: dict[str, Any] = {"default_factory": default} if default is not None else {"default": None} if optional else {}
    return field(_or_none(take) if optional else take, kw_only=kw_only, **how)


def function(refusal: str, *, optional: bool = True, kw_only: bool = True) -> Any:
    """Declare a function, kept as a pytree: the numbers of a module are leaves, and a
    plain function is static.

    Args:
        refusal: as for a `part`.
        optional: None stands for no function, and is the default.
        kw_only: as for a `part`.
    """

    def take(name: str, value: Any) -> Any:
        if not callable(value):
            raise TypeError(f"{name}={value!r} {refusal}.")
        return value if isinstance(value, eqx.Module) else Partial(value)

    return field(_or_none(take), default=None, kw_only=kw_only) if optional else field(take, kw_only=kw_only)


Take = Callable[[str, Any], Any]


def field(take: Take, *, kw_only: bool = True, metadata: Mapping[str, Any] = MappingProxyType({}), **how: Any) -> Any:
    """Declare a field that keeps `take(name, value)` of the value that it is given.

    Args:
        take: converts a value, or refuses it by name.
        kw_only: whether the field is keyword-only.
        metadata: what else is known of the field.
        **how: options of `equinox.field`, such as `default` or `static`.
    """
    return eqx.field(kw_only=kw_only, metadata={"take": take, **metadata}, **how)


def _or_none(take: Take) -> Take:
    return lambda name, value: None if value is None else take(name, value)


class Checked(eqx.Module):
    """A module whose fields convert and check what they are given.

    They do so when they are assigned. `__check_init__`, which comes later, holds rules
    between fields only.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        field = type(self).__dataclass_fields__.get(name)
        if field is not None and "take" in field.metadata:
            value = field.metadata["take"](f"{type(self).__name__}.{name}", value)
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        """The class, and what differs from its defaults."""
        shown = (f"{f.name}={_short(getattr(self, f.name))}" for f in dataclasses.fields(self) if _is_changed(self, f))
        return f"{type(self).__name__}({', '.join(shown)})"

    __pdoc__ = text_of


def recheck(module: eqx.Module) -> None:
    """Hold the rules between the fields of a module against what they are now: they were
    checked when it was built, and other numbers have been put in since.

    Raises:
        ValueError: they contradict each other.
    """
    for kind in type(module).__mro__:
        if "__check_init__" in vars(kind):
            kind.__check_init__(module)


def _is_changed(module: eqx.Module, field: dataclasses.Field) -> bool:
    value, default = getattr(module, field.name), field.default
    if field.default_factory is not dataclasses.MISSING:
        return repr(value) != repr(field.default_factory())
    if default is dataclasses.MISSING:
        return True
    if default is None:
        return value is not None
    if eqx.is_array(value):
        same_shape = value.shape[value.ndim - np.ndim(default) :] == np.shape(default)  # but for axes of `vmap`
        return not (is_concrete(value) and same_shape and np.allclose(np.asarray(value), default, rtol=1e-6, atol=0))
    return value is not default and value != default


def _short(value: Any) -> str:
    if not eqx.is_array(value):
        return repr(value)
    if not is_concrete(value):
        return f"{value.dtype}{list(value.shape)}"
    numbers = np.unique(np.asarray(value)) if value.size > 1 else np.ravel(value)
    return "...".join(f"{float(number):g}" for number in numbers[[0, -1]]) if numbers.size > 1 else f"{float(numbers[0]):g}"
