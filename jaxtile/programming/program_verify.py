"""Program and verify: cell by cell, with counted pulses."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._linalg import product
from .._random import numbers
from .._types import Key, Scalar, Weight, choice, flag, number, whole
from .._vectors import UnitVectors
from ..device import AbstractPulsedDevice, ConstantStep
from .base import AbstractMethod, Proposal
from .inputs import Eye, Hadamard, Inputs
from .reading import Reads, average

__all__ = ["ProgramVerify", "pulses_between"]

_READ_OUT = {"eye": Eye(), "hadamard": Hadamard()}
# d is a hair below whole pulses, so that rounding never makes a train one slot longer than they need.
_HAIR = 1 - 1e-6
_NODES, _SHARES = np.polynomial.legendre.leggauss(8)


class _State(eqx.Module):
    step: Int[Array, ""]
    left: Float[Array, "out in"]  # pulses that an open loop has yet to send, up positive


class ProgramVerify(AbstractMethod[_State]):
    """Read the weights out, count the pulses that each cell lacks, and send them one line at a time.

    The count is the inverse of the device's nominal response: with steps s_up(w) and s_down(w)

        n = integral of dw / s_up(w) from w to t            if the target t lies above the weight w
        n = integral of dw / s_down(w) from t to w          downwards

    A pass sends the binary digits of the counts, largest first: 2^(digits - 1) pulses to each cell that lacks as many, ..., 2, 1.
    All lines that fire in a vector then fire in every slot of its train, so that counts are met exactly, with stochastic trains
    too, if `model.dw_min` is that of the tile and its trains are as short as they can be (`update_bl_management`).

    In a closed loop the weights are read again before every digit, so that what a device's own gain and half-selection did wrong is
    corrected; one digit is the classical scheme of single pulses, each verified. An open loop counts once, before its first step,
    and sends that; the reads that follow serve the test of the error alone. Cells within half a pulse of the target are left in
    peace. (Program and verify: Milo et al., IRPS 2021; Hadamard read-out: Choi et al., arXiv 2604.12420.)

    A step costs a read of each column (or, with Hadamard patterns, of so many vectors as their number), times `reads`, and a train
    of 2^digit slots for each line that is selected.

    Attributes:
        model: a nominal device, with the mean response of those of the tile.
        digits: of the largest count of a pass, 2^digits - 1.
        lines: "columns": a column of cells at a time, one-hot x and all rows in parallel; "rows": a row of cells at a time;
            "cells": each cell by itself, with no other one selected.
        read_out: "eye": column by column; "hadamard": all columns on, and decoded, with less read noise.
        closed_loop: read and count again before every step.
        reads: how often each vector is read; the mean counts.
        learning_rate: factor on the pulses; above 1 for a device that counts less than 1 in its unit cell.
    """

    model: AbstractPulsedDevice = eqx.field(default_factory=ConstantStep)
    digits: int = whole(5, low=1)
    lines: Literal["columns", "rows", "cells"] = choice("columns", "rows", "cells")
    read_out: Literal["eye", "hadamard"] = choice("eye", "hadamard")
    closed_loop: bool = flag(True)
    reads: int = whole(1, low=1)
    learning_rate: Scalar = number(1.0, low=0.0, open=True)

    def __check_init__(self) -> None:
        if not isinstance(self.model, AbstractPulsedDevice):
            raise TypeError(f"ProgramVerify.model={self.model!r} is not one pulsed device; pass one such as device.SoftBounds().")

    def init(self, shape: tuple[int, int], target: Weight) -> _State:
        return _State(jnp.asarray(0, jnp.int32), jnp.zeros_like(target))

    def probe(self, state: _State) -> Inputs | Reads:
        return average(self._patterns(state.left.shape[1]), self.reads)

    def propose(self, reading: Float[Array, "k out"], target: Weight, state: _State, key: Key) -> tuple[Proposal, _State]:
        fresh = pulses_between(self.model, self._decode(reading, target.shape[1]), target)
        left = fresh if self.closed_loop else jnp.where(state.step == 0, jnp.rint(fresh), state.left)
        size = jnp.asarray(2.0, left.dtype) ** (self.digits - 1 - state.step % self.digits)
        sent = jnp.where(jnp.rint(jnp.abs(left)) >= size, jnp.sign(left) * size, 0)
        return self._one_line_at_a_time(-_HAIR * self.model.dw_min * sent), _State(state.step + 1, left - sent)

    def steps_in_pass(self, shape: tuple[int, int]) -> int:
        return self.digits

    def _patterns(self, width: int) -> Inputs:
        inputs = _READ_OUT[self.read_out]
        return inputs.take(numbers(inputs.count(width)), width)

    def _decode(self, y: Float[Array, "k out"], width: int) -> Weight:
        """The weights, from the outputs for orthogonal patterns."""
        return y.T if self.read_out == "eye" else product(y.T, self._patterns(width).astype(y.dtype)) / y.shape[0]

    def _one_line_at_a_time(self, change: Weight) -> Proposal:
        """Vectors whose products d^T x add up to a change, and none of which selects cells of two lines."""
        out, width = change.shape
        if self.lines == "columns":
            return UnitVectors(numbers(width), width), change.T
        rows = jnp.eye(out, dtype=change.dtype)
        if self.lines == "rows":
            return change, rows
        x = jnp.tile(jnp.eye(width, dtype=change.dtype), (out, 1))
        return x, jnp.reshape(rows[:, None, :] * change[:, :, None], (out * width, out))


def pulses_between(model: AbstractPulsedDevice, weight: Weight, target: Weight) -> Float[Array, "out in"]:
    """Pulses that take nominal devices from a weight to a target, positive upwards: the integral of dw / step, by Gauss's rule.

    What lies beyond the nominal bounds of the model counts as if its steps did not change there.
    """
    cells = model.init(weight.shape, key=None)
    start, end = model.clip(cells, weight), model.clip(cells, target)
    total = jnp.zeros_like(weight)
    for node, share in zip(_NODES, _SHARES, strict=True):
        at = start + (end - start) * (1 + node) / 2
        up, down = (model.step(cells, at, up=up)[0] for up in (True, False))
        total = total + share / 2 / jnp.maximum(jnp.where(target > weight, up, down), 1e-3 * model.dw_min)
    return (target - weight) * total
