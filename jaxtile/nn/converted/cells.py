"""Recurrent cells whose two matrices are on tiles."""

from typing import Any

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float

from ..._random import stream
from ..._types import Key
from ..layers import AbstractConverted, Linear
from ..rule import Rule

__all__ = ["Cell"]


class Reading(eqx.Module):
    """A matrix whose products are reads of a layer."""

    layer: Linear
    key: Key | None

    def __matmul__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        return self.layer(x, key=self.key)


class Cell(AbstractConverted):
    """An LSTM or GRU cell: equinox's own, whose matrices are read from tiles.

    Attributes:
        weight_ih: the matrix of the input.
        weight_hh: the matrix of the hidden state.
        digital: the cell of equinox, without its matrices.
    """

    weight_ih: Linear
    weight_hh: Linear
    digital: Any

    @classmethod
    def of(cls, cell: Any, rule: Rule, *, key: Key) -> "Cell":
        """A cell of equinox, on tiles."""
        matrices = (rule.place(matrix, key=stream(key, n)) for n, matrix in enumerate(_matrices(cell)))
        return cls(*matrices, digital=eqx.tree_at(_matrices, cell, (None, None)))

    def to_digital(self) -> Any:
        """The cell of equinox with the weights of the tiles."""
        return self._with(self.weight_ih.to_digital().weight, self.weight_hh.to_digital().weight)

    def _with(self, *matrices: Any) -> Any:
        return eqx.tree_at(_matrices, self.digital, matrices, is_leaf=lambda node: node is None)

    @property
    def input_size(self) -> int:
        """Width of the input."""
        return self.digital.input_size

    @property
    def hidden_size(self) -> int:
        """Width of the hidden state."""
        return self.digital.hidden_size

    def __call__(self, input: Float[Array, "... in"], hidden: Any, *, key: Key | None = None) -> Any:
        """One step in time.

        Args:
            input: one vector, or a batch.
            hidden: the hidden state, as equinox's cell has it, or a batch.
            key: of the read noise.
        """
        if input.ndim > 1:
            keys = None if key is None else jr.split(key, input.shape[0])
            return jax.vmap(lambda input, hidden, key: self(input, hidden, key=key))(input, hidden, keys)
        keys = (None, None) if key is None else (stream(key, 0), stream(key, 1))
        return self._with(Reading(self.weight_ih, keys[0]), Reading(self.weight_hh, keys[1]))(input, hidden)


def _matrices(cell: Any) -> tuple[Any, Any]:
    return cell.weight_ih, cell.weight_hh
