"""One vector after another, as the hardware sends them."""

from typing import Any

import jax
from jaxtyping import Array, Float

from .._random import numbers, stream
from .._types import Key, Scalar
from ..device import Vector
from ..tile import Chip, Now, TileConfig, as_vectors
from .between import after, before
from .execution import encode, execute

__all__ = ["vector_by_vector"]


def vector_by_vector(
    config: TileConfig, chip: Chip, now: Now, x: Any, d: Float[Array, "k out"], learning_rate: Scalar, key: Key
) -> Now:
    """Send each vector, with what a routine does before and after it. Vector v draws from `fold_in(key, v)`."""
    batch, x = d.shape[0], as_vectors("x", x, chip.shape[1], d.dtype)

    def step(now: Now, numbered: tuple[Array, Array, Array]) -> tuple[Now, None]:
        v, x, d = numbered
        own_key = stream(key, v)
        now, vector = before(config, chip, now, Vector(x, d, learning_rate, batch), own_key)
        if vector is not None:
            now = execute(config, chip, now, encode(config, vector, own_key), own_key)
        return after(config, chip, now, batch, own_key), None

    return jax.lax.scan(step, now, (numbers(batch), x, d))[0]
