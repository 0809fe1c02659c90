"""Data of training, checked and converted."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..._types import finite_array, number_array

__all__ = ["as_arrays", "batches_of"]


def as_arrays(name: str, data: Any) -> tuple[Array, ...]:
    """Arrays whose first axis counts samples, such as (x, y).

    Raises:
        TypeError: they are no arrays of numbers.
        ValueError: they hold NaN or infinity, or different numbers of samples.
    """
    if not isinstance(data, tuple) or not data:
        raise TypeError(f"{name} is of type {type(data).__name__}; pass a tuple of arrays, such as (x, y).")
    arrays = tuple(_as_array(f"{name}[{n}]", each) for n, each in enumerate(data))
    lengths = [array.shape[0] for array in arrays]
    if len(set(lengths)) > 1 or lengths[0] == 0:
        raise ValueError(f"{name} holds arrays of {', '.join(map(str, lengths))} samples; they must be equally many, at least one.")
    return arrays


def _as_array(name: str, values: Any) -> Array:
    if isinstance(values, np.ndarray) and values.dtype.kind in "OSUMmc":
        raise TypeError(f"{name} is of dtype {values.dtype}; pass numbers: inputs as floats, labels as whole numbers.")
    array = number_array(values, name)
    if array.ndim == 0:
        raise ValueError(f"{name} is one number; its first axis must count the samples.")
    return finite_array(array, float, name) if jnp.issubdtype(array.dtype, jnp.floating) else array


def batches_of(data: Any, epoch: int) -> Iterator[tuple[Array, ...]]:
    """The batches of one epoch.

    Raises:
        TypeError: `data` cannot be iterated over.
        ValueError: it gives no batch.
    """
    source = data(epoch) if callable(data) else data
    if not isinstance(source, Iterable) or isinstance(source, Mapping):
        raise TypeError(
            f"data is of type {type(data).__name__}; pass arrays (x, y), a list or a loader of batches, or a function of the "
            "epoch that returns an iterator of them."
        )
    number = -1
    for number, batch in enumerate(source):
        yield as_arrays(f"batch {number} of data", tuple(batch) if isinstance(batch, list) else batch)
    if number < 0:
        raise ValueError(
            f"data gave no batch in epoch {epoch}. A generator is used up after one pass: pass a function of the epoch."
        )
