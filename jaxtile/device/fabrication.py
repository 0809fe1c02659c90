"""Numbers that differ from device to device."""

import zlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._random import Source, arange, cell_index, normal, stream, uniform
from .._types import Key, Scalar, Weight

__all__ = ["chance", "folded_pair", "spread"]


def folded_pair(gain: Weight, imbalance: Weight, up_down: Scalar, *, fold: bool) -> tuple[Weight, Weight]:
    """Relative sizes up and down from what they share and what tells them apart;
    `up_down` shrinks one side only.
    """
    up = jnp.minimum(up_down, 0) + gain + imbalance
    down = -jnp.maximum(up_down, 0) + gain - imbalance
    return (jnp.abs(up), jnp.abs(down)) if fold else (up, down)


def spread(shape: tuple[int, int], key: Key | None, source: Source | str) -> Float[Array, "out in"]:
    """A standard normal for every device, for a parameter that differs from one to the
    next.

        width = width_mean + width_dtod * spread(shape, key, "width")

    Args:
        shape: of the devices, [out, in].
        key: of the fabrication, as `fabricate` gets it; None: zeros, for nominal
            devices.
        source: a name of your own for the parameter. Each name is a stream of its own,
            so that another parameter changes no other.
    """
    tag = zlib.crc32(source.encode()) | 1 << 31 if isinstance(source, str) else source  # apart from the numbers of `Source`
    return _draw(normal, shape, key, tag)


def chance(shape: tuple[int, int], key: Key | None, source: Source) -> Float[Array, "out in"]:
    """A number in [0, 1) for every device; zeros without a key."""
    return _draw(uniform, shape, key, source)


def _draw(
    law: Callable[[Key, Int[Array, "out in"]], Float[Array, "out in"]], shape: tuple[int, int], key: Key | None, tag: int
) -> Float[Array, "out in"]:
    if key is None:
        return jnp.zeros(shape, float)
    rows, width = shape
    drawn = law(stream(key, tag), cell_index(rows, arange(width), width)).astype(jnp.asarray(0.0, float).dtype)
    return jax.lax.optimization_barrier(drawn)  # otherwise XLA draws anew for each use, and compiles each
