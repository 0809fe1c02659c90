"""Coincidences of the trains of many vectors, summed."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num, UInt32

from .base import SLOTS_PER_WORD, Trains

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
    return sum_one_by_one(Trains.moves, lines)


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
