"""The contract of a pulse type, and the pulses that it sends.

A pulse type turns one pair of vectors (x, d) into what the lines of the crossbar send:
`Trains` of bits slot by slot, or `Counts` where slots have no order. It knows no device
but the size of one pulse, the granularity. What it sends is a value, which the tile
executes: trains drawn elsewhere can be executed just as well.
"""

import abc
import dataclasses
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, UInt32

from .._numerics import divide
from .._random import arange, as_key, uniform
from .._types import AnyArray, Key, Real, Scalar, as_number, finite_array, number_array
from ..fields import Checked, Number, flag, number, whole

__all__ = ["AbstractLines", "AbstractPulse", "AbstractTrainPulse", "Coded", "Counts", "Trains", "on_grid"]

SLOTS_PER_WORD = 32
_IN_A_BYTE = 128  # lines whose pulses in one slot a byte counts: of whole words, bits would take four times the memory


class AbstractLines(eqx.Module):
    """Pulses that the lines send for one pair of vectors.

    A cell is moved down where the signs of its lines agree and up where they differ
    (`update` subtracts).

    Attributes:
        x_sign, d_sign: signs of the *values*; a line of value zero belongs to no sign.
        length: number of slots in use.
        n_slots: the largest number of slots that can be in use.
    """

    x_sign: Int[Array, " in"]
    d_sign: Int[Array, " out"]
    length: Num[Array, ""]
    n_slots: int = eqx.field(static=True)

    @abc.abstractmethod
    def line_counts(self) -> tuple[Num[Array, " out"], Num[Array, " in"]]:
        """Pulses sent by each row and by each column."""

    @abc.abstractmethod
    def coincidences(self) -> Num[Array, "out in"]:
        """Slots in which both lines of a cell pulse."""

    def total(self) -> Scalar:
        """All pulses that the cells get, in sum."""
        return jnp.sum(jnp.where(self.directions() != 0, self.coincidences(), 0).astype(float))

    def moves(self) -> tuple[Num[Array, "out in"], Num[Array, "out in"]]:
        """Coincidences that move each cell up, and those that move it down."""
        both, direction = self.coincidences(), self.directions()
        return jnp.where(direction < 0, both, 0), jnp.where(direction > 0, both, 0)

    def directions(self) -> Int[Array, "out in"]:
        """+1 where coincidences move a cell down, -1 where they move it up, 0 where a
        line has value zero.
        """
        return self.d_sign[:, None] * self.x_sign[None, :]


class Trains(AbstractLines):
    """Pulse trains, 32 slots of a line in each word.

    Attributes:
        x_words, d_words: bit t % 32 of word t // 32 is set if the line pulses in slot
            t.
    """

    x_words: UInt32[Array, "in word"]
    d_words: UInt32[Array, "out word"]

    @classmethod
    def from_bits(
        cls, x_bits: Bool[Array, "in slot"], d_bits: Bool[Array, "out slot"], x_sign: Num[Array, " in"], d_sign: Num[Array, " out"]
    ) -> "Trains":
        """Pack trains that are given bit by bit."""
        n_slots = x_bits.shape[-1]
        return cls(_signs(x_sign), _signs(d_sign), jnp.asarray(n_slots, jnp.int32), n_slots, _pack(x_bits), _pack(d_bits))

    def line_counts(self) -> tuple[Int[Array, " out"], Int[Array, " in"]]:
        return _count(self.d_words), _count(self.x_words)

    def coincidences(self) -> Int[Array, "out in"]:
        d_words, x_words = self.d_words, self.x_words
        total = jnp.zeros((d_words.shape[0], x_words.shape[0]), jnp.int32)
        for word in range(x_words.shape[1]):  # a word at a time: [out, in, word] is never formed
            total += jax.lax.population_count(d_words[:, word, None] & x_words[None, :, word]).astype(jnp.int32)
        return total

    def total(self) -> Scalar:
        """All pulses that the cells get: slot by slot, rows that pulse times columns
        that do, without a pass over the cells.
        """

        def pulsing(words: UInt32[Array, "line word"], sign: Int[Array, " line"]) -> Float[Array, "word slot"]:
            place = jnp.arange(SLOTS_PER_WORD, dtype=jnp.uint32)
            driven = jnp.pad(jnp.where(sign[:, None] != 0, words, 0), ((0, -words.shape[0] % _IN_A_BYTE), (0, 0)))
            on = ((driven[:, :, None] >> place[None, None, :]) & 1).astype(jnp.uint8)
            part = jnp.sum(on.reshape(-1, _IN_A_BYTE, *on.shape[1:]), axis=1, dtype=jnp.uint8)
            return jnp.sum(part, axis=0, dtype=jnp.int32).astype(float)

        return jnp.sum(pulsing(self.d_words, self.d_sign) * pulsing(self.x_words, self.x_sign))

    def rows(self, numbers: Int[Array, " row"]) -> "Trains":
        """The same columns with some of the rows."""
        return dataclasses.replace(self, d_sign=self.d_sign[numbers], d_words=self.d_words[numbers])

    def slot(self, t: Int[Array, ""]) -> tuple[Bool[Array, " out"], Bool[Array, " in"]]:
        """True for each row, and for each column, that pulses in slot t."""
        word, bit = t // SLOTS_PER_WORD, jnp.asarray(t % SLOTS_PER_WORD, jnp.uint32)
        return ((self.d_words[:, word] >> bit) & 1).astype(bool), ((self.x_words[:, word] >> bit) & 1).astype(bool)


class Counts(AbstractLines):
    """Numbers of pulses without an order of slots: whole (rounded) or fractional
    (expected).
    """

    x_count: Num[Array, " in"]
    d_count: Num[Array, " out"]
    coincidence: Num[Array, "out in"]

    @classmethod
    def whole(cls, x_sign, d_sign, length, n_slots, x_count, d_count, coincidence) -> "Counts":
        """Counts that are already rounded, kept as integers."""
        length, *counts = (count.astype(jnp.int32) for count in (length, x_count, d_count, coincidence))
        return cls(x_sign, d_sign, length, n_slots, *counts)

    def line_counts(self) -> tuple[Num[Array, " out"], Num[Array, " in"]]:
        return self.d_count, self.x_count

    def coincidences(self) -> Num[Array, "out in"]:
        return self.coincidence


def _pack(train: Bool[Array, "line slot"]) -> UInt32[Array, "line word"]:
    short = -train.shape[-1] % SLOTS_PER_WORD
    slots = jnp.pad(train, ((0, 0), (0, short))).reshape(train.shape[0], -1, SLOTS_PER_WORD).astype(jnp.uint32)
    place = jnp.arange(SLOTS_PER_WORD, dtype=jnp.uint32)[None, None, :]
    return jnp.sum(slots << place, axis=-1, dtype=jnp.uint32)


def _count(words: UInt32[Array, "line word"]) -> Int[Array, " line"]:
    return jnp.sum(jax.lax.population_count(words).astype(jnp.int32), axis=-1, dtype=jnp.int32)


class AbstractPulse(Checked):
    """A pulse type.

    Class attributes:
        sends_pulses: False for the types that add the outer product itself.
        uses_device: False for the type that takes the devices as ideal.
        mean_field: True if what is sent are expected counts, without cycle noise.
        random_coincidences: True if how often two lines coincide is drawn, and varies
            about as much as it is large.
    """

    sends_pulses: ClassVar[bool] = True
    uses_device: ClassVar[bool] = True
    mean_field: ClassVar[bool] = False
    random_coincidences: ClassVar[bool] = False


class Coded(NamedTuple):
    """The entries of x or of d, coded for the lines that carry them."""

    p: Float[Array, " line"]  # scaled magnitude: the probability of a pulse in a slot, above 1 where the line saturates
    sign: Int[Array, " line"]
    number: Int[Array, " line"]  # which line of the tile: its draws depend on it


class AbstractTrainPulse(AbstractPulse):
    """A pulse type that codes |x| and |d| into pulses, with aihwkit's management of the
    train length and the two scales.

    With granularity g, learning rate lr, largest entries x_m and d_m of this pair of
    vectors (d_m times `um_grad_scale`):

        k  = lr x_m d_m / g                        pulses that the strongest pair needs
        BL = min(ceil(k), desired_bl)              with update_bl_management, else desired_bl
        A  = B = sqrt(lr / (g BL))                 |d| is coded as A |d|, |x| as B |x|
        A *= sqrt(x_m / d_m),  B *= sqrt(d_m / x_m)   with update_management: both lines get the same largest value

    and if k > desired_bl, d_m is multiplied by desired_bl / k before the last line, so
    that d saturates and x never does. Always g BL A B = lr: the mean update of an
    unsaturated pair is -lr d x. (Gokmen and Vlasov, Front. Neurosci. 10:333, 2016;
    aihwkit, `UpdateParameters`.) Numbers are multiplied in aihwkit's order, since ceil
    and rint of a last bit matter.

    Attributes:
        desired_bl: train length; the longest one with `update_bl_management`.
        update_bl_management: shorten the train to what the pair of vectors needs
            (implies `update_management`).
        update_management: balance the scales of x and d.
        um_grad_scale: factor on d_m; below 1 lets d saturate earlier.
    """

    desired_bl: int = whole(31, low=1, high=2**17)  # words of a train are added up one by one in the program
    update_bl_management: bool = flag(True)
    update_management: bool = flag(True)
    um_grad_scale: Number = number(1.0, low=0.0, open=True)

    @abc.abstractmethod
    def send(self, x: Coded, d: Coded, length: Scalar, key: Key) -> AbstractLines:
        """The pulses of the lines, in a train of `length` slots (0: nothing)."""

    def encode(
        self,
        x: Num[AnyArray, " in"],
        d: Num[AnyArray, " out"],
        *,
        learning_rate: Real,
        granularity: Real,
        key: Key,
        columns: Int[AnyArray, " in"] | None = None,
    ) -> AbstractLines:
        """The pulses of the lines for one pair of vectors.

        Args:
            x: finite numbers, for the columns.
            d: finite numbers, for the rows.
            learning_rate: not negative.
            granularity: size of a step that the trains are planned with.
            key: of the trains.
            columns: numbers of the lines of the tile that carry x; None: all, in turn.

        Raises:
            TypeError, ValueError: an argument is something else.
        """
        x, d = finite_array(x, float, "x"), finite_array(d, float, "d")
        if x.ndim != 1 or d.ndim != 1:
            raise ValueError(f"x has shape {x.shape} and d has shape {d.shape}; pass one pair of vectors, [in] and [out].")
        lines = arange(x.shape[0]) if columns is None else number_array(columns, "columns")
        if lines.shape != x.shape or not jnp.issubdtype(lines.dtype, jnp.integer):
            raise ValueError(f"columns={columns!r:.80} are not {x.shape[0]} whole numbers, one for each entry of x.")
        rate = as_number("learning_rate", learning_rate, low=0.0).astype(x.dtype)
        step = as_number("granularity", granularity, low=0.0, open=True).astype(x.dtype)
        return self.lines(x, d, learning_rate=rate, granularity=step, key=as_key(key), columns=lines)

    def lines(
        self,
        x: Float[Array, " in"],
        d: Float[Array, " out"],
        *,
        learning_rate: Scalar,
        granularity: Scalar,
        key: Key,
        columns: Int[Array, " in"],
    ) -> AbstractLines:
        """The same, of arguments that were checked."""
        length, d_scale, x_scale = self.scales(x, d, learning_rate, granularity)
        x_coded = Coded(jnp.abs(x) * x_scale, _signs(x), columns)
        d_coded = Coded(jnp.abs(d) * d_scale, _signs(d), arange(d.shape[0]))
        return self.send(x_coded, d_coded, length, key)

    def scales(
        self, x: Float[Array, " in"], d: Float[Array, " out"], learning_rate: Scalar, granularity: Scalar
    ) -> tuple[Scalar, Scalar, Scalar]:
        """Train length BL and the scales A (of |d|) and B (of |x|); all zero where
        there is nothing to send.
        """
        desired = jnp.asarray(self.desired_bl, x.dtype)
        largest = _largest if self.mean_field else jnp.max
        x_max, d_max = largest(jnp.abs(x)), largest(jnp.abs(d)) * self.um_grad_scale
        silent = (x_max == 0) | (d_max == 0) | (learning_rate == 0)
        x_max, d_max, rate = jnp.where(silent, 1, jnp.stack([x_max, d_max, learning_rate]))
        k = divide(rate * x_max * d_max, granularity)  # in lanes, too, where the granularity is one number for all
        needed = jnp.maximum(k, 1) if self.mean_field else jnp.ceil(k)
        length = jnp.minimum(needed, desired) if self.update_bl_management else desired
        tiny = jnp.finfo(x.dtype).tiny
        reduced = jnp.where(k > desired, d_max * (desired / k), d_max)
        # Beyond single precision the same in closed form: x at its largest, and d saturates.
        beyond = (k > desired) & (jnp.isinf(k) | (reduced < tiny))
        reduced = jnp.where(beyond, 1, reduced)
        root, more, less = _root(jnp.stack([rate, x_max, reduced]), jnp.stack([granularity * length, reduced, x_max]))
        d_scale = x_scale = root
        if self.update_management or self.update_bl_management:
            d_scale = jnp.where(beyond, root * x_max * root, root * more)
            x_scale = jnp.where(beyond, jnp.maximum(1 / jnp.where(beyond, x_max, 1), tiny), root * less)
        d_scale, x_scale = jnp.minimum(jnp.stack([d_scale, x_scale]), jnp.finfo(x.dtype).max)  # inf times zero is no zero
        length, d_scale, x_scale = jnp.where(silent, 0, jnp.stack([length, d_scale, x_scale]))
        return length, d_scale, x_scale


def _root(above: Float[Array, " n"], below: Float[Array, " n"]) -> Float[Array, " n"]:
    """sqrt(above / below), also where the quotient over- or underflows."""
    quotient = above / below
    fits = (quotient >= jnp.finfo(quotient.dtype).tiny) & ~jnp.isinf(quotient)
    return jnp.where(fits, jnp.sqrt(jnp.where(fits, quotient, 1)), jnp.sqrt(above) / jnp.sqrt(below))


def _largest(values: Float[Array, " line"]) -> Scalar:
    """The largest value, by its place.

    The derivative of a maximum looks for the entries that are equal to it. It finds
    none (0 / 0) where XLA computes them anew with another last bit.
    """
    return values[jnp.argmax(values)]


def _signs(values: Num[Array, " line"]) -> Int[Array, " line"]:
    return jnp.sign(values).astype(jnp.int8)


def on_grid(line: Coded, res: Scalar, round_key: Key | None) -> Float[Array, " line"]:
    """Probabilities rounded to multiples of `res` (0: left as they are): to even, or at
    random in proportion if a key is given.
    """
    step = jnp.where(res > 0, res, 1)
    shift = 0 if round_key is None else (uniform(round_key, line.number) - 0.5).astype(line.p.dtype)
    return jnp.where(res > 0, jnp.rint(divide(line.p, step) + shift) * step, line.p)
