"""Order of the pairs."""

import jax.numpy as jnp

from .._numerics import unit_of
from .._types import Scalar, Weight
from .._vectors import UnitVectors
from ..datasheet import Datasheet
from .base import AbstractCompensation, D, X

__all__ = ["SmallestFirst"]


class SmallestFirst(AbstractCompensation):
    """Send the pairs of a proposal in ascending order of their size |d| |x|, and leave
    them as they are.

    Half pulses pull a cell back in proportion to its weight, and small pairs send few.
    So what is written first stands through all that follows: `SVD` proposes the largest
    component first and exposes it to every later one; sent last, it is met by nothing.
    For an open loop, where nobody corrects that, the order is what helps most
    (`SVD(refresh=False, triplets=n)` with all n in one update; docs/records/compensation.md has
    figures). To a closed loop it does not matter. It is the order within an update: one
    pair alone has none.
    """

    def check(self, sheet: Datasheet) -> None:
        pass

    def __call__(self, x: X, d: D, sheet: Datasheet, weight: Weight, learning_rate: Scalar) -> tuple[X, D]:
        square = jnp.sum((d / unit_of(d)) ** 2, axis=1)
        if isinstance(x, UnitVectors):
            order = jnp.argsort(square)
            return UnitVectors(x.columns[order], x.width), d[order]
        order = jnp.argsort(square * jnp.sum((x / unit_of(x)) ** 2, axis=1))
        return x[order], d[order]
