"""The one place where torch tensors and JAX arrays become one another.

Numbers are copied in both directions: a JAX array must not change when torch writes
into its own memory, and what torch gets must be its own to write into.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax.typing import ArrayLike
from torch import Tensor

from jaxtile import UnitVectors

__all__ = ["fresh_seed", "to_inputs", "to_jax", "to_torch"]


_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # that a result may be given in


def to_jax(values: Any, name: str = "values") -> jax.Array:
    """A copy of a tensor or array, in single precision (in double precision where JAX
    defaults to that).

    Raises:
        TypeError: it does not hold real numbers.
    """
    return jnp.array(_to_numpy(values, name), dtype=float)


def to_torch(array: ArrayLike | UnitVectors, like: Any = None) -> Tensor:
    """A fresh tensor that may be written into, on the device of `like` (else the CPU).

    It has the floating type of `like`; where that has none, as integers have not, it
    has single precision.
    """
    dense = array.dense(jnp.float32) if isinstance(array, UnitVectors) else array
    tensor = torch.from_numpy(np.array(dense, dtype=np.float32))
    if not isinstance(like, Tensor):
        return tensor
    return tensor.to(device=like.device, dtype=like.dtype if like.dtype in _FLOATS else torch.float32)


def to_inputs(vectors: Any, name: str = "x") -> jax.Array | UnitVectors:
    """Inputs [..., in] of an update as [k, in]; different unit vectors as such, since a
    batch of them is one pass over a tile.

    Raises:
        TypeError: they are not real numbers.
    """
    x = _to_numpy(vectors, name)
    x = x.reshape(-1, x.shape[-1])
    columns = np.argmax(x, axis=1)
    are_units = np.all(np.sum(x != 0, axis=1) == 1) and np.all(np.max(x, axis=1) == 1)
    if are_units and np.unique(columns).size == columns.size:
        return UnitVectors(jnp.asarray(columns), x.shape[1])
    return jnp.array(x, dtype=float)


def fresh_seed() -> int:
    """A seed from torch's generator, so that `torch.manual_seed` makes a whole model
    reproducible.
    """
    return int(torch.randint(2**31 - 1, ()))


def _to_numpy(values: Any, name: str) -> np.ndarray:
    """Any real numbers in single precision; integers and booleans are numbers."""
    if isinstance(values, Tensor):
        if values.is_complex():
            raise TypeError(f"{name} is of {values.dtype}, and tiles take real numbers: pass {name}.real, or its parts in turn.")
        return values.detach().to(device="cpu", dtype=torch.float32).numpy()
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or np.ma.is_masked(values):
        what = "masked entries" if np.ma.is_masked(values) else f"entries of type {array.dtype}"
        raise TypeError(f"{name} has {what}; pass a tensor or an array of real numbers, such as torch.float32.")
    return array.astype(np.float32)
