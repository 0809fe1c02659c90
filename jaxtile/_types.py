"""Array aliases, and how values that users pass become arrays."""

import contextlib
import dataclasses
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num, PRNGKeyArray, Shaped

__all__ = [
    "AnyArray",
    "Interval",
    "Key",
    "Keys",
    "Real",
    "Scalar",
    "Weight",
    "Weights",
    "as_number",
    "as_shape",
    "finite_array",
    "is_concrete",
    "is_whole",
    "number_array",
    "real_array",
    "real_matrix",
    "takes_reals",
]

Scalar = Float[Array, ""]
AnyArray = Array | np.ndarray
Real = Num[Array, ""] | Num[np.ndarray, ""] | np.number | float | int  # given by a user, before it becomes a Scalar
Weight = Float[Array, "out in"]
Weights = Float[Array, "*tiles out in"]  # of one tile, or of tiles that vmap returned
Key = PRNGKeyArray
Keys = Shaped[Array, "..."]  # one, or one for each lane or column


def is_concrete(value: Any) -> bool:
    """True if the values of an array can be looked at (under a trace only its shape and
    type can).
    """
    return not isinstance(value, jax.core.Tracer)


def _scalar(value: Any) -> Any:
    """Turn a Python number, a NumPy or a JAX scalar (or a tracer) into a strongly typed
    floating JAX scalar.

    A number that is known stays known under a trace, so that it can be checked there
    too. None of what is no real number, so that `Interval.take` can refuse it by name.
    """
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    # NumPy would take truth values, texts and dates for numbers, and the real part of complex ones.
    if isinstance(value, bool | str | bytes | complex | np.ma.MaskedArray) or kind in {*"bcmMOSU"}:
        return None
    try:
        with _while_known(value), np.errstate(over="ignore"):  # what is too large is refused as infinity
            return jnp.asarray(value, dtype=float)
    except OverflowError:  # a whole number of Python, which has no end
        return jnp.asarray(math.inf if value > 0 else -math.inf, dtype=float)
    except (RuntimeError, TypeError, ValueError):  # torch refuses gradients by a RuntimeError
        return None


def real_array(value: Any, dtype: Any, name: str) -> Array:
    """An array of real numbers: the one gate of what users pass. One that is known stays
    known under a trace, so that its values can be checked there too.

    Integers, booleans and any precision become `dtype`; None: the array's own, where
    that is single or double precision, and else that of the run.

    Raises:
        TypeError: it holds something else.
    """
    try:
        with _while_known(value):
            array = value if isinstance(value, jax.Array) else jnp.asarray(_foreign(value, dtype))
            if jnp.issubdtype(array.dtype, jnp.complexfloating):
                raise TypeError("complex numbers: pass the real part")
            if dtype is None:
                dtype = array.dtype if array.dtype in (jnp.float32, jnp.float64) else float
            return array.astype(dtype)
    except (OverflowError, RuntimeError, TypeError, ValueError) as error:  # torch refuses gradients by a RuntimeError
        raise TypeError(f"{name}={value!r:.80} is not an array of real numbers ({error}); pass an array of floats.") from None


def _foreign(value: Any, dtype: Any) -> Any:
    """Arrays of NumPy and of those that speak its protocol, in a type that JAX knows;
    else the value.
    """
    if any(isinstance(leaf, np.ma.MaskedArray) for leaf in jax.tree.leaves(value)):
        raise TypeError("it is masked: fill it first, as by .filled(0.0)")
    array = np.asarray(value) if hasattr(value, "__array__") else value
    known = isinstance(array, np.ndarray) and array.dtype.kind in "biuf"
    return array.astype(jnp.result_type(float if dtype is None else dtype)) if known and array.dtype != np.float32 else array


def real_matrix(value: Any, name: str) -> Weight:
    """A `real_array` with rows and columns.

    Raises:
        TypeError: it holds something else than real numbers.
        ValueError: it has another number of dimensions, or no entries.
    """
    matrix = real_array(value, None, name)
    if matrix.ndim != 2 or matrix.size == 0:
        raise ValueError(f"{name} has shape {matrix.shape}; pass a matrix [out, in] that is not empty.")
    return matrix


def number_array(value: Any, name: str) -> Array:
    """A `real_array` in which whole numbers and booleans stay what they are: labels,
    numbers of columns, masks.

    Raises:
        TypeError: it holds something else.
        ValueError: a whole number is beyond those of the run.
    """
    array = real_array(value, None, name)
    own = value if isinstance(value, jax.Array) else np.asarray(value)
    if not (own.dtype == bool or jnp.issubdtype(own.dtype, jnp.integer)):
        return array
    most = jnp.iinfo(jnp.result_type(int)).max  # what is beyond would be counted from the other end
    if isinstance(own, np.ndarray) and own.size and not -most <= int(own.min()) <= int(own.max()) <= most:
        raise ValueError(f"{name} holds whole numbers beyond {most}; pass smaller ones, or floats.")
    return jnp.asarray(own.astype(bool if own.dtype == bool else int))


Method = TypeVar("Method", bound=Callable[..., Any])


def takes_reals(method: Method) -> Method:
    """Let a method have its first argument as a `real_array`, whatever it is given."""
    name = list(inspect.signature(method).parameters)[1]

    @functools.wraps(method)
    def gated(self: Any, *values: Any, **named: Any) -> Any:
        if values:
            return method(self, real_array(values[0], None, name), *values[1:], **named)
        return method(self, **named | {name: real_array(named.get(name), None, name)})

    return gated  # pyright: ignore[reportReturnType]


def finite_array(value: Any, dtype: Any, name: str) -> Array:
    """A `real_array` whose entries are finite.

    Raises:
        TypeError: it holds something else.
        ValueError: an entry is NaN or infinite.
    """
    array = real_array(value, dtype, name)
    # NumPy, because under a trace JAX would stage even an operation on known values.
    bad = int(np.sum(~np.isfinite(np.asarray(array)))) if is_concrete(array) else 0
    if bad:
        raise ValueError(f"{name} holds {bad} of {array.size} entries that are NaN or infinite; pass finite numbers.")
    return array


def _while_known(value: Any) -> contextlib.AbstractContextManager:
    return jax.ensure_compile_time_eval() if is_concrete(value) else contextlib.nullcontext()


@dataclasses.dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`.

    Attributes:
        low, high: the ends.
        open: leave `low` out.
        whole: leave fractions out.
        finite: leave infinity out.
        most: leave larger sizes out: no end of the interval, but of single precision.
    """

    low: float = -math.inf
    high: float = math.inf
    open: bool = False
    whole: bool = False
    finite: bool = True
    most: float = math.inf

    def __contains__(self, value: float) -> bool:
        if math.isinf(value):
            return not self.finite and self.low <= value <= self.high
        inside = (value > self.low if self.open else value >= self.low) and value <= self.high and abs(value) <= self.most
        return inside and (not self.whole or value.is_integer())

    def __str__(self) -> str:
        number = "a whole number" if self.whole else "a number"
        low, high = max(self.low, -self.most), min(self.high, self.most)
        if math.isinf(low):
            return number if math.isinf(high) else f"{number} of at most {high:g}"
        lower = f"{number} above {low:g}" if self.open else f"{number} of at least {low:g}"
        return lower if math.isinf(high) else f"{lower} and at most {high:g}"

    def take(self, name: str, value: Any) -> Scalar:
        """Return a number of the interval as a `Scalar`, and refuse anything else by
        name.

        Raises:
            TypeError: `value` is not a number.
            ValueError: it is an array of several numbers, or, when its value can be
                seen, outside the interval.
        """
        number = _scalar(value)
        if not eqx.is_array(number) or not jnp.issubdtype(number.dtype, jnp.number):
            raise TypeError(f"{name}={value!r} is not a number; pass {self}.")
        if number.ndim != 0:
            raise ValueError(
                f"{name} has shape {number.shape}; pass {self}. To sweep over several values, build the object "
                "inside a function of one value and `jax.vmap` that function."
            )
        # Programs know no number between 0 and the least normal one.
        if is_concrete(number) and (0.0 if abs(float(number)) < jnp.finfo(number.dtype).tiny else float(number)) not in self:
            raise ValueError(f"{name}={float(number):g} is out of range; pass {self}.")
        return number


def as_number(name: str, value: Any, **interval: Any) -> Scalar:
    """A number of an `Interval` as a `Scalar`; anything else is refused by name."""
    return Interval(**interval).take(name, value)


def as_shape(shape: Any) -> tuple[int, int]:
    """The shape of a matrix as Python's integers; anything else is refused.

    Raises:
        ValueError: it is no pair of whole numbers of at least 1.
    """
    if not (isinstance(shape, tuple | list) and len(shape) == 2 and all(is_whole(n, 1) for n in shape)):
        raise ValueError(f"shape={shape!r} is not that of a tile; pass a tuple (out, in) of two whole numbers of at least 1.")
    return int(shape[0]), int(shape[1])


def is_whole(value: Any, low: int) -> bool:
    """True if it is a Python or NumPy whole number of at least `low`."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= low
