"""Gradient-descent programming."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._random import numbers
from .._types import Key, Scalar, Weight, number
from .base import AbstractMethod, Proposal
from .inputs import AbstractInputs, Eye, Inputs, as_inputs, outputs

__all__ = ["GDP"]


class GDPState(eqx.Module):
    """The first input of the next batch; `width` is the number of columns of the tile."""

    start: Int[Array, ""]
    width: int = eqx.field(static=True)


class GDP(AbstractMethod[GDPState]):
    """Gradient-descent programming: read the outputs for known inputs, and let the tile's own update correct them.

        Y = forward(X),   W <- W - learning_rate (Y - X T^T)^T X      executed with pulses

    With unit vectors every input reads one column of weights, with the read noise of the periphery. (Buechel et al., "Gradient
    descent-based programming of analog in-memory computing cores", IEDM 2022; aihwkit's `program_weights`.)

    Attributes:
        learning_rate: of the descent.
        batch_size: how many inputs a step uses: all (None), or the next so many, in turn and around the end to the first.
        inputs: "eye" for the unit vectors, or the inputs themselves, [n, in].
    """

    learning_rate: Scalar = number(1.0, low=0.0, open=True)
    batch_size: int | None = eqx.field(default=None, static=True)
    inputs: AbstractInputs = eqx.field(default_factory=Eye, converter=as_inputs)

    def __check_init__(self) -> None:
        size = self.batch_size
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise ValueError(f"GDP.batch_size={size!r} must be None (all inputs) or a whole number of at least 1.")

    def init(self, shape: tuple[int, int], target: Weight) -> GDPState:
        self._batch(shape[1])  # refuse a batch that does not fit before anything is compiled
        return GDPState(jnp.asarray(0, jnp.int32), shape[1])

    def probe(self, state: GDPState) -> Inputs:
        which = (state.start + numbers(self._batch(state.width))) % self.inputs.count(state.width)
        return self.inputs.take(which, state.width)

    def propose(self, reading: Float[Array, "k out"], target: Weight, state: GDPState, key: Key) -> tuple[Proposal, GDPState]:
        x = self.probe(state)
        start = (state.start + self._batch(state.width)) % self.inputs.count(state.width)
        return (x, reading - outputs(target, x)), GDPState(start, state.width)

    def steps_in_pass(self, shape: tuple[int, int]) -> int:
        return -(-self.inputs.count(shape[1]) // self._batch(shape[1]))

    def _batch(self, width: int) -> int:
        count = self.inputs.count(width)
        if self.batch_size is not None and self.batch_size > count:
            raise ValueError(f"GDP.batch_size={self.batch_size} exceeds the {count} inputs; pass at most {count}, or None for all.")
        return count if self.batch_size is None else self.batch_size
