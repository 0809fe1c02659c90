"""Random draws as counters: a draw is a pure function of (key, count, index).

Keys are JAX's and fold by threefry, so streams are as far apart as JAX's own. Within a
stream, word i is a hash of i under the two words k0, k1 of the key: two rounds of a
32-bit mixing permutation with a word of the key before each,

    mix(mix(i + k0) ^ k1)

with the permutation `lowbias32` (C. Wellons, "Prospecting for hash functions", 2018). A
count (of pulses in a burst) changes both words of the key by a hash of itself. This is
integer arithmetic that XLA fuses with whatever consumes the numbers. On a CPU that
makes it many times faster than `jax.random`. A draw does not depend on the shape it is
part of: the number of cell 7 is the same whether one asks for cell 7 alone, for a
column or for the whole tile. docs/records/random_numbers.md has what it was tested for.

Draws are made in single precision and cast, so a run with 64-bit numbers sees the same
randomness.
"""

import enum
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, UInt32

from ._types import Key, Keys

__all__ = ["Draws", "Source", "arange", "as_key", "bits", "cell_index", "following", "fraction", "normal", "stream", "uniform"]


class Source(enum.IntEnum):
    """The use of a random number. Each source is a stream of its own, so that switching
    one changes no other.
    """

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
    TRANSFER = 34
    TRANSFER_LINE = 35
    TRANSFER_READ = 36
    CHOP = 37
    # reading
    OUTPUT_NOISE = 32
    MEASUREMENT = 33
    # fabrication again
    DRIFT_EXPONENT = 40
    OUTPUT_NOISE_SPREAD = 41
    VOLTAGE_OFFSET = 42
    OUTPUT_NONLINEARITY = 43
    READ_ASYMMETRY = 44
    # reading again
    INPUT_NOISE = 45
    INPUT_ROUND = 46
    OUTPUT_ROUND = 47
    WEIGHT_NOISE = 48
    # training
    MODIFY = 49
    MODIFY_ROUND = 50
    DROP = 51
    MODIFY_RESET = 52
    MODIFY_DRIFT = 53
    MODIFY_READ = 54
    BACKWARD_READ = 55
    MODIFIER = 56
    UPKEEP = 57
    # statistical devices
    PROGRAMMING_NOISE = 64
    DRIFT_COEFFICIENT = 65
    READ_NOISE = 66
    RELAXATION = 67
    # half-selection: fabrication, writing
    RATIO = 80
    CHANCE = 81


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


def stream(key: Keys, *tags: int | Array) -> Keys:
    """The key of a source, a step or a vector: `fold_in` of each tag in turn; an array
    of keys gives as many.
    """
    for tag in tags:
        key = _fold_in(key, tag)
    return key


def _fold_in(key: Keys, tag: int | Array) -> Keys:
    """JAX's `fold_in`, with the rounds of its own generator written out. On a CPU it makes
    them in a loop: a step of training in one pass takes a tenth longer by that.
    """
    if jr.key_impl(key) == "threefry2x32":
        return jr.wrap_key_data(_threefry(jr.key_data(key), jnp.asarray(tag, jnp.uint32)), impl="threefry2x32")
    fold_in = jr.fold_in
    for _ in range(key.ndim):
        fold_in = jax.vmap(fold_in, in_axes=(0, None))
    return fold_in(key, tag)


_TURNS = ((13, 15, 26, 6), (17, 29, 16, 24))


@jax.jit
def _threefry(key: UInt32[Array, "*keys 2"], tag: UInt32[Array, ""]) -> UInt32[Array, "*keys 2"]:
    """Threefry 2x32 of a number, 20 rounds (Salmon et al., SC 2011)."""
    k0, k1 = key[..., 0], key[..., 1]
    keys = (k0, k1, k0 ^ k1 ^ jnp.uint32(0x1BD11BDA))
    x0, x1 = k0, k1 + tag
    for group in range(5):
        for turn in _TURNS[group % 2]:
            x0 = x0 + x1
            x1 = x0 ^ ((x1 << turn) | (x1 >> (32 - turn)))
        x0, x1 = x0 + keys[(group + 1) % 3], x1 + keys[(group + 2) % 3] + jnp.uint32(group + 1)
    # otherwise XLA makes a key once more in each of its uses
    return jax.lax.optimization_barrier(jnp.stack([x0, x1], axis=-1))


arange = partial(jnp.arange, dtype=jnp.int32)
"""0, 1, 2, ...: of lines, slots or vectors, in 32 bits also where JAX defaults to 64."""


def cell_index(rows: int | Int[Array, " row"], columns: Int[Array, " column"], width: int) -> Int[Array, "row column"]:
    """Row-major number of each cell in an array of the given width, for so many rows or
    the given ones, and the given columns.
    """
    rows = arange(rows) if isinstance(rows, int) else rows
    return rows[:, None] * width + columns.astype(jnp.int32)[None, :]


def _mix(word: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    word = (word ^ (word >> 16)) * jnp.uint32(0x7FEB352D)
    word = (word ^ (word >> 15)) * jnp.uint32(0x846CA68B)
    return word ^ (word >> 16)


def bits(key: Keys, index: Int[Array, "*shape"], count: int | Array = 0) -> UInt32[Array, "*shape"]:
    """Word number `index` of the stream `key`; an array of keys broadcasts against
    `index`.
    """
    words = jr.key_data(key)
    k0, k1 = words[..., 0], words[..., 1]
    if isinstance(count, Array) or count:  # 0 turns nothing
        turn = _mix(jnp.asarray(count, jnp.uint32))  # scattered: under keys that differ by a little, streams are shifted copies
        k0, k1 = k0 ^ turn, k1 + turn * jnp.uint32(0x9E3779B9)
    return _mix(_mix(index.astype(jnp.uint32) + k0) ^ k1)


def following(start: UInt32[Array, "*shape"], stride: UInt32[Array, "*shape"], n: int | Array) -> UInt32[Array, "*shape"]:
    """Word n of a series that two random words make, mix(start + n stride): many words
    for one index, at half of what `bits` costs.

    The stride makes neighbouring words independent whatever the permutation does.
    SplitMix has a constant one in its place (Steele, Lea and Flood, OOPSLA 2014). With
    that, one round of this permutation fails the tests of their bytes.
    """
    return _mix(start + jnp.asarray(n, jnp.uint32) * stride)


def uniform(key: Keys, index: Int[Array, "*shape"], count: int | Array = 0) -> Float[Array, "*shape"]:
    """Uniform in [0, 1), with a resolution of 2^-23."""
    return fraction(bits(key, index, count))


def fraction(word: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
    """A random word as a number in [0, 1)."""
    return jax.lax.bitcast_convert_type((word >> 9) | jnp.uint32(0x3F800000), jnp.float32) - jnp.float32(1)


def normal(key: Keys, index: Int[Array, "*shape"], count: int | Array = 0) -> Float[Array, "*shape"]:
    """Standard normal, by the inverse of the distribution function: of 2^24 equal
    steps, so at most 5.42.

    With s uniform in (-1, 1), z = s P(-log2(1 - s^2)): a polynomial without branches,
    within 2e-4 of the true inverse up to 3 sigma and 1.5e-3 beyond. Over all 2^24
    values the variance is 1 + 1e-7, the excess kurtosis -5e-6, and the distribution
    function nowhere off by more than 3e-5.
    """
    steps = jax.lax.bitcast_convert_type(bits(key, index, count), jnp.int32) >> 8
    s = (steps.astype(jnp.float32) + jnp.float32(0.5)) * jnp.float32(2.0**-23)
    return s * _polynomial(_INVERSE, -_log2((1 - s) * (1 + s)))


# Fitted by least squares reweighted towards the least maximum (Lawson), the inverse
# with the weight exp(-z^2 / 8) + 0.03.
_LOG2 = (0.44191704, -0.2671794, 0.14842664, -0.04514904)
_INVERSE = (1.2537824, 0.225580852, 0.00981249353, -0.00196032583, 1.35457555e-4, -4.66509717e-6, 7.34835121e-8, -3.28610401e-10)


def _log2(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The logarithm of a positive normal number, to 1.6e-5: exact at powers of two,
    between them a polynomial in the mantissa.
    """
    word = jax.lax.bitcast_convert_type(x, jnp.int32)
    exponent = ((word >> 23) - 127).astype(jnp.float32)
    f = jax.lax.bitcast_convert_type((word & 0x7FFFFF) | 0x3F800000, jnp.float32) - 1
    return exponent + f + f * (1 - f) * _polynomial(_LOG2, f)


def _polynomial(coefficients: tuple[float, ...], x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    total = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


class Draws(eqx.Module):
    """The normals of a set of cells: `index` says which cells, `key` which stream (it
    may differ from column to column).
    """

    key: Keys
    index: Int[Array, "*shape"]

    def normal(self, dtype: DTypeLike, count: int | Array = 0) -> Float[Array, "*shape"]:
        """One normal for every cell; `count` tells one pulse of a burst from the next."""
        return normal(self.key, self.index, count).astype(dtype)

    def uniform(self, dtype: DTypeLike, count: int | Array = 0) -> Float[Array, "*shape"]:
        """One number in [0, 1) for every cell; `count` tells one trial from the next."""
        return uniform(self.key, self.index, count).astype(dtype)

    def fold(self, tag: int | Array) -> "Draws":
        """The same cells in the stream of `tag`."""
        return Draws(stream(self.key, tag), self.index)
