"""Gradient-descent programming."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._random import arange
from .._types import Key, Weight, as_number
from ..datasheet import Datasheet
from ..fields import Field, Number, Reals, field, function, number, whole
from .base import AbstractMethod, Proposal
from .inputs import AbstractInputs, Eye, Inputs, as_inputs, outputs
from .reading import Reads, average

__all__ = ["GDP"]


class GDPState(eqx.Module):
    """Steps made so far; `width` is the number of columns of the tile."""

    step: Int[Array, ""]
    width: int = eqx.field(static=True)


class GDP(AbstractMethod[GDPState]):
    """Gradient-descent programming: read the outputs for known inputs, and let the
    tile's own update correct them.

        Y = forward(X),   W <- W - learning_rate (Y - X T^T)^T X      executed with pulses

    With unit vectors every input reads one column of weights, with the read noise of
    the periphery. A batch X corrects the part (I - learning_rate X^T X) of the
    residual. So dense inputs with entries of size 1 want a learning rate of about 1 /
    (their number). A step costs a read for each input of the batch and a vector of
    pulses for each. (Buechel et al., "Gradient descent-based programming of analog
    in-memory computing cores", IEDM 2022; aihwkit's `program_weights`.)

    Attributes:
        learning_rate: of the descent.
        batch_size: how many inputs a step uses: all (None), or the next so many, in
            turn and around the end to the first.
        inputs: "eye" for the unit vectors, "hadamard", "gaussian", or vectors of one's
            own, [n, in], such as data that the layer is calibrated with.
        reads: how often each input is read; the mean counts.
        schedule: a factor on the learning rate, as a function of the number of steps
            made; None: 1. Any schedule of optax will do. A function is structure:
            another one is compiled anew. A module (`equinox.Module`) may hold numbers
            that are leaves.
    """

    learning_rate: Number = number(1.0, low=0.0, open=True)
    batch_size: int | None = whole(None, low=1)
    inputs: Field[AbstractInputs | str | Reals, AbstractInputs] = field(as_inputs, default_factory=Eye)
    reads: int = whole(1, low=1)
    schedule: Callable[[Int[Array, ""]], Any] | None = function(
        "is no function of the step; pass None, or one such as a schedule of optax"
    )

    def init(self, sheet: Datasheet, target: Weight) -> GDPState:
        _, width = sheet.shape
        self._batch(width)  # refuse a batch that does not fit before anything is compiled
        return GDPState(jnp.asarray(0, jnp.int32), width)

    def probe(self, state: GDPState) -> Inputs | Reads:
        return average(self._next(state), self.reads)

    def propose(self, reading: Float[Array, "k out"], target: Weight, state: GDPState, key: Key) -> tuple[Proposal, GDPState]:
        x = self._next(state)
        d = reading - outputs(target, x)
        if self.schedule is not None:
            d = d * as_number("GDP.schedule(step)", self.schedule(state.step), low=0.0).astype(d.dtype)
        return (x, d), GDPState(state.step + 1, state.width)

    def steps_in_pass(self, shape: tuple[int, int]) -> int:
        return -(-self.inputs.count(shape[1]) // self._batch(shape[1]))

    def _batch(self, width: int) -> int:
        count = self.inputs.count(width)
        if self.batch_size is not None and self.batch_size > count:
            raise ValueError(f"GDP.batch_size={self.batch_size} exceeds the {count} inputs; pass at most {count}, or None for all.")
        return count if self.batch_size is None else self.batch_size

    def _next(self, state: GDPState) -> Inputs:
        batch, count = self._batch(state.width), self.inputs.count(state.width)
        return self.inputs.take((state.step * batch + arange(batch)) % count, state.width)
