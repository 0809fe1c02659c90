"""A loop over time whose layers hand out the pairs of every step."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

__all__ = ["THREADED", "scan"]

THREADED = "scan_of_layers"
"""Name of the program in which a loop over time is run, which tells it from others."""


def scan(f: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any = None, length: int | None = None, **options: Any) -> Any:
    """Loop over time as `jax.lax.scan` does, with layers in `f`.

    A layer that is called in each of T steps hands out the pairs of all T steps, in the
    order of the calls. In a plain `jax.lax.scan` it is refused.

    Args:
        f: one step, `(carry, x) -> (carry, y)`.
        init: the carry before the first step.
        xs: what each step gets, along the first axis.
        length: number of steps, where `xs` does not say.
        **options: of `jax.lax.scan`.
    """

    def scan_of_layers(init: Any, xs: Any) -> Any:
        return jax.lax.scan(f, init, xs, length, **options)

    assert scan_of_layers.__name__ == THREADED
    return eqx.filter_jit(scan_of_layers)(init, xs)
