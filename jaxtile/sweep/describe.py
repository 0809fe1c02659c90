"""What a sweep is, as plain data: by which a store knows whether it is being resumed or confused."""

import dataclasses
import functools
import hashlib
import inspect
import types
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["describe", "difference"]

_OTHERS = ("jaxtile", "jax", "jaxlib", "equinox", "optax", "numpy", "builtins")  # versions of these, not their sources


def describe(value: Any, within: tuple[int, ...] = ()) -> Any:
    """Plain data that is equal where results would be: classes and fields by name, numbers as they are, arrays by a checksum.

    Args:
        value: what to describe.
        within: the identities of the functions and objects that are being described, which may refer to themselves.
    """
    if id(value) in within:
        return "itself"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: describe(getattr(value, f.name), (*within, id(value))) for f in dataclasses.fields(value)}
        return {"class": _describe_class(type(value))} | fields
    if eqx.is_array_like(value):
        return _describe_array(value)
    if isinstance(value, dict):
        return {str(key): describe(part, within) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [describe(part, within) for part in value]
    if isinstance(value, functools.partial):
        return {"function": describe(value.func, within), "with": describe([value.args, value.keywords], within)}
    if isinstance(value, type):
        return _describe_class(value)
    if callable(value):
        return _describe_callable(value, (*within, id(value)))
    return value if value is None or isinstance(value, str) else repr(value)


def _describe_array(value: Any) -> Any:
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    array = np.asarray(value)
    if array.ndim == 0:
        return str(array) if array.dtype.kind == "f" and not np.isfinite(array) else array.item()  # nan is not itself
    return f"{array.dtype}{list(array.shape)} {_checksum(np.ascontiguousarray(array).tobytes())}"


def _describe_class(kind: type) -> str:
    name = f"{kind.__module__}.{kind.__qualname__}"
    return name if _is_of_others(kind) else f"{name} {_source(kind)}"


def _describe_callable(function: Any, within: tuple[int, ...]) -> Any:
    """Its source, and what it uses besides its arguments."""
    function = inspect.unwrap(function)
    if isinstance(function, types.MethodType):
        return {"function": describe(function.__func__, within), "of": describe(function.__self__, within)}
    if not isinstance(function, types.FunctionType):
        attributes = describe(getattr(function, "__dict__", {}), within)
        return {"class": _describe_class(type(function)), "attributes": attributes}
    name = f"{function.__module__}.{function.__qualname__}"
    if _is_of_others(function):
        return name
    found = inspect.getclosurevars(function)
    uses = {**found.globals, **found.nonlocals, "defaults": function.__defaults__, "keywords": function.__kwdefaults__}
    uses = {key: describe(part, within) for key, part in uses.items() if part is not None and not inspect.ismodule(part)}
    return {"function": f"{name} {_source(function)}", "uses": uses}


def _is_of_others(value: Any) -> bool:
    return (value.__module__ or "").split(".")[0] in _OTHERS


def _source(value: Any) -> str:
    try:
        return _checksum(inspect.getsource(value).encode())
    except (OSError, TypeError):  # typed at a prompt
        code = getattr(value, "__code__", None)
        return "" if code is None else _checksum(code.co_code + repr(code.co_names).encode())


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def difference(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two descriptions differ, one line each."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = dict.fromkeys((*ours, *theirs))
        lines = (difference(ours.get(name), theirs.get(name), f"{path}.{name}" if path else name) for name in names)
        return [line for part in lines for line in part]
    return [] if ours == theirs else [f"{path}: {ours!r} now, {theirs!r} in the store"]
