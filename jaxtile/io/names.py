"""The classes and functions that a file may name.

A name is looked up among what is imported already: nothing is imported for a file, and
no attribute is asked for that code could answer.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["class_named", "function_named", "name_of_class", "name_of_function"]

LIBRARIES = ("jaxtile", "equinox", "optax")
_PLAIN = {f"builtins:{kind.__name__}": kind for kind in (bool, int, float, complex, str)}
# They open files, when a model that a stranger saved is called.
_REFUSED = ("fromfile", "load", "save", "savez", "sweep", "train")


def name_of_class(kind: type) -> str:
    """The name of a class, "module:class": of the shortest module that offers it, which
    stays when files move.
    """
    if issubclass(kind, np.generic):
        return f"numpy:{np.dtype(kind).name}"
    parts = kind.__module__.split(".")
    modules = (".".join(parts[:n]) for n in range(1, len(parts)))
    public = (module for module in modules if _within(sys.modules.get(module), kind.__qualname__) is kind)
    return f"{next(public, kind.__module__)}:{kind.__qualname__}"


def class_named(name: str, classes: Iterable[type]) -> type:
    """The class of a name.

    Args:
        name: from a file.
        classes: classes of the user, which are known by their names in any module.

    Raises:
        ValueError: it is neither of the libraries nor of the user.
    """
    module, _, qualname = name.partition(":")
    if name in _PLAIN:
        return _PLAIN[name]
    if module == "numpy":
        return jnp.dtype(qualname).type
    if module.split(".")[0] in LIBRARIES:
        kind = _within(sys.modules.get(module), qualname)
        if isinstance(kind, type) and kind.__module__.split(".")[0] in LIBRARIES:
            return kind
        raise ValueError(f"it names the class {name}, which the installed {module.split('.')[0]} does not have.")
    own = {kind.__qualname__: kind for kind in classes} | {name_of_class(kind): kind for kind in classes}
    found = own.get(name, own.get(qualname))
    if found is None:
        raise ValueError(
            f"it names the class {name}, which is none of {', '.join(LIBRARIES)}: if you trust that class, pass "
            f"classes=[{qualname}]."
        )
    return found


def _within(module: Any, qualname: str) -> Any:
    found = module
    for part in qualname.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found


def name_of_function(function: Any) -> str | None:
    """The name of a function of the table; None: it has none."""
    return _names().get(id(function))


def function_named(name: str) -> Callable[..., Any]:
    """The function of a name.

    Raises:
        ValueError: it is none that a file may name.
    """
    if name not in _functions():
        raise ValueError(f"it names the function {name!r}, which is none of the functions that a file may name.")
    return _functions()[name]


@functools.cache
def _names() -> dict[int, str]:
    return {id(function): name for name, function in reversed(_functions().items())}


@functools.cache
def _functions() -> dict[str, Callable[..., Any]]:
    """The functions that a file may name: public functions of JAX and of this library,
    and the types of `jax.numpy`.
    """
    here = sys.modules[__name__.partition(".")[0]]
    rooms = [here, *(room for name, room in inspect.getmembers(here, inspect.ismodule) if name in here.__all__ and name != "plot")]
    spaces = {"jax.nn": vars(jax.nn), "jax.numpy": vars(jnp), "jax.lax": vars(jax.lax)}
    spaces |= {room.__name__: {name: vars(room)[name] for name in room.__all__} for room in rooms}
    found = {
        f"{space}.{name}": thing
        for space, things in spaces.items()
        for name, thing in things.items()
        if callable(thing) and not name.startswith("_") and name not in _REFUSED
        if not isinstance(thing, type) or type(thing) is type(jnp.float32)
    }
    identity = inspect.signature(eqx.nn.MLP).parameters["final_activation"].default
    return {**found, "equinox.nn.MLP.final_activation": identity}
