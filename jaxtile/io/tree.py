"""Anything as plain data and named arrays, and back.

Plain data is what JSON holds: None, truth values, numbers and texts as they are, and
all else as {kind: data}. A kind is a row of the table `KINDS`.
"""

import dataclasses
import enum
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np

from .._safetensors import NATIVE
from .._types import is_concrete
from .names import class_named, function_named, name_of_class, name_of_function

__all__ = ["Reader", "Writer"]


class Writer:
    """Takes things apart.

    Attributes:
        arrays: the arrays so far, by their paths.
    """

    def __init__(self):
        self.arrays: dict[str, np.ndarray] = {}
        self._places: dict[int, tuple[Any, Any]] = {}  # by identity; the array beside it keeps that taken

    def __call__(self, value: Any, at: str) -> Any:
        """The plain data of a value.

        Args:
            value: the value.
            at: its path.

        Raises:
            TypeError: it cannot be saved; the message names its path.
        """
        if value is None or type(value) in (bool, int, float, str):
            return value
        for name, kind in KINDS.items():
            if kind.takes(value):
                return {name: kind.write(self, value, at)}
        raise TypeError(f"{at or 'the value'} is {value!r:.80}, which a file cannot hold: {_remedy(value)}.")

    def array(self, array: Any, at: str) -> Any:
        """Keep an array, once; its path, and its type where the format has none."""
        if not is_concrete(array):
            raise TypeError(f"{at or 'the value'} is traced: save outside of jax.jit, jax.vmap and jax.grad.")
        if id(array) not in self._places:
            held = np.asarray(jr.key_data(array) if _is_key(array) else array)
            if not held.dtype.isnative:
                held = held.astype(held.dtype.newbyteorder("="))
            name, data = at.removeprefix("."), held
            if held.dtype.name in NATIVE:
                place: Any = name
            else:
                place, data = [name, held.dtype.name, list(held.shape)], np.frombuffer(held.tobytes(), np.uint8)
            self.arrays[name] = data
            self._places[id(array)] = array, place
        return self._places[id(array)][1]

    def each(self, values: Sequence[Any], at: str) -> list[Any]:
        """The plain data of values one after another."""
        return [self(value, f"{at}[{n}]") for n, value in enumerate(values)]


class Reader:
    """Puts things together.

    Attributes:
        arrays: the arrays by their paths.
        classes: classes of the user that may be named.
    """

    def __init__(self, arrays: dict[str, np.ndarray], classes: Sequence[type]):
        self.arrays, self.classes = arrays, classes
        self._made: dict[str, Any] = {}

    def __call__(self, data: Any) -> Any:
        """The value of plain data.

        Raises:
            ValueError: it names what it may not, or does not fit this version.
        """
        if not isinstance(data, dict):
            return data
        ((name, inner),) = data.items()
        return KINDS[name].read(self, inner)

    def array(self, place: Any, make: Callable[[np.ndarray], Any]) -> Any:
        """The array of a path, made once."""
        name, *how = (place,) if isinstance(place, str) else tuple(place)
        if name not in self._made:
            array = self.arrays[name]
            if how:
                if any(n < 0 for n in how[1]):  # which would stand for whatever fits
                    raise ValueError(f"it has an array of the shape {how[1]}.")
                array = np.frombuffer(array.tobytes(), jnp.dtype(how[0])).reshape(how[1])
            self._made[name] = make(array)
        return self._made[name]

    def each(self, data: Sequence[Any]) -> list[Any]:
        """The values of plain data."""
        return [self(one) for one in data]


class Kind(NamedTuple):
    """How one kind of value is taken apart and put together.

    Attributes:
        takes: says of a value whether it is of this kind.
        write: the plain data of a value at a path.
        read: the value of plain data.
    """

    takes: Callable[[Any], bool]
    write: Callable[[Writer, Any, str], Any]
    read: Callable[[Reader, Any], Any]


def _is_key(value: Any) -> bool:
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def _as_jax(array: np.ndarray) -> jax.Array:
    if jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype:
        raise ValueError(
            f"it holds an array of {array.dtype}, and JAX runs in single precision here: jax.config.update('jax_enable_x64', True) "
            "before it is loaded."
        )
    return jnp.array(array)


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in kinds


def _fields(kind: type) -> tuple[str, ...] | None:
    """Names of what an object of a class holds; None: nobody knows."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    if kind is eqx.nn.State:
        return ("_state",)
    return getattr(kind, "_fields", None) if issubclass(kind, tuple) else None


def _write_object(writer: Writer, value: Any, at: str) -> Any:
    names = _fields(type(value)) or ()
    return [name_of_class(type(value)), {name: writer(getattr(value, name), f"{at}.{name}") for name in names}]


def _read_object(reader: Reader, data: Any) -> Any:
    name, parts = data
    kind = class_named(name, reader.classes)
    fields = _fields(kind)
    if fields is None:
        raise ValueError(f"it names {name}, which is no class of fields.")
    if set(fields) != set(parts):
        raise ValueError(f"it holds {name} with the fields {', '.join(parts)}; here the class has {', '.join(fields)}.")
    values = {field: reader(parts[field]) for field in fields}
    # No constructor runs: it would convert, check and draw what is as it should be.
    if issubclass(kind, tuple):
        return tuple.__new__(kind, values.values())
    made = object.__new__(kind)
    for field, value in values.items():
        object.__setattr__(made, field, value)
    return made


def _write_enum(writer: Writer, value: Any, at: str) -> Any:
    return [name_of_class(type(value)), value.name]


def _read_enum(reader: Reader, data: Any) -> Any:
    kind = class_named(data[0], reader.classes)
    if not issubclass(kind, enum.Enum):
        raise ValueError(f"it names {data[0]}, which is no enumeration.")
    return kind.__members__[data[1]]


def _partial(make: type[functools.partial]) -> Kind:
    def write(writer: Writer, value: Any, at: str) -> Any:
        return [writer(value.func, f"{at}.func"), writer.each(value.args, at), writer(dict(value.keywords), at)]

    def read(reader: Reader, data: Any) -> Any:
        return make(reader(data[0]), *reader.each(data[1]), **reader(data[2]))

    return Kind(_is(make), write, read)


def _write_dict(writer: Writer, value: dict[Any, Any], at: str) -> Any:
    return [[writer(key, at), writer(part, f"{at}[{key!r}]")] for key, part in value.items()]


# In this order: the first that takes a value is its kind.
KINDS = {
    "key": Kind(
        _is_key,
        lambda writer, value, at: [str(jr.key_impl(value)), writer.array(value, at)],
        lambda reader, data: reader.array(data[1], lambda words: jr.wrap_key_data(jnp.array(words), impl=data[0])),
    ),
    "array": Kind(
        lambda value: isinstance(value, jax.Array),
        lambda writer, value, at: writer.array(value, at),
        lambda reader, data: reader.array(data, _as_jax),
    ),
    "numpy": Kind(
        lambda value: type(value) is np.ndarray and not value.dtype.hasobject and value.dtype.kind not in "USMm",
        lambda writer, value, at: writer.array(value, at),
        lambda reader, data: reader.array(data, np.array),
    ),
    "scalar": Kind(
        lambda value: isinstance(value, np.generic) and value.dtype.kind not in "USMmO",
        lambda writer, value, at: writer.array(value, at),
        lambda reader, data: reader.array(data, lambda array: array[()]),
    ),
    "tuple": Kind(_is(tuple), lambda writer, value, at: writer.each(value, at), lambda reader, data: tuple(reader.each(data))),
    "list": Kind(_is(list), lambda writer, value, at: writer.each(value, at), lambda reader, data: reader.each(data)),
    "dict": Kind(_is(dict), _write_dict, lambda reader, data: {reader(key): reader(part) for key, part in data}),
    "complex": Kind(
        _is(complex), lambda writer, value, at: [value.real, value.imag], lambda reader, data: complex(data[0], data[1])
    ),
    "dtype": Kind(
        lambda value: isinstance(value, np.dtype), lambda writer, value, at: value.name, lambda reader, data: jnp.dtype(data)
    ),
    "enum": Kind(lambda value: isinstance(value, enum.Enum), _write_enum, _read_enum),
    "partial": _partial(functools.partial),
    "Partial": _partial(jtu.Partial),
    "function": Kind(
        lambda value: name_of_function(value) is not None,
        lambda writer, value, at: name_of_function(value),
        lambda reader, data: function_named(data),
    ),
    "class": Kind(
        lambda value: isinstance(value, type),
        lambda writer, value, at: name_of_class(value),
        lambda reader, data: class_named(data, reader.classes),
    ),
    "object": Kind(lambda value: _fields(type(value)) is not None, _write_object, _read_object),
}


def _remedy(value: Any) -> str:
    if callable(value):
        return (
            "of functions it holds those of arrays in jax.nn, jax.numpy and jax.lax, by name. Make a module of it, an "
            "equinox.Module with __call__, which is saved as its fields"
        )
    return "it holds numbers, texts, arrays, keys, tuples, lists, dicts, types, enumerations, and objects with fields"
