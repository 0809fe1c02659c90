"""Unit vectors: a batch of inputs that drive one column each."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from ._types import AnyArray, is_concrete, is_whole, number_array

__all__ = ["UnitVectors", "check_columns"]


def check_columns(columns: Int[Array, " k"], width: int) -> None:
    """Refuse numbers of columns that a tile does not have.

    Raises:
        ValueError: there is one.
    """
    beyond = np.asarray(columns)[(np.asarray(columns) < 0) | (np.asarray(columns) >= width)]
    if beyond.size:
        raise ValueError(f"columns holds {beyond}; the tile has columns 0 to {width - 1}.")


class UnitVectors(eqx.Module):
    """The unit vectors of some *different* columns, wherever a batch of inputs x [k,
    in] is wanted.

    An `update` with them touches each column once, so the whole batch is one pass over
    the tile instead of one for each vector.

    Attributes:
        columns: which columns, in the order in which they are driven; no column twice.
        width: number of columns of the tile.
    """

    columns: Int[Array, " k"]
    width: int = eqx.field(static=True)

    def __init__(self, columns: Int[AnyArray, " k"], width: int):
        columns = number_array(columns, "columns")
        if columns.ndim != 1 or not jnp.issubdtype(columns.dtype, jnp.integer):
            raise TypeError(f"columns has dtype {columns.dtype} and shape {columns.shape}; pass whole numbers in one dimension.")
        if not is_whole(width, 1):
            raise ValueError(f"width={width!r} must be a whole number of at least 1, the number of columns of the tile.")
        if columns.shape[0] > width:
            raise ValueError(f"columns names {columns.shape[0]} columns of {width}; drive each column at most once.")
        if is_concrete(columns):
            check_columns(columns, width)
            if np.unique(columns).size < columns.size:
                raise ValueError(f"columns={np.asarray(columns)} names a column twice; drive each column at most once.")
        self.columns, self.width = columns, int(width)

    def dense(self, dtype: DTypeLike) -> Float[Array, "k in"]:
        """The same vectors written out."""
        return (self.columns[:, None] == jnp.arange(self.width, dtype=self.columns.dtype)[None, :]).astype(dtype)
