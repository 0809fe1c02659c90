"""A run described by plain data, by which a file knows whether it is being resumed or
confused.
"""

import dataclasses
import functools
import hashlib
import inspect
import pathlib
import sys
import types
from collections.abc import Iterator
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["describe", "difference"]

# Libraries, and Python's own modules, are told by their names: a walk through all that
# they use would not end.
_LIBRARIES = {"site-packages", "dist-packages"}
_OTHERS = {"jaxtile"} | sys.stdlib_module_names


def describe(value: Any, within: tuple[int, ...] = ()) -> Any:
    """Plain data that is equal where results would be: classes and fields by name,
    numbers as they are, arrays by a checksum.

    Args:
        value: what to describe.
        within: the identities of the functions and objects that are being described,
            which may refer to themselves.
    """
    if id(value) in within:
        return "itself"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        within = (*within, id(value))
        fields = {f.name: describe(getattr(value, f.name), within) for f in dataclasses.fields(value)}
        return {"class": _describe_class(type(value), within)} | fields
    if eqx.is_array_like(value):
        return _describe_array(value)
    if isinstance(value, dict):
        return {str(key): describe(part, within) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [describe(part, within) for part in value]
    if isinstance(value, set | frozenset):
        return sorted((describe(part, within) for part in value), key=str)
    if isinstance(value, functools.partial):
        return {"function": describe(value.func, within), "with": describe([value.args, value.keywords], within)}
    if isinstance(value, type):
        return _describe_class(value, within)
    if callable(value):
        return _describe_callable(value, (*within, id(value)))
    if value is None or isinstance(value, str):
        return value
    if type(value).__repr__ is object.__repr__:  # which tells an address, another one in each process
        within = (*within, id(value))
        return {"class": _describe_class(type(value), within), "attributes": describe(getattr(value, "__dict__", {}), within)}
    return repr(value)


def _describe_array(value: Any) -> Any:
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    array = np.asarray(value)
    if array.ndim == 0:
        return str(array) if array.dtype.kind == "f" and not np.isfinite(array) else array.item()  # nan is not itself
    return f"{array.dtype}{list(array.shape)} {_checksum(np.ascontiguousarray(array).tobytes())}"


def _describe_class(kind: type, within: tuple[int, ...]) -> Any:
    """The name of a class and, if it is the user's own, its constants, its methods,
    what these use, and what it inherits.
    """
    name = f"{kind.__module__}.{kind.__qualname__}"
    if _is_of_others(kind) or id(kind) in within:
        return name
    within = (*within, id(kind))
    # By `getattr`, since equinox wraps methods.
    parts = {key: inspect.unwrap(cast(Any, getattr(kind, key, None))) for key in vars(kind)}
    parts = {key: part.fget if isinstance(part, property) else part for key, part in parts.items()}
    own = {key: part for key, part in parts.items() if isinstance(part, types.FunctionType) or not key.startswith("__")}
    bases = [_describe_class(base, within) for base in kind.__bases__]
    return {"class": name, "parts": describe(own, within), "bases": bases}


def _describe_callable(function: Any, within: tuple[int, ...]) -> Any:
    """The code of a function, and what it uses besides its arguments, in functions
    inside of it, too.
    """
    function = inspect.unwrap(function)
    if isinstance(function, types.MethodType):
        return {"function": describe(function.__func__, within), "of": describe(function.__self__, within)}
    if not isinstance(function, types.FunctionType):
        attributes = describe(getattr(function, "__dict__", {}), within)
        return {"class": _describe_class(type(function), within), "attributes": attributes}
    name, uses = f"{function.__module__}.{function.__qualname__}", dict(inspect.getclosurevars(function).nonlocals)
    if not _is_of_others(function):
        codes = list(_codes(function.__code__))
        name = f"{name} {_checksum(repr([_plain(code) for code in codes]).encode())}"
        uses = {key: function.__globals__[key] for code in codes for key in code.co_names if key in function.__globals__} | uses
        uses |= {"defaults": function.__defaults__, "keywords": function.__kwdefaults__}
    uses = {key: describe(part, within) for key, part in uses.items() if part is not None and not inspect.ismodule(part)}
    return {"function": name, "uses": uses}


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code, and those of the functions inside of it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from _codes(part)


def _plain(code: types.CodeType) -> tuple[Any, ...]:
    """The work of a code, wherever it stands: not its source, which two functions of
    one line share, and some have none.
    """
    constants = [part for part in code.co_consts if not isinstance(part, types.CodeType)]
    plain = [sorted(map(repr, part)) if isinstance(part, frozenset) else repr(part) for part in constants]
    return code.co_code, code.co_names, plain


def _is_of_others(value: Any) -> bool:
    module = value.__module__ or ""
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return module.split(".")[0] in _OTHERS or not _LIBRARIES.isdisjoint(pathlib.Path(file).parts)


def _checksum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def difference(ours: Any, theirs: Any, path: str = "", *, where: str = "store") -> list[str]:
    """Where two descriptions differ, one line each."""
    if _holds_parts(ours) and _holds_parts(theirs) and len(ours) == len(theirs):
        ours, theirs = (dict(enumerate(parts)) for parts in (ours, theirs))
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names = dict.fromkeys((*ours, *theirs))
        lines = (difference(ours.get(name), theirs.get(name), f"{path}.{name}" if path else name, where=where) for name in names)
        return [line for part in lines for line in part]
    return [] if ours == theirs else [f"{path}: {ours!r} now, {theirs!r} in the {where}"]


def _holds_parts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)
