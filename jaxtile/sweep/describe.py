"""What a sweep is, as plain data: by which a store knows whether it is being resumed or confused."""

import dataclasses
import functools
import hashlib
import inspect
from typing import Any

import equinox as eqx
import numpy as np

__all__ = ["describe", "difference"]


def describe(value: Any) -> Any:
    """Plain data that is equal where results would be: classes and fields by name, numbers as they are, arrays by a checksum."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"class": type(value).__qualname__} | {f.name: describe(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if eqx.is_array_like(value):
        array = np.asarray(value)
        if array.ndim == 0:
            return array.item()
        return f"{array.dtype}{list(array.shape)} {hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}"
    if isinstance(value, dict):
        return {str(key): describe(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [describe(part) for part in value]
    if isinstance(value, functools.partial):
        return {"function": describe(value.func), "arguments": describe(value.args), "keywords": describe(value.keywords)}
    if callable(value):
        return _describe_function(value)
    return value if value is None or isinstance(value, str) else repr(value)


def _describe_function(function: Any) -> Any:
    """Its name, a checksum of its source, and the variables of the function around it that it uses."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    try:
        source, around = inspect.getsource(function), inspect.getclosurevars(function).nonlocals
    except (OSError, TypeError):  # typed at a prompt, or written in C
        return name
    described = f"{name} {hashlib.sha256(source.encode()).hexdigest()}"
    return {"function": described, "uses": describe(around)} if around else described


def difference(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two descriptions differ, one line each."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = dict.fromkeys((*ours, *theirs))
        lines = (difference(ours.get(name), theirs.get(name), f"{path}.{name}" if path else name) for name in names)
        return [line for part in lines for line in part]
    return [] if ours == theirs else [f"{path}: {ours!r} now, {theirs!r} in the store"]
