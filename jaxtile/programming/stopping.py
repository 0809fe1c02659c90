"""When a run ends."""

import equinox as eqx
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree

from .._numerics import divisor, unit_of
from .._types import Scalar
from .._vectors import UnitVectors
from .inputs import Inputs
from .result import RESULTS

__all__ = ["Streaks", "judge", "relative_error"]


class Streaks(eqx.Module):
    """Steps in a row with a small enough error, and without anything to send."""

    good: Int[Array, ""]
    idle: Int[Array, ""]


def relative_error(reading: PyTree[Float[Array, "..."]], wanted: PyTree[Float[Array, "..."]]) -> Scalar:
    """Mean |reading - wanted| over max |wanted|; the mean itself where only zeros are
    wanted.
    """
    (reading, _), (wanted, _) = ravel_pytree(reading), ravel_pytree(wanted)
    # In units of what is wanted, and each entry's share of the mean, nothing overflows on
    # the way: one pass over the numbers of a step.
    unit = unit_of(wanted)
    largest = divisor(jnp.max(jnp.abs(wanted)) / unit)
    return jnp.sum(jnp.abs(reading - wanted) / unit * (1 / reading.size)) / largest


def judge(
    error: Scalar,
    proposal: tuple[Inputs, Float[Array, "k out"]],
    streaks: Streaks,
    *,
    tolerance: Scalar,
    step: Int[Array, ""],
    steps_in_pass: int,
    max_steps: Int[Array, ""] | int,
) -> tuple[RESULTS, Streaks]:
    """The end of the run at this step, if it ends; a mini-batch method must be good, or
    idle, for a full pass over its inputs.
    """
    x, d = proposal
    good = jnp.where(error < tolerance, streaks.good + 1, 0)
    sends = jnp.any(d) if isinstance(x, UnitVectors) else jnp.any(x) & jnp.any(d)
    idle = jnp.where(sends, 0, streaks.idle + 1)
    result = RESULTS.running
    for holds, code in (  # the last one that holds counts
        (step >= max_steps, RESULTS.max_steps_reached),
        (idle >= steps_in_pass, RESULTS.stalled),
        (good >= steps_in_pass, RESULTS.converged),
        (~(jnp.isfinite(error) & jnp.all(jnp.isfinite(d))), RESULTS.nonfinite),
    ):
        result = RESULTS.where(holds, code, result)
    return result, Streaks(good, idle)
