"""Choppers: signs of lines that turn now and then, and what the algorithms with them
share.
"""

import dataclasses
from typing import Any, ClassVar, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._numerics import divisor
from .._random import uniform
from .._types import Key, Scalar, Weights
from ..device import Vector
from ..fields import Number, flag, number
from ..pulse import AbstractTrainPulse
from .base import AbstractTransfer, pulses
from .buffered_transfer import single_pulse, whole_steps
from .carrying import Lines

__all__ = ["AbstractChoppedTransfer", "Choppers", "signs", "turns_by_chance"]

Memory = TypeVar("Memory", bound="Choppers")


class Choppers(eqx.Module):
    """The memory of an algorithm with choppers.

    Attributes:
        buffer: what was read, summed up, in steps.
        lines: which lines of the array have the other sign.
        across: which cells of each line have it.
        passes: over all lines.
        largest_x, largest_d: running averages of the largest entries of vectors.
        fast_rate: learning rate of the first array, at the last vector.
    """

    buffer: Float[Array, "line across"]
    lines: Bool[Array, " line"]
    across: Bool[Array, " across"]
    passes: Int[Array, ""]
    largest_x: Scalar
    largest_d: Scalar
    fast_rate: Scalar

    @classmethod
    def start(cls, shape: tuple[int, int]) -> "Choppers":
        """Nothing read, and no sign turned."""
        lines, across = (jnp.zeros(size, bool) for size in shape)
        zero = jnp.zeros((), float)
        return cls(jnp.zeros(shape, float), lines, across, jnp.asarray(0, jnp.int32), zero, zero, zero)


def signs(turned: Bool[Array, "*n"]) -> Float[Array, "*n"]:
    """-1 where a sign is turned, else 1."""
    return jnp.where(turned, -1.0, 1.0)


def turns_by_chance(key: Key, probability: Scalar) -> Bool[Array, ""]:
    """True if a sign turns that is drawn."""
    return uniform(key, jnp.asarray(0, jnp.int32)) < probability.astype(jnp.float32)


class AbstractChoppedTransfer(AbstractTransfer):
    """Two arrays, with a digital buffer between them. The sign with which the lines of
    vectors reach the first one turns now and then, and is undone once they are read.

    What the first array makes of its own, such as the way to its symmetry point, has no
    such sign, and averages out. It sums up vectors at

        fast_lr                                                      or, with `auto_scale`,
        fast_lr desired_bl granularity / (largest x largest d)       so that the largest pair gets fast_lr desired_bl pulses

    where the largest entries are running averages. What is read of line i adds to the
    buffer

        scale = transfer_lr learning_rate / step of the buffer
        step of the buffer = buffer_granularity granularity [auto_granularity / (lines transfer_every)]

    and of a buffer beyond 1 the second array gets whole steps. Each cell that is read
    costs two digital operations; a sign costs none. With `gamma` above 0 the
    first array is read with its signs undone.

    Attributes:
        transfer_every: see `AbstractTransfer`; negative: |transfer_every| states of the
            first array / lines.
        in_chop_prob: chance of a line to turn its sign once it was read.
        in_chop_random: draw it; otherwise lines turn together, after every 1 /
            in_chop_prob passes over all of them, and at least 2.
        buffer_granularity: step of the buffer, in steps of the first array; 0: 1.
        auto_granularity: vectors that fill a step of the buffer, as above; 0: the
            factor is left out.
        step: size of what is written, in steps of the second array.
        momentum: what writing leaves of the buffer.
        forget_buffer: whether writing forgets what exceeds `desired_bl`; otherwise the
            buffer loses 1 - momentum for each step that is written.
        no_buffer: forget what does not reach a step.
        auto_scale: scale the first learning rate as above.
        auto_momentum: of the running averages of the largest entries, a batch.
        correct_gradient_magnitudes: divide the scale by the learning rate of the first
            array, and count buffer steps in steps of the second.
    """

    self_transfers: ClassVar[bool] = False
    operations_per_cell: ClassVar[int] = 2

    units_in_mbatch: bool = flag(False)
    transfer_every: Number = number(1.0, units="vectors")
    scale_fast_lr: bool = flag(False)
    transfer_update: AbstractTrainPulse = pulses(single_pulse)
    in_chop_prob: Number = number(0.1, low=0.0, high=1.0)
    in_chop_random: bool = flag(True)
    buffer_granularity: Number = number(1.0, low=0.0)
    auto_granularity: Number = number(0.0, low=0.0)
    step: Number = number(1.0, low=0.0)
    momentum: Number = number(0.0, low=0.0, high=1.0)
    forget_buffer: bool = flag(True)
    no_buffer: bool = flag(False)
    auto_scale: bool = flag(False)
    auto_momentum: Number = number(0.99, low=0.0, high=1.0)
    correct_gradient_magnitudes: bool = flag(False)

    def __check_init__(self) -> None:
        name, n = type(self).__name__, len(self.devices)
        if n != 2:
            raise ValueError(f"{name}.devices holds {n} devices; pass two, the fast one and the slow one.")
        if self.n_reads_per_transfer != 1 or self.random_selection or self.with_reset_prob is not None:
            raise ValueError(
                f"{name} reads one line a transfer, in order, and resets none: leave n_reads_per_transfer=1, "
                "random_selection=False and with_reset_prob=None."
            )

    def weight(self, state: Any) -> Weights:
        fast, slow = (part.weight(one) for part, one in zip(self.parts, state.devices, strict=True))
        of_fast, of_slow = (jnp.asarray(gamma)[..., None, None] for gamma in self.gammas)
        return of_fast * self.chop(state.memory) * fast + of_slow * slow

    def chop(self, memory: Choppers) -> Weights:
        """The sign of each cell of the first array."""
        rows, columns = self._by_word(memory)
        return signs(rows)[..., :, None] * signs(columns)[..., None, :]

    def send(self, memory: Choppers, vector: Vector) -> tuple[Choppers, Vector]:
        rate = self.fast_rate(vector.learning_rate)
        if self.auto_scale:
            x, d = (jnp.where(vector.learning_rate > 0, jnp.max(jnp.abs(v)), 0) for v in (vector.x, vector.d))
            largest = self._average(memory.largest_x, x, vector.batch), self._average(memory.largest_d, d, vector.batch)
            memory = dataclasses.replace(memory, largest_x=largest[0], largest_d=largest[1])
            assert isinstance(vector.pulse, AbstractTrainPulse)
            pulses = rate * vector.pulse.desired_bl * self.parts[0].granularity() / divisor(largest[0] * largest[1])
            rate = jnp.where(self.fast_lr > 0, pulses, rate)
        rows, columns = self._by_word(memory)
        sent = dataclasses.replace(vector, x=vector.x * signs(columns), d=vector.d * signs(rows), learning_rate=rate)
        return dataclasses.replace(memory, fast_rate=rate), sent

    def every(self, k: int, shape: tuple[int, int], batch: int) -> Int[Array, ""]:
        low, high = self.parts[k].bounds()
        states = (high - low) / self.parts[k].granularity()
        filled = jnp.maximum(jnp.floor(states / shape[0] * -self.transfer_every + 0.5), 1).astype(jnp.int32)
        asked = self.transfer_every if self.transfer_every_vec is None else self.transfer_every_vec[k]
        return jnp.where(self.transfer_every < 0, filled, self.in_vectors(asked, batch))

    def scale(self, memory: Choppers, lines: Lines) -> Scalar:
        """The number of steps that a line adds to the buffer, relative to what was read."""
        fast, slow = (part.granularity() for part in self.parts)
        step = jnp.where(self.buffer_granularity > 0, self.buffer_granularity, 1) * fast
        vectors = lines.shape[0] * jnp.abs(self.transfer_every)
        step = step * jnp.where(self.auto_granularity > 0, self.auto_granularity / divisor(vectors), 1)
        if self.correct_gradient_magnitudes:
            step = step * slow / fast * divisor(memory.fast_rate)
        return self.gradient_rate(lines) / step

    def fill(
        self, memory: Choppers, numbers: Int[Array, " n"], values: Float[Array, "n across"], scale: Scalar
    ) -> tuple[Float[Array, "n across"], Float[Array, "n across"]]:
        """Steps that the buffer writes once it is filled with the values of some lines,
        signs undone, and what it keeps.
        """
        chop = signs(memory.lines[numbers])[:, None] * signs(memory.across)[None, :]
        before = jnp.zeros_like(values) if self.no_buffer else memory.buffer[numbers]
        most = self.transfer_update.desired_bl
        return whole_steps(before + chop * values * scale, 1.0, most, self.momentum, forget=self.forget_buffer)

    def period(self) -> Int[Array, ""]:
        """Passes between two regular turns of a sign."""
        return jnp.clip(jnp.ceil(1 / divisor(self.in_chop_prob)), 2, 2**30).astype(jnp.int32)

    def ends_period(self, memory: Choppers) -> Bool[Array, ""]:
        """True if signs turn in this pass, where they do so regularly."""
        period = self.period()
        return (self.in_chop_prob > 0) & (memory.passes % period + 1 == period)

    def having_read(self, memory: Memory, lines: Lines, left: Float[Array, "n across"], turns: Bool[Array, ""]) -> Memory:
        """The memory once a line was read, with what its buffer keeps, and its sign
        turned or not.
        """
        i = lines.numbers
        return dataclasses.replace(
            memory,
            buffer=memory.buffer.at[i].set(left),
            lines=memory.lines.at[i].set(memory.lines[i] ^ turns),
            passes=memory.passes + jnp.sum(i == lines.shape[0] - 1, dtype=jnp.int32),
        )

    def _by_word(self, memory: Choppers) -> tuple[Bool[Array, "*tiles out"], Bool[Array, "*tiles in"]]:
        """Turned signs of d, and of x."""
        return (memory.across, memory.lines) if self.transfer_columns else (memory.lines, memory.across)

    def _average(self, mean: Scalar, value: Scalar, batch: int) -> Scalar:
        """The running average once a largest entry has come; zeros leave it as it is."""
        share = (1 - self.auto_momentum) / batch
        return jnp.where(mean <= 0, value, jnp.where(value <= 0, mean, (1 - share) * mean + share * value))
