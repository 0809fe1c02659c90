"""Input vectors for reading a tile through its outputs."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._linalg import product
from .._types import Weight, finite_array
from .._vectors import UnitVectors

__all__ = ["AbstractInputs", "Eye", "Given", "Inputs", "as_inputs", "outputs"]

Inputs = Float[Array, "k in"] | UnitVectors


class AbstractInputs(eqx.Module):
    """An ordered set of input vectors."""

    @abc.abstractmethod
    def count(self, width: int) -> int:
        """How many there are for a tile of that many columns."""

    @abc.abstractmethod
    def take(self, which: Int[Array, " k"], width: int) -> Inputs:
        """Some of them."""


class Eye(AbstractInputs):
    """The unit vectors: each reads one column."""

    def count(self, width: int) -> int:
        return width

    def take(self, which: Int[Array, " k"], width: int) -> UnitVectors:
        return UnitVectors(which, width)


class Given(AbstractInputs):
    """Vectors given by the user, [n, in]."""

    values: Float[Array, "n in"]

    def count(self, width: int) -> int:
        if self.values.shape[1] != width:
            raise ValueError(f"inputs has shape {self.values.shape}; the tile has {width} columns, so pass [n, {width}].")
        return self.values.shape[0]

    def take(self, which: Int[Array, " k"], width: int) -> Float[Array, "k in"]:
        return self.values[which]


def as_inputs(inputs: Any) -> AbstractInputs:
    """Accept "eye", an array [n, in], or an object of this module.

    Raises:
        ValueError: it is none of them, empty, or not finite.
    """
    if isinstance(inputs, AbstractInputs):
        return inputs
    if isinstance(inputs, str):
        if inputs != "eye":
            raise ValueError(f"inputs={inputs!r} is unknown; pass 'eye' or an array [n, in].")
        return Eye()
    values = finite_array(inputs, jnp.asarray(0.0, float).dtype, "inputs")
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"inputs has shape {values.shape}; pass 'eye' or an array [n, in] that is not empty.")
    return Given(values)


def outputs(weight: Weight, x: Inputs) -> Float[Array, "k out"]:
    """The exact outputs W x of weights for some inputs."""
    return weight[:, x.columns].T if isinstance(x, UnitVectors) else product(x.astype(weight.dtype), weight.T)
