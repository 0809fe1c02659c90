"""Data of training, checked and converted."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._types import finite_array, is_concrete

__all__ = ["as_arrays"]


def as_arrays(name: str, data: Any) -> tuple[Array, ...]:
    """Arrays whose first axis counts samples, such as (x, y).

    Raises:
        TypeError: they are no arrays of numbers.
        ValueError: they hold NaN or infinity, or different numbers of samples.
    """
    if not isinstance(data, tuple) or not data:
        raise TypeError(f"{name}={type(data).__name__} must be a tuple of arrays, such as (x, y).")
    arrays = tuple(_as_array(f"{name}[{n}]", each) for n, each in enumerate(data))
    lengths = [array.shape[0] for array in arrays]
    if len(set(lengths)) > 1 or lengths[0] == 0:
        raise ValueError(f"{name} holds arrays of {', '.join(map(str, lengths))} samples; they must be equally many, at least one.")
    return arrays


def _as_array(name: str, values: Any) -> Array:
    array = np.asarray(values) if is_concrete(values) else values  # tensors of torch, too
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        raise TypeError(f"{name} is of dtype {array.dtype}; pass numbers: images as floats, labels as whole numbers.")
    if array.ndim == 0:
        raise ValueError(f"{name} is one number; its first axis must count the samples.")
    return finite_array(array, float, name) if np.issubdtype(array.dtype, np.floating) else jnp.asarray(array)
