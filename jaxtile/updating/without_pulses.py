"""Updates without pulses: the products themselves are added."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._linalg import product
from .._random import Source, arange, stream
from .._types import Key, Scalar
from .._vectors import UnitVectors
from ..device import Vector
from ..tile import Chip, Now, TileConfig
from .batch import before

__all__ = ["without_pulses"]


def without_pulses(
    config: TileConfig, chip: Chip, now: Now, x: Any, d: Float[Array, "k out"], learning_rate: Scalar, key: Key
) -> Now:
    """Add `-learning_rate d^T x`: at once, or one vector after another where devices
    clip.
    """
    device, batch, x = config.built_device, d.shape[0], x.dense(d.dtype) if isinstance(x, UnitVectors) else x
    if device.bounds() is None:
        return now.replace(state=device.add(chip.cells, now.state, -learning_rate * product(d.T, x)))

    def add(now: Now, numbered: tuple[Array, Array, Array]) -> tuple[Now, None]:
        v, x, d = numbered
        vector = Vector(x, d, learning_rate, batch, config.pulse)
        now, vector = before(config, chip, now, vector, stream(key, v), config.crosspoint.routines)
        if vector is None:
            return now, None
        noise = chip.draws(stream(key, v, Source.CYCLE))
        change = -vector.learning_rate * jnp.outer(vector.d, vector.x)
        return now.replace(state=device.add(chip.cells, now.state, change, noise=noise)), None

    return jax.lax.scan(add, now, (arange(batch), x, d))[0]
