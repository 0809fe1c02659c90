"""Coincidences of the trains of many vectors, summed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, UInt32

from .._loop import largest_lane
from .base import SLOTS_PER_WORD, Trains, pack

__all__ = ["sum_of_trains", "sum_one_by_one"]

Moves = tuple[Num[Array, "out in"], Num[Array, "out in"]]


def sum_of_trains(lines: Trains) -> Moves:
    """Coincidences that move each cell up, and those that move it down, summed over
    vectors [k, ...].

    A processor counts the bits that two words share, an accelerator multiplies matrices
    of bits: what is faster there.
    """
    return jax.lax.platform_dependent(lines, cpu=_by_words, default=_by_products)


def sum_one_by_one(moves: Callable[[Any], Moves], vectors: Any) -> Moves:
    """The moves of all vectors, added up one after another."""

    def add(total: Moves, vector: Any) -> tuple[Moves, None]:
        return jax.tree.map(jnp.add, total, moves(vector)), None

    first = jax.tree.map(lambda leaf: leaf[0], vectors)
    nothing = jax.tree.map(lambda moved: jnp.zeros(moved.shape, moved.dtype), jax.eval_shape(moves, first))
    return jax.lax.scan(add, nothing, vectors)[0]


def _by_words(lines: Trains) -> Moves:
    """By words that hold a train of one vector, or a slot of 32 vectors: whichever are
    fewer.
    """
    k, _, words = lines.d_words.shape
    longest = largest_lane(jnp.max(lines.length))
    fewer = longest * -(-k // SLOTS_PER_WORD) < k * words
    return jax.lax.cond(fewer, partial(_by_slots, longest=longest), partial(sum_one_by_one, Trains.moves), lines)


def _by_slots(lines: Trains, *, longest: Int[Array, ""]) -> Moves:
    """Slot by slot: bit v of a word is set where the line pulses for vector v."""

    def words(bits: Bool[Array, "k line"]) -> UInt32[Array, "word line"]:
        return pack(bits.T).T

    signs = words(lines.d_sign < 0), words(lines.x_sign < 0)

    def slot(t: Int[Array, ""], moves: Moves) -> Moves:
        rows, columns = jax.vmap(partial(Trains.slot, t=t))(lines)
        pulses = words(rows & (lines.d_sign != 0)), words(columns & (lines.x_sign != 0))
        return jax.lax.scan(add, moves, (*pulses, *signs))[0]

    def add(moves: Moves, words: tuple[UInt32[Array, "..."], ...]) -> tuple[Moves, None]:
        d, x, d_minus, x_minus = words
        both = d[:, None] & x[None, :]
        up = both & (d_minus[:, None] ^ x_minus[None, :])
        counts = (jax.lax.population_count(way).astype(jnp.int32) for way in (up, both ^ up))
        return jax.tree.map(jnp.add, moves, tuple(counts)), None

    nothing = jnp.zeros((lines.d_sign.shape[1], lines.x_sign.shape[1]), jnp.int32)
    return jax.lax.fori_loop(0, longest, slot, (nothing, nothing))


def _by_products(lines: Trains) -> Moves:
    """With T the products of bits and S those of bits with signs: down + up = T and down
    - up = S. Bits and signs are exact in half precision, their sums in single.
    """

    def bits(words: UInt32[Array, "k line word"], sign: Int[Array, "k line"]) -> Float[Array, "slot line"]:
        """Bits of all vectors, with the signs of the lines."""
        place = jnp.arange(SLOTS_PER_WORD, dtype=jnp.uint32)
        on = ((words[..., None] >> place[None, None, None]) & 1).astype(jnp.bfloat16) * sign[..., None, None].astype(jnp.bfloat16)
        return jnp.moveaxis(on, 1, -1).reshape(-1, words.shape[1])

    d, x = bits(lines.d_words, lines.d_sign), bits(lines.x_words, lines.x_sign)
    total, signed = (jnp.matmul(d.T, x, preferred_element_type=jnp.float32) for d, x in ((jnp.abs(d), jnp.abs(x)), (d, x)))
    up, down = (total - signed) / 2, (total + signed) / 2
    return up.astype(jnp.int32), down.astype(jnp.int32)
