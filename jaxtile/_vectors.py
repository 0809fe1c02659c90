"""Unit vectors: a batch of inputs that drive one column each."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

__all__ = ["UnitVectors"]


class UnitVectors(eqx.Module):
    """The unit vectors of some *different* columns, wherever a batch of inputs x [k, in] is wanted.

    An `update` with them touches each column once, so the whole batch is one pass over the tile instead of one for each vector.

    Attributes:
        columns: which columns, in the order in which they are driven; no column twice.
        width: number of columns of the tile.
    """

    columns: Int[Array, " k"]
    width: int = eqx.field(static=True)

    def __init__(self, columns: Int[Array, " k"], width: int):
        columns = jnp.asarray(columns)
        if columns.ndim != 1 or not jnp.issubdtype(columns.dtype, jnp.integer):
            raise TypeError(f"columns has dtype {columns.dtype} and shape {columns.shape}; pass whole numbers in one dimension.")
        if columns.shape[0] > width:
            raise ValueError(f"columns names {columns.shape[0]} columns of {width}; drive each column at most once.")
        self.columns, self.width = columns, width

    def dense(self, dtype: jnp.dtype) -> Float[Array, "k in"]:
        """The same vectors written out."""
        return (self.columns[:, None] == jnp.arange(self.width, dtype=self.columns.dtype)[None, :]).astype(dtype)
