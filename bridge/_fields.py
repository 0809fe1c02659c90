"""Fields of configurations on either side: what goes over, what is refused and how
numbers are written down.
"""

import dataclasses
from typing import Any, NoReturn

import equinox as eqx
import numpy as np
from aihwkit.exceptions import ConfigError

__all__ = ["by_name", "named_alike", "numbers", "refuse", "refuse_rest"]


def by_name(theirs: Any, base: type, ours: set[str], name: str, *, inert: set[str]) -> dict[str, Any]:
    """The fields of an aihwkit object that jaxtile has too; all others, but for
    `inert`, must stand at their defaults.
    """
    shared = ours & {field.name for field in dataclasses.fields(base)}
    refuse_rest(theirs, base, name, shared | inert)
    return {field: getattr(theirs, field) for field in shared}


def refuse_rest(params: Any, base: type, name: str, taken: set[str], *, instead: str = "") -> None:
    """Refuse fields that are unknown, or not taken over and away from their defaults;
    `instead` says where those belong.
    """
    defaults = {field.name: field for field in dataclasses.fields(base)}
    for field, value in vars(params).items():
        if field not in defaults:
            refuse(f"{name}.{field}", value, f"{base.__name__} has no such field")
        if field not in taken and str(value) != str(_default(defaults[field])):  # not all of them can be compared
            refuse(f"{name}.{field}", value, f"only its default is, {_default(defaults[field])!r}{instead}")


def refuse(name: str, value: Any, reason: str = "") -> NoReturn:
    """Refuse a value by name."""
    raise ConfigError(f"{name}={value!r} is not supported by jaxtile" + (f": {reason}." if reason else "."))


def named_alike(table: dict, ours: Any, name: str, *, instead: str = "") -> Any:
    """The name in aihwkit of an object of jaxtile's; `instead` says what to do about
    one that it has no name for.
    """
    for theirs, kind in table.items():
        if type(ours) is kind:
            return theirs
    raise ConfigError(f"{name}={ours!r} has no counterpart in aihwkit" + (f": {instead}." if instead else "."))


def numbers(module: Any) -> dict[str, Any]:
    """The fields of a jaxtile object; a number as the shortest one that gives the same
    in single precision.
    """
    values = {field.name: getattr(module, field.name) for field in dataclasses.fields(module)}
    return {name: _shortest(np.asarray(value).tolist()) if eqx.is_array(value) else value for name, value in values.items()}


def _shortest(value: float | list[float]) -> float | list[float]:
    return [float(str(np.float32(v))) for v in value] if isinstance(value, list) else float(str(np.float32(value)))


def _default(field: dataclasses.Field) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
