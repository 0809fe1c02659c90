"""Array aliases, and the fields that configuration classes are made of.

A physical number is a leaf: it can be traced, vmapped and differentiated. What changes shapes or code paths is static.
Every field states its domain beside its default, and `Checked` refuses a value outside it by name.
"""

import contextlib
import dataclasses
import math
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, PRNGKeyArray

__all__ = [
    "Checked",
    "Interval",
    "Key",
    "Scalar",
    "Weight",
    "check_number",
    "choice",
    "finite_array",
    "flag",
    "is_concrete",
    "is_whole",
    "number",
    "optional",
    "plain",
    "real_array",
    "scalar",
    "whole",
]

Scalar = Float[Array, ""]
Weight = Float[Array, "out in"]
Key = PRNGKeyArray


def is_concrete(value: Any) -> bool:
    """Whether the values of an array can be looked at (under a trace only its shape and type can)."""
    return not isinstance(value, jax.core.Tracer)


def scalar(value: Any) -> Any:
    """Turn a Python number, a NumPy or a JAX scalar (or a tracer) into a strongly typed floating JAX scalar.

    A number that is known stays known under a trace, so that it can be checked there too. What cannot be converted is returned as
    it came, so that `Checked` can refuse it by the name of its field.
    """
    if isinstance(value, bool | str | bytes):  # NumPy would take them for numbers
        return value
    try:
        with _while_known(value):
            return jnp.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return value


def real_array(value: Any, dtype: Any, name: str) -> Array:
    """An array of real numbers; one that is known stays known under a trace, so that its values can be checked there too.

    Raises:
        TypeError: it holds something else.
    """
    try:
        with _while_known(value):
            array = jnp.asarray(value)
            if jnp.issubdtype(array.dtype, jnp.complexfloating):
                raise TypeError("complex numbers")
            return array.astype(dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name}={value!r:.80} is not an array of real numbers ({error}).") from None


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
    """The numbers that a field accepts; `open` excludes the lower end, `whole` all fractions."""

    low: float
    high: float
    open: bool
    whole: bool = False

    def __contains__(self, value: float) -> bool:
        inside = (value > self.low if self.open else value >= self.low) and value <= self.high
        return inside and (not self.whole or math.isinf(value) or value.is_integer())

    def __str__(self) -> str:
        number = "a whole number" if self.whole else "a number"
        if math.isinf(self.low):
            return number if math.isinf(self.high) else f"{number} of at most {self.high:g}"
        lower = f"{number} above {self.low:g}" if self.open else f"{number} of at least {self.low:g}"
        return lower if math.isinf(self.high) else f"{lower} and at most {self.high:g}"


def check_number(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open: bool = False,
    whole: bool = False,
    finite: bool = True,
) -> None:
    """Refuse, by name, what is not one (`whole`) number of the interval from `low` to `high` (without `low` if `open`).

    Raises:
        TypeError: `value` is not a number.
        ValueError: it is an array of several numbers, or, when its value can be seen, outside the interval.
    """
    interval = Interval(low, high, open, whole)
    if not eqx.is_array(value) or not jnp.issubdtype(value.dtype, jnp.number):
        raise TypeError(f"{name}={value!r} is not a number; pass {interval}.")
    if value.ndim != 0:
        raise ValueError(
            f"{name} has shape {value.shape}; pass {interval}. To sweep over several values, build the object "
            "inside a function of one value and `jax.vmap` that function."
        )
    if is_concrete(value) and (float(value) not in interval or (finite and math.isinf(float(value)))):
        raise ValueError(f"{name}={float(value):g} is out of range; pass {interval}.")


def number(
    default: float | None,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open: bool = False,
    whole: bool = False,
    finite: bool = True,
    units: str = "1",
) -> Any:
    """A physical (`whole`) number, kept as an array leaf, inside the interval from `low` to `high` (without `low` if `open`).

    A default of None is for the class to replace when it is built, or for a datasheet to say. `units` label the number where it
    is swept.
    """

    def check(name: str, value: Any) -> None:
        if value is not None or default is not None:
            check_number(name, value, low=low, high=high, open=open, whole=whole, finite=finite)

    def convert(value: Any) -> Any:
        return None if value is None else scalar(value)

    domain = Interval(low, high, open, whole)
    return eqx.field(default=default, converter=convert, metadata={"check": check, "domain": domain, "units": units})


def optional(default: float | None = None, *, low: float = -math.inf, high: float = math.inf, open: bool = False) -> Any:
    """A physical number of a stage that may be absent: None leaves the stage out of the program; 0 does not."""

    def check(name: str, value: Any) -> None:
        if value is not None:
            check_number(name, value, low=low, high=high, open=open)

    def convert(value: Any) -> Any:
        return None if value is None else scalar(value)

    return eqx.field(default=default, converter=convert, metadata={"check": check, "domain": Interval(low, high, open)})


def whole(default: int, *, low: int) -> Any:
    """A static whole number of at least `low`: it sets a shape."""

    def check(name: str, value: Any) -> None:
        if not is_whole(value, low):
            raise ValueError(f"{name}={value!r} must be a whole number of at least {low}; it sets a shape, so it cannot be traced.")

    return eqx.field(default=default, static=True, converter=plain, metadata={"check": check})


def plain(value: Any) -> Any:
    """A NumPy integer as a Python one; anything else as it came."""
    return int(value) if isinstance(value, np.integer) else value


def is_whole(value: Any, low: int) -> bool:
    """Whether it is a Python or NumPy whole number of at least `low`."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= low


def flag(default: bool, /) -> Any:
    """A static switch between two code paths."""

    def check(name: str, value: Any) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"{name}={value!r} must be True or False.")

    return eqx.field(default=default, static=True, metadata={"check": check})


def choice(*options: str | None) -> Any:
    """A static name out of `options`; the first is the default."""

    def check(name: str, value: Any) -> None:
        if value not in options:
            raise ValueError(f"{name}={value!r} is unknown; choose one of {', '.join(map(repr, options))}.")

    return eqx.field(default=options[0], static=True, metadata={"check": check})


def function(value: Any) -> Any:
    """A function as a pytree: its numbers are leaves if it is a module, and it is static if it is a plain one."""
    return value if value is None or isinstance(value, eqx.Module) or not callable(value) else Partial(value)


class Checked(eqx.Module):
    """A module whose fields are checked, by name, when it is built."""

    def __check_init__(self) -> None:
        for field in dataclasses.fields(self):
            if "check" in field.metadata:
                field.metadata["check"](f"{type(self).__name__}.{field.name}", getattr(self, field.name))

    def __repr__(self) -> str:
        """The class and what differs from its defaults."""
        shown = (f"{f.name}={_short(getattr(self, f.name))}" for f in dataclasses.fields(self) if _is_changed(self, f))
        return f"{type(self).__name__}({', '.join(shown)})"


def _is_changed(module: eqx.Module, field: dataclasses.Field) -> bool:
    value, default = getattr(module, field.name), field.default
    if field.default_factory is not dataclasses.MISSING:
        return repr(value) != repr(field.default_factory())
    if default is dataclasses.MISSING:
        return True
    if default is None:
        return value is not None
    if eqx.is_array(value):
        same_shape = value.shape == np.shape(default)
        return not (is_concrete(value) and same_shape and np.allclose(np.asarray(value), default, rtol=1e-6, atol=0))
    return value is not default and value != default


def _short(value: Any) -> str:
    if eqx.is_array(value):
        return f"{float(value):g}" if is_concrete(value) and value.ndim == 0 else f"{value.dtype}{list(value.shape)}"
    return repr(value)
