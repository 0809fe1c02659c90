"""The one place where torch tensors and JAX arrays become one another.

Numbers are copied in both directions: a JAX array must not change when torch writes
into its own memory, and what torch gets must be its own to write into.
"""

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax.typing import ArrayLike
from torch import Tensor

from jaxtile import UnitVectors

__all__ = ["fresh_seed", "to_inputs", "to_jax", "to_torch"]


def to_jax(tensor: Tensor) -> jax.Array:
    """A copy of a tensor, in single precision (in double precision where JAX defaults
    to that).
    """
    return jnp.array(_to_numpy(tensor), dtype=float)


def to_torch(array: ArrayLike | UnitVectors, like: Tensor | None = None) -> Tensor:
    """A fresh tensor that may be written into; on the device and of the type of `like`,
    else on the CPU in single precision.
    """
    dense = array.dense(jnp.float32) if isinstance(array, UnitVectors) else array
    tensor = torch.from_numpy(np.array(dense, dtype=np.float32))
    return tensor if like is None else tensor.to(device=like.device, dtype=like.dtype)


def to_inputs(tensor: Tensor) -> jax.Array | UnitVectors:
    """Inputs [k, in] of an update; different unit vectors as such, since a batch of
    them is one pass over a tile.
    """
    x = _to_numpy(tensor)
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


def _to_numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to(device="cpu", dtype=torch.float32).numpy()
