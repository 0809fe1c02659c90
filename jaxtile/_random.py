"""Random draws as counters: a draw is a pure function of (key, count, index).

The generator is threefry2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), the one
that `jax.random` uses, written out as integer arithmetic. XLA fuses it with whatever consumes the numbers, which on a CPU makes
it several times faster than `jax.random`, and a draw does not depend on the shape it is part of: the number of cell 7 is the
same whether one asks for cell 7 alone, for a column or for the whole tile. At count 0 the values are those of
`jax.random.bits`, `uniform` and `normal` (a test holds them to it).

Draws are made in single precision and cast, so a run with 64-bit numbers sees the same randomness.
"""

import enum

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, UInt32

from ._types import Key

__all__ = ["Draws", "Source", "as_key", "bits", "cell_index", "normal", "numbers", "stream", "uniform"]


class Source(enum.IntEnum):
    """What a random number is for. Each source is a stream of its own, so that switching one changes no other."""

    # fabrication
    GAIN = 1
    IMBALANCE = 2
    UPPER_BOUND = 3
    LOWER_BOUND = 4
    SLOPE_UP = 5
    SLOPE_DOWN = 6
    LIFETIME = 7
    DIFFUSION = 8
    RESET_BIAS = 9
    CORRUPT = 10
    STUCK_AT = 11
    REFERENCE = 12
    EXPONENT = 13
    EXPONENT_IMBALANCE = 14
    PART = 15
    # writing
    X_TRAIN = 16
    D_TRAIN = 17
    X_ROUND = 18
    D_ROUND = 19
    CYCLE = 20
    HALF = 21
    WRITE_NOISE = 22
    CONNECT = 23
    # between updates
    DIFFUSE = 24
    RESET = 25
    RESET_CHOICE = 26
    REFRESH = 27
    REFRESH_READ = 28
    DRIFT_CYCLE = 29
    DRIFT_NOISE = 30
    # reading
    OUTPUT_NOISE = 32
    MEASUREMENT = 33
    # fabrication again
    DRIFT_EXPONENT = 40


def as_key(key: Key | Array, name: str = "key") -> Key:
    """Accept a new-style key or the raw two words of an old-style one.

    Raises:
        TypeError: it is neither.
    """
    if eqx.is_array(key):
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0:
            return key
        if key.dtype == jnp.uint32 and key.shape == (2,):
            return jr.wrap_key_data(key)
    raise TypeError(
        f"{name}={key!r} is not one random key; pass `jax.random.key(seed)` (for several runs, `jax.vmap` over split keys)."
    )


def stream(key: Key, *tags: int | Array) -> Key:
    """The key of a source, a step or a vector: `fold_in` of each tag in turn."""
    for tag in tags:
        key = jr.fold_in(key, tag)
    return key


def numbers(count: int) -> Int[Array, " {count}"]:
    """0, 1, 2, ...: of lines, slots or vectors, in 32 bits also where JAX defaults to 64."""
    return jnp.arange(count, dtype=jnp.int32)


def cell_index(rows: int, columns: Int[Array, " column"], width: int) -> Int[Array, "{rows} column"]:
    """Row-major number of each cell in an array of the given width, for all rows and the given columns."""
    return numbers(rows)[:, None] * width + columns.astype(jnp.int32)[None, :]


def _rotate(word: UInt32[Array, "..."], by: int) -> UInt32[Array, "..."]:
    return (word << by) | (word >> (32 - by))


def bits(key: Key, index: Int[Array, "*shape"], count: int | Array = 0) -> UInt32[Array, "*shape"]:
    """Word number `index` of the stream `key`; an array of keys broadcasts against `index`."""
    words = jr.key_data(key)
    k0, k1 = words[..., 0], words[..., 1]
    schedule = (k0, k1, k0 ^ k1 ^ jnp.uint32(0x1BD11BDA))
    high, low = jnp.broadcast_arrays(jnp.asarray(count, jnp.uint32), index.astype(jnp.uint32))
    high, low = high + schedule[0], low + schedule[1]
    for block in range(5):
        for rotation in ((13, 15, 26, 6), (17, 29, 16, 24))[block % 2]:
            high = high + low
            low = _rotate(low, rotation) ^ high
        high = high + schedule[(block + 1) % 3]
        low = low + schedule[(block + 2) % 3] + jnp.uint32(block + 1)
    return high ^ low


def uniform(key: Key, index: Int[Array, "*shape"], count: int | Array = 0) -> Float[Array, "*shape"]:
    """Uniform in [0, 1), with a resolution of 2^-23."""
    mantissa = (bits(key, index, count) >> 9) | jnp.uint32(0x3F800000)
    return jax.lax.bitcast_convert_type(mantissa, jnp.float32) - jnp.float32(1)


def normal(key: Key, index: Int[Array, "*shape"], count: int | Array = 0) -> Float[Array, "*shape"]:
    """Standard normal, by the inverse of the distribution function."""
    low = jnp.nextafter(jnp.float32(-1), jnp.float32(0))
    spread = jnp.maximum(low, uniform(key, index, count) * (jnp.float32(1) - low) + low)
    return jnp.float32(2**0.5) * jax.lax.erf_inv(spread)


class Draws(eqx.Module):
    """The normals of a set of cells: `index` says which cells, `key` which stream (it may differ from column to column)."""

    key: Key
    index: Int[Array, "*shape"]

    def normal(self, dtype: jnp.dtype, count: int | Array = 0) -> Float[Array, "*shape"]:
        """One normal for every cell; `count` tells one pulse of a burst from the next."""
        # Without the barrier XLA draws anew for each use, and compiles each.
        return jax.lax.optimization_barrier(normal(self.key, self.index, count).astype(dtype))

    def uniform(self, dtype: jnp.dtype) -> Float[Array, "*shape"]:
        """One number in [0, 1) for every cell."""
        return uniform(self.key, self.index).astype(dtype)

    def fold(self, tag: int | Array) -> "Draws":
        """The same cells in the stream of `tag`."""
        fold_in = jr.fold_in
        for _ in range(self.key.ndim):
            fold_in = jax.vmap(fold_in, in_axes=(0, None))
        return Draws(fold_in(self.key, tag), self.index)
