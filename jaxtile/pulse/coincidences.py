"""Coincidences of the trains of many vectors, summed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num, UInt32

from .._loop import largest_lane
from .base import SLOTS_PER_WORD, Trains

__all__ = ["Sums", "sum_of_trains", "sum_one_by_one"]

Moves = tuple[Num[Array, "out in"], Num[Array, "out in"]]

_HALF = 16  # bits of a word


class Sums(eqx.Module):
    """Coincidences that move each cell up, and those that move it down, of many
    vectors.

    Attributes:
        words: those up in the lower half of a word and those down in the upper one, so
            that half as much memory is gone through; or, where a half is too short, two
            arrays.
        n_slots: the slots of all vectors; no cell has more moves. (Static.)
    """

    words: tuple[Num[Array, "out in"], ...]
    n_slots: int = eqx.field(static=True)

    def moves(self) -> tuple[Float[Array, "out in"], Float[Array, "out in"]]:
        """Those up and those down: as real numbers, since a cell may get both, which
        are mixed evenly.
        """
        up, down = self._halves()
        return up.astype(float), down.astype(float)

    def of_rows(self) -> Int[Array, " out"]:
        """The number of moves in each row, in both directions."""
        up, down = self._halves()
        return jnp.sum(up + down, axis=1, dtype=jnp.int32)

    def rows(self, numbers: Int[Array, " row"]) -> "Sums":
        """Those of some rows."""
        return Sums(tuple(words[numbers] for words in self.words), self.n_slots)

    def _halves(self) -> Moves:
        if len(self.words) == 2:
            return self.words
        (word,) = self.words
        return (word & ((1 << _HALF) - 1)).astype(jnp.int32), (word >> _HALF).astype(jnp.int32)


def sum_of_trains(lines: Trains) -> Sums:
    """The coincidences of vectors [k, ...].

    A processor counts the bits that two words share, an accelerator multiplies matrices
    of bits: what is faster there.
    """
    k = lines.d_words.shape[0]
    if k * lines.n_slots >= 1 << _HALF:
        return Sums(sum_one_by_one(Trains.moves, lines), k * lines.n_slots)
    word = jax.lax.platform_dependent(lines, cpu=_by_words, default=_by_products)
    return Sums((word,), k * lines.n_slots)


def sum_one_by_one(moves: Callable[[Any], Moves], vectors: Any) -> Moves:
    """The moves of all vectors, added up one after another."""

    def add(total: Moves, vector: Any) -> tuple[Moves, None]:
        return jax.tree.map(jnp.add, total, moves(vector)), None

    first = jax.tree.map(lambda leaf: leaf[0], vectors)
    nothing = jax.tree.map(lambda moved: jnp.zeros(moved.shape, moved.dtype), jax.eval_shape(moves, first))
    return jax.lax.scan(add, nothing, vectors)[0]


def _by_words(lines: Trains) -> UInt32[Array, "out in"]:
    """By words that hold a train of one vector, or a slot of 32 vectors: whichever are
    fewer.
    """
    k, _, words = lines.d_words.shape
    longest = largest_lane(jnp.max(lines.length))
    fewer = longest * -(-k // SLOTS_PER_WORD) < k * words
    return jax.lax.cond(fewer, partial(_by_slots, longest=longest), _by_vectors, lines)


def _share(up: Num[Array, "out in"], down: Num[Array, "out in"]) -> UInt32[Array, "out in"]:
    """Moves up in the lower half of a word, moves down in the upper one."""
    return up.astype(jnp.uint32) | (down.astype(jnp.uint32) << _HALF)


def _by_vectors(lines: Trains) -> UInt32[Array, "out in"]:
    nothing = jnp.zeros((lines.d_sign.shape[1], lines.x_sign.shape[1]), jnp.uint32)
    return jax.lax.scan(lambda moves, vector: (moves + _share(*vector.moves()), None), nothing, lines)[0]


def _by_slots(lines: Trains, *, longest: Int[Array, ""]) -> UInt32[Array, "out in"]:
    """Slot by slot: bit v of a word is set where the line pulses for vector v."""
    k = lines.d_sign.shape[0]
    together = min(k, SLOTS_PER_WORD)
    groups = -(-k // together)
    place = jnp.arange(together, dtype=jnp.uint32)[None, :, None]

    def grouped(words: UInt32[Array, "k line word"]) -> UInt32[Array, "group together line word"]:
        none = ((0, groups * together - k), (0, 0), (0, 0))
        return jnp.pad(words, none).reshape(groups, together, *words.shape[1:])

    def pack(bits: UInt32[Array, "group together line"]) -> UInt32[Array, "group line"]:
        return jnp.sum(bits << place, axis=1, dtype=jnp.uint32)

    signs = (lines.d_sign, lines.x_sign)
    minus = [pack(grouped((sign < 0).astype(jnp.uint32)[..., None])[..., 0]) for sign in signs]
    trains = [grouped(jnp.where(sign[..., None] != 0, w, 0)) for sign, w in zip(signs, (lines.d_words, lines.x_words), strict=True)]

    def moved(n: Int[Array, ""] | int) -> UInt32[Array, "out in"]:
        t, group = jnp.asarray(n // groups, jnp.int32), n % groups
        word, bit = t // SLOTS_PER_WORD, (t % SLOTS_PER_WORD).astype(jnp.uint32)
        d, x = (pack((words[group, ..., word] >> bit)[None] & 1)[0] for words in trains)
        # Signs of this slot alone: those of all slots XLA would write out for each cell first.
        d_minus, x_minus = d & minus[0][group], x & minus[1][group]
        both = d[:, None] & x[None, :]
        up = both & (d_minus[:, None] ^ x_minus[None, :])
        return _share(jax.lax.population_count(up), jax.lax.population_count(both ^ up))

    return jax.lax.fori_loop(1, longest * groups, lambda n, moves: moves + moved(n), moved(0))


def _by_products(lines: Trains) -> UInt32[Array, "out in"]:
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
    return _share((total - signed) / 2, (total + signed) / 2)
