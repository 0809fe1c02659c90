"""Program and verify: cell by cell, with counted pulses."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._linalg import product
from .._random import arange
from .._types import Key, Scalar, Weight
from .._vectors import UnitVectors
from ..datasheet import Datasheet
from ..device import AbstractCrosspoint
from ..fields import Number, choice, flag, number, part, whole
from .base import AbstractMethod, Proposal
from .inputs import Hadamard, Inputs
from .reading import Reads, average

__all__ = ["ProgramVerify", "pulses_between"]

# d is a hair below whole pulses, so that rounding never makes a train one slot longer
# than they need.
_HAIR = 1 - 1e-6
_GAUSS = np.polynomial.legendre.leggauss(8)


class _State(eqx.Module):
    # evolving
    step: Int[Array, ""]
    left: Float[Array, "line cell"]  # pulses that an open loop has yet to send, up positive
    # known
    model: AbstractCrosspoint
    gamma: Scalar
    unit: Scalar  # the change that asks for one pulse
    shape: tuple[int, int] = eqx.field(static=True)


class ProgramVerify(AbstractMethod[_State]):
    """Read the weights out, count the pulses that each cell lacks, and send them one
    line at a time.

    The count is the inverse of the device's nominal response: with steps s_up(w) and
    s_down(w), of which gamma counts

        n = 1 / gamma  integral of dw / s_up(w) from w to t            if the target t lies above the weight w
        n = 1 / gamma  integral of dw / s_down(w) from t to w          downwards

    A pass sends the binary digits of the counts, largest first: 2^(digits - 1) pulses
    to each cell that lacks as many, ..., 2, 1. All lines that fire in a vector then
    fire in every slot of its train, so that counts are met exactly. So they are with
    stochastic trains, if these are as short as they can be (`update_bl_management`).

    In a closed loop lines are read again before each of their digits. This corrects
    what a device's own gain and half-selection did wrong. With one digit it is the
    classical scheme of single pulses, each verified. An open loop counts when it first
    reads a line, and sends that; the reads that follow serve the test of the error
    alone. Cells within half a pulse of the target are left in peace. (Program and
    verify: Milo et al., IRPS 2021; Hadamard read-out: Choi et al., arXiv 2604.12420.)

    How many lines to write between reads: with `phases="active"` the half pulses of a
    row have the polarity of its full ones. An error e that all of a row shares is then
    changed by -e (1 + batch_size / kappa) before it is seen again. Above kappa that
    overshoots by more than it corrects, and a smaller batch is better.

    A step costs a read of each line of the batch, times `reads`. With Hadamard patterns
    it is a read of all lines, whatever the batch. Besides, it costs a train of 2^digit
    slots for each line of the batch. A pass is `digits` times the number of batches.

    Attributes:
        model: a device with the nominal response of those of the tile; None: as the
            datasheet says. A unit cell takes the step of its devices at the weight of
            the whole cell.
        digits: of the largest count of a pass, 2^digits - 1. The first digit is a train
            of 2^(digits - 1) slots, and what exceeds the `desired_bl` of the tile is
            not sent: it is left to the next pass, and in an open loop for good.
        lines: "columns": a column of cells at a time, one-hot x and all rows in
            parallel, read forward; "rows": a row of cells at a time, read backward;
            "cells": the cells of a column one by one, with no other one selected.
        batch_size: how many lines a step reads and then writes: all (None), or the next
            so many, in turn.
        read_out: "eye": line by line; "hadamard": all columns on, forward, and decoded,
            with less read noise.
        closed_loop: read and count again before every digit.
        reads: how often each vector is read; the mean counts.
        learning_rate: with which proposals are executed; they hold the same pulses at
            any rate.
    """

    model: AbstractCrosspoint | None = part(
        AbstractCrosspoint, "is not a pulsed device; pass one such as jaxtile.device.SoftBounds()", optional=True
    )
    digits: int = whole(5, low=1, high=30)  # counts are whole numbers of 32 bits
    lines: Literal["columns", "rows", "cells"] = choice("columns", "rows", "cells")
    batch_size: int | None = whole(None, low=1)
    read_out: Literal["eye", "hadamard"] = choice("eye", "hadamard")
    closed_loop: bool = flag(True)
    reads: int = whole(1, low=1)
    learning_rate: Number = number(1.0, low=0.0, open=True)

    def init(self, sheet: Datasheet, target: Weight) -> _State:
        self._batch(sheet.shape)  # refuse a batch that does not fit before anything is compiled
        model = sheet.device if self.model is None else self.model
        left = jnp.zeros_like(self._by_lines(target))
        unit = (sheet.device if sheet.is_pulsed else model).granularity()
        return _State(jnp.asarray(0, jnp.int32), left, model, sheet.gamma, unit, sheet.shape)

    def probe(self, state: _State) -> Inputs | Reads:
        out, width = state.shape
        if self.read_out == "hadamard":
            return average(_patterns(width), self.reads)
        which = self._which(state)
        if self.lines == "rows":
            return Reads(d=jnp.eye(out)[which], times=self.reads)
        return average(UnitVectors(which, width), self.reads)

    def propose(self, reading: Float[Array, "read line"], target: Weight, state: _State, key: Key) -> tuple[Proposal, _State]:
        which, batches = self._which(state), self._batches(state.shape)
        weight = reading
        if self.read_out == "hadamard":
            patterns = _patterns(state.shape[1]).astype(reading.dtype)
            weight = self._by_lines(product(reading.T, patterns) / patterns.shape[0])[which]
        left = pulses_between(state.model, weight, self._by_lines(target)[which]) / state.gamma.astype(weight.dtype)
        if not self.closed_loop:
            left = jnp.where(state.step < batches, jnp.rint(left), state.left[which])
        digit = self.digits - 1 - (state.step // batches) % self.digits
        size = (1 << digit).astype(left.dtype)
        sent = jnp.where(jnp.rint(jnp.abs(left)) >= size, jnp.sign(left) * size, 0)
        after = eqx.tree_at(lambda s: (s.step, s.left), state, (state.step + 1, state.left.at[which].set(left - sent)))
        return self._one_by_one(-_HAIR * state.unit / self.learning_rate * sent, which, state.shape), after

    def steps_in_pass(self, shape: tuple[int, int]) -> int:
        return self.digits * self._batches(shape)

    def _by_lines(self, weight: Weight) -> Float[Array, "line cell"]:
        return weight if self.lines == "rows" else weight.T

    def _batch(self, shape: tuple[int, int]) -> int:
        count = shape[0] if self.lines == "rows" else shape[1]
        if self.batch_size is not None and self.batch_size > count:
            raise ValueError(
                f"ProgramVerify.batch_size={self.batch_size} exceeds the {count} lines; pass at most {count}, or None for all."
            )
        return count if self.batch_size is None else self.batch_size

    def _batches(self, shape: tuple[int, int]) -> int:
        count = shape[0] if self.lines == "rows" else shape[1]
        return -(-count // self._batch(shape))

    def _which(self, state: _State) -> Int[Array, " batch"]:
        """The lines of this step."""
        batch, count = self._batch(state.shape), state.left.shape[0]
        return ((state.step % self._batches(state.shape)) * batch + arange(batch)) % count

    def _one_by_one(self, change: Float[Array, "batch cell"], which: Int[Array, " batch"], shape: tuple[int, int]) -> Proposal:
        """Vectors whose products d^T x change these lines by so much, none of which
        selects cells of two lines.
        """
        out, width = shape
        if self.lines == "columns":
            return UnitVectors(which, width), change
        rows = jnp.eye(out, dtype=change.dtype)
        if self.lines == "rows":
            return change, rows[which]
        x = jnp.repeat(UnitVectors(which, width).dense(change.dtype), out, axis=0)
        return x, (change[:, :, None] * rows[None, :, :]).reshape(-1, out)


def _patterns(width: int) -> Float[Array, "n in"]:
    inputs = Hadamard()
    return inputs.take(arange(inputs.count(width)), width)


def pulses_between(
    model: AbstractCrosspoint, weight: Float[Array, "line cell"], target: Float[Array, "line cell"]
) -> Float[Array, "line cell"]:
    """Pulses that take nominal devices from a weight to a target, positive upwards: the
    integral of dw / step, by Gauss's rule.

    What lies beyond the nominal bounds of the model counts as if its steps did not
    change there.
    """
    start, end = (jnp.clip(at, *model.bounds()) for at in (weight, target))
    total = jnp.zeros_like(weight)
    for node, share in zip(*_GAUSS, strict=True):
        at = start + (end - start) * (1 + node) / 2
        (up, _), (down, _) = (model.nominal_step(at, up=up) for up in (True, False))
        total = total + share / 2 / jnp.maximum(jnp.where(target > weight, up, down), 1e-3 * model.granularity())
    return (target - weight) * total
