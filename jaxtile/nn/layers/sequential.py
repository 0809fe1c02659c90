"""Layers one after another."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, Num

from ..._random import stream
from ..._types import AnyArray, Key
from .base import AbstractConverted, to_digital
from .paths import check_apart

__all__ = ["Sequential"]


class Function(eqx.Module):
    """A plain function between layers: static, and called without a key."""

    function: Callable[..., Any] = eqx.field(static=True)

    def __call__(self, x: AnyArray, *, key: Key | None = None) -> Any:
        """The function of all samples at once."""
        return self.function(x)


class EachSample(eqx.Module):
    """A layer of equinox, which knows one sample, mapped over all."""

    layer: Any

    def __call__(self, x: AnyArray, *, key: Key | None = None) -> Array:
        """The layer of each sample, each with a key of its own."""
        if x.ndim == 1:
            return self.layer(x, key=key)
        keys = None if key is None else jr.split(key, x.shape[0])
        return jax.vmap(lambda x, key: self(x, key=key))(x, keys)


class Sequential(AbstractConverted):
    """Layers one after another, called with a batch [n, in] or one vector.

    Plain functions are static and called without a key. Layers of equinox are mapped
    over samples. Other modules are called as `module(x, key=key)`, with the whole batch.

    Attributes:
        layers: the layers.
    """

    layers: tuple[Any, ...]

    def __init__(self, layers: Sequence[Any]):
        """Layers in their order.

        Args:
            layers: modules and functions.

        Raises:
            TypeError: one can be called neither as a layer nor as a function.
            ValueError: two of them share a tile.
        """
        if not isinstance(layers, Sequence):
            raise TypeError(f"Sequential is given {type(layers).__name__}; pass a list of layers and functions.")
        self.layers = tuple(map(_as_layer, layers))
        check_apart(self)

    def __call__(self, x: Num[AnyArray, "... in"], *, key: Key | None = None) -> Float[Array, "... out"]:
        """Read the layers in turn; layer n gets `fold_in(key, n)`."""
        y: Any = x
        for n, layer in enumerate(self.layers):
            y = layer(y, key=None if key is None else stream(key, n))
        return y

    def to_digital(self) -> "Sequential":
        """The same of layers of equinox, which it maps over samples."""
        return Sequential(tuple(map(to_digital, self.layers)))


def _as_layer(layer: Any) -> Any:
    if not callable(layer):
        raise TypeError(f"Sequential holds {layer!r}, which is neither a layer nor a function.")
    if not isinstance(layer, eqx.Module):
        return Function(layer)
    return EachSample(layer) if type(layer).__module__.startswith("equinox.") else layer
