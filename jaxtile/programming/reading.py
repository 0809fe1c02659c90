"""Probes: the reads that a method can ask for, and reading them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._linalg import product
from .._types import Key, Weight
from .._vectors import UnitVectors
from ..tile import Tile, backward, forward, get_weights
from .inputs import Inputs, outputs

__all__ = ["Probe", "Reads", "average", "ideal_reading", "read", "vectors"]


class Reads(eqx.Module):
    """Vectors to read, in one direction or in both.

    The reading is the outputs y [k, out] of x, or e [l, in] of d; with both, the pair
    (y, e).

    Attributes:
        x: vectors to read forward, y = W x; None: none.
        d: vectors to read backward, e = W^T d; None: none.
        times: how often each is read; the reading is the mean, with 1 / times of the
            variance of the read noise.
    """

    x: Inputs | None = None
    d: Float[Array, "l out"] | None = None
    times: int = eqx.field(default=1, static=True)


Probe = Inputs | Reads | None
"""Reads that a method asks for: forward reads of vectors, `Reads`, or the weights (None)."""


def average(x: Inputs, times: int) -> Inputs | Reads:
    """Forward reads of x, so many times each."""
    return x if times == 1 else Reads(x=x, times=times)


def read(tile: Tile, probe: Probe, key: Key) -> Any:
    """Read what a method asks for, through the periphery of the tile; None: the weights
    as they are.
    """
    if probe is None:
        return get_weights(tile)
    if not isinstance(probe, Reads):
        return forward(tile, probe, key=key)
    forward_key, backward_key = jr.split(key)

    def mean(one: Any, vectors: Any, key: Key) -> Float[Array, "k line"]:
        return jnp.mean(jax.vmap(lambda key: one(tile, vectors, key=key))(jr.split(key, probe.times)), axis=0)

    y = None if probe.x is None else mean(forward, probe.x, forward_key)
    e = None if probe.d is None else mean(backward, probe.d, backward_key)
    return _of_both(y, e)


def vectors(probe: Probe, shape: tuple[int, int]) -> int:
    """Number of vectors that are read: for the weights themselves one for each column,
    as many as a chip needs to show them.
    """
    if probe is None:
        return shape[1]
    if not isinstance(probe, Reads):
        return _count(probe)
    return probe.times * sum(_count(one) for one in (probe.x, probe.d) if one is not None)


def _count(one: Inputs) -> int:
    return one.columns.shape[0] if isinstance(one, UnitVectors) else one.shape[0]


def ideal_reading(target: Weight, probe: Probe) -> Any:
    """The reading of the target itself, without noise."""
    if probe is None:
        return target
    if not isinstance(probe, Reads):
        return outputs(target, probe)
    y = None if probe.x is None else outputs(target, probe.x)
    e = None if probe.d is None else product(probe.d.astype(target.dtype), target)
    return _of_both(y, e)


def _of_both(y: Any, e: Any) -> Any:
    return y if e is None else e if y is None else (y, e)
