"""Loops, their histories and progress bars. The only module that knows
`equinox.internal`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

__all__ = ["any_lane", "ended", "iterate", "one_by_one", "progress_meter"]

Carry = TypeVar("Carry")


def iterate(cond: Callable[[Carry], Bool[Array, ""]], body: Callable[[Carry], Carry], init: Carry, *, max_steps: int) -> Carry:
    """A while loop of at most `max_steps` steps that can be differentiated in reverse,
    with checkpoints.

    Leaves of the carry that are not arrays are left as they are.
    """
    arrays, rest = eqx.partition(init, eqx.is_array)

    def array_body(arrays):
        return eqx.filter(body(eqx.combine(arrays, rest)), eqx.is_array)

    arrays = eqxi.while_loop(
        lambda arrays: cond(eqx.combine(arrays, rest)), array_body, arrays, max_steps=max_steps, kind="checkpointed"
    )
    return eqx.combine(arrays, rest)


def one_by_one(function: Callable[..., Any], *args: Any) -> Any:
    """A function mapped over the leading axes of its arguments, one after another: the
    results of `equinox.filter_vmap`, to rounding, in the memory of one.

    An argument that is returned as it is takes no memory of its own.
    """
    arrays, rest = eqx.partition(args, eqx.is_array)
    static: list[Any] = []

    def body(arrays: Any) -> Any:
        result, other = eqx.partition(function(*eqx.combine(arrays, rest)), eqx.is_array)
        static.append(other)
        return result

    return eqx.combine(jax.lax.map(body, arrays), static[-1])


def ended(histories: dict[str, Float[Array, " entry"]], made: Int[Array, ""]) -> dict[str, Float[Array, " entry"]]:
    """Histories of which so many entries were made; the others are NaN.

    Only where a loop has ended: on the way they are zero, because `jax_debug_nans` takes
    a NaN for a mistake, also in what a gradient keeps.
    """
    whole = {}
    for name, values in histories.items():
        whole[name] = jnp.where(jnp.arange(values.size, dtype=jnp.int32) < made, values, jnp.nan)
    return whole


def any_lane(condition: Bool[Array, ""]) -> Bool[Array, ""]:
    """True if a condition holds in any lane of the enclosing `vmap`s: a predicate that
    keeps `lax.cond` a branch.
    """
    return eqxi.unvmap_any(condition)


def largest_lane(number: Int[Array, ""]) -> Int[Array, ""]:
    """The largest of a number in the lanes of the enclosing `vmap`s: a bound that keeps
    a loop the same for all.
    """
    return eqxi.unvmap_max(number)


def progress_meter(max_steps: int, *, show: bool) -> eqxi.AbstractProgressMeter:
    """A progress bar (of the slowest lane, under `vmap`) that moves about fifty times,
    or one that shows nothing.
    """
    return eqxi.TqdmProgressMeter(refresh_steps=max(1, max_steps // 50)) if show else eqxi.NoProgressMeter()
