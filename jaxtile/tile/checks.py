"""Arguments of the verbs of a tile, checked and converted."""

from typing import Any

from jax.typing import DTypeLike
from jaxtyping import Array, Float

from .._types import Weight, finite_array, real_array
from .._vectors import UnitVectors
from .tile import Tile

__all__ = ["as_matrix", "as_vectors", "check_tile"]


def check_tile(tile: Any) -> Weight:
    """The weights of one tile; anything else is refused.

    Raises:
        TypeError: it is no tile.
        ValueError: it is a batch of tiles.
    """
    if not isinstance(tile, Tile):
        raise TypeError(f"tile={tile!r} is no tile; make one with jaxtile.init(config, (out, in), key=key).")
    weight = tile.weight
    if weight.ndim != 2:
        raise ValueError(f"tile={tile!r} is a batch of tiles; call this function on one of them, inside `jax.vmap`.")
    return weight


def as_vectors(name: str, vectors: Any, width: int, dtype: DTypeLike, *, finite: bool = False) -> Float[Array, "... line"]:
    """Vectors as an array of the tile's dtype. A NaN goes through unless they must be
    finite: a read of NaN is NaN.

    Raises:
        TypeError: they hold something else than real numbers.
        ValueError: they do not fit a tile of that width.
    """
    take = finite_array if finite else real_array
    vectors = vectors.dense(dtype) if isinstance(vectors, UnitVectors) else take(vectors, dtype, name)
    if vectors.ndim == 0 or vectors.shape[-1] != width:
        raise ValueError(f"{name} has shape {vectors.shape}; its last dimension must be {width}, the lines that carry it.")
    return vectors


def as_matrix(name: str, matrix: Any, weight: Weight, *, finite: bool = True) -> Weight:
    """A matrix as an array of the shape and dtype of the weights of a tile.

    Raises:
        TypeError, ValueError: it holds something else than (finite) real numbers, or
            has another shape.
    """
    matrix = (finite_array if finite else real_array)(matrix, weight.dtype, name)
    if matrix.shape != weight.shape:
        hint = " (its transpose would fit)" if matrix.shape == weight.shape[::-1] else ""
        raise ValueError(f"{name} has shape {matrix.shape}; the tile is [out, in] = {weight.shape}{hint}.")
    return matrix
