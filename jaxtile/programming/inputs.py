"""Input vectors for reading a tile through its outputs."""

import abc
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._linalg import product
from .._random import arange, as_key, normal
from .._types import Key, Weight, finite_array, is_concrete
from .._vectors import UnitVectors
from ..fields import Checked, whole

__all__ = ["AbstractInputs", "Eye", "Gaussian", "Given", "Hadamard", "Inputs", "as_inputs", "outputs"]

Inputs = Float[Array, "k in"] | UnitVectors


class AbstractInputs(Checked):
    """An ordered set of input vectors."""

    @abc.abstractmethod
    def count(self, width: int) -> int:
        """Number of inputs for a tile of that many columns."""

    @abc.abstractmethod
    def take(self, which: Int[Array, " k"], width: int) -> Inputs:
        """Some of them."""


class Eye(AbstractInputs):
    """The unit vectors: each reads one column."""

    def count(self, width: int) -> int:
        return width

    def take(self, which: Int[Array, " k"], width: int) -> UnitVectors:
        return UnitVectors(which, width)


class Hadamard(AbstractInputs):
    """The first columns of Sylvester's Hadamard matrix, H_rc = (-1)^(ones of r & c in
    binary): all lines on, in every read.

    Their number n is the smallest power of two that is not below the width, and H^T H =
    n I. So the weights are Y^T H / n, with Y the outputs, and have 1 / n of the variance
    of the read noise. (Hadamard verify: Choi et al., arXiv 2604.12420.)
    """

    def count(self, width: int) -> int:
        return 1 << (width - 1).bit_length()

    def take(self, which: Int[Array, " k"], width: int) -> Float[Array, "k in"]:
        ones = jax.lax.population_count(which[:, None].astype(jnp.uint32) & arange(width)[None, :].astype(jnp.uint32))
        return 1 - 2 * (ones & 1).astype(float)


class Gaussian(AbstractInputs):
    """Random vectors with standard normal entries.

    Attributes:
        n: how many there are; after the last one comes the first again.
        key: of their draw.
    """

    n: int = whole(1024, low=1)
    key: Key = eqx.field(default_factory=lambda: jax.random.key(0), converter=as_key, kw_only=True)

    def count(self, width: int) -> int:
        return self.n

    def take(self, which: Int[Array, " k"], width: int) -> Float[Array, "k in"]:
        index = which.astype(jnp.int32)[:, None] * width + arange(width)[None, :]
        return normal(self.key, index).astype(float)


class Given(AbstractInputs):
    """Vectors given by the user, [n, in]."""

    values: Float[Array, "n in"]

    def count(self, width: int) -> int:
        if self.values.shape[1] != width:
            raise ValueError(f"inputs has shape {self.values.shape}; the tile has {width} columns, so pass [n, {width}].")
        return self.values.shape[0]

    def take(self, which: Int[Array, " k"], width: int) -> Float[Array, "k in"]:
        return self.values[which]


_NAMED = {"eye": Eye, "hadamard": Hadamard, "gaussian": Gaussian}


def as_inputs(name: str, inputs: Any) -> AbstractInputs:
    """Accept a name, an array [n, in], or an object of this module.

    Args:
        name: name of the argument, for errors.
        inputs: its value.

    Raises:
        ValueError: it is none of them, empty, not finite, or zero throughout.
    """
    if isinstance(inputs, AbstractInputs):
        return inputs
    if isinstance(inputs, str):
        if inputs not in _NAMED:
            raise ValueError(f"{name}={inputs!r} is unknown; pass {', '.join(map(repr, _NAMED))} or an array [n, in].")
        return _NAMED[inputs]()
    values = finite_array(inputs, jnp.asarray(0.0, float).dtype, name)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"{name} has shape {values.shape}; pass 'eye' or an array [n, in] that is not empty.")
    if is_concrete(values) and not np.any(np.asarray(values)):
        raise ValueError(
            f"{name} holds zeros only, and their outputs say nothing about the weights; pass 'eye', or vectors that are not zero."
        )
    silent = int(np.sum(~np.any(np.asarray(values), axis=0))) if is_concrete(values) else 0
    if silent:
        warnings.warn(
            f"{name} drives {values.shape[1] - silent} of {values.shape[1]} columns. The weights of the others are neither read "
            "nor corrected, and do not count in the read error; pass 'eye', or vectors that drive all.",
            stacklevel=5,
        )
    return Given(values)


def outputs(weight: Weight, x: Inputs) -> Float[Array, "k out"]:
    """The exact outputs W x of weights for some inputs."""
    return weight[:, x.columns].T if isinstance(x, UnitVectors) else product(x.astype(weight.dtype), weight.T)
