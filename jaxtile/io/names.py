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
# Functions of arrays, which open no file and run no code that they are given.
_ALLOWED = {
    "jax.nn": """celu elu gelu glu hard_sigmoid hard_silu hard_swish hard_tanh identity leaky_relu log_sigmoid log_softmax logsumexp
        mish one_hot relu relu6 selu sigmoid silu soft_sign softmax softplus sparse_plus sparse_sigmoid squareplus standardize swish
        tanh""",
    "jax.numpy": """abs absolute add all any arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort array
        asarray atleast_1d atleast_2d average broadcast_to cbrt ceil clip concatenate cos cosh cross
        cumprod cumsum deg2rad diag diff divide
        dot einsum equal exp exp2 expand_dims expm1 fabs flip floor floor_divide full_like greater greater_equal hypot inner
        interp isfinite isinf isnan kron less less_equal linspace log log10 log1p log2 logaddexp logical_and logical_not logical_or
        matmul matvec max maximum mean median min minimum mod moveaxis multiply nan_to_num nanmean nanmax nanmin nansum negative
        not_equal ones_like outer pad permute_dims positive power prod quantile ravel reciprocal remainder repeat reshape roll round
        sign sin sinc sinh sort split sqrt square squeeze stack std subtract sum swapaxes take tan tanh tensordot tile trace
        transpose tril triu true_divide trunc var vdot vecdot vecmat where zeros_like""",
    "jax.lax": """abs add ceil clamp concatenate cos cosh cumsum div dot dot_general erf exp expm1 floor integer_pow log log1p
        logistic max min mul neg pow reciprocal rem reshape round rsqrt select sign sin sinh sort sqrt square stop_gradient sub tan
        tanh transpose""",
    "jaxtile.nn": "accuracy cross_entropy",
}


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
    """The functions that a file may name, and the types of `jax.numpy`."""
    spaces = {"jax.nn": jax.nn, "jax.numpy": jnp, "jax.lax": jax.lax, "jaxtile.nn": sys.modules["jaxtile.nn"]}
    found = {
        f"{space}.{name}": vars(spaces[space])[name]
        for space, names in _ALLOWED.items()
        for name in names.split()
        if name in vars(spaces[space])  # older releases of JAX lack some
    }
    types = {f"jax.numpy.{name}": thing for name, thing in vars(jnp).items() if type(thing) is type(jnp.float32)}
    identity = inspect.signature(eqx.nn.MLP).parameters["final_activation"].default
    return {**found, **types, "equinox.nn.MLP.final_activation": identity}
