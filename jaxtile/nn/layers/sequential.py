"""Layers one after another."""

from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Num

from ..._random import stream
from ..._types import AnyArray, Key
from .base import AbstractConverted, to_digital
from .linear import Linear
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
        """The layer of one sample, or of each of a batch."""
        return self.over(x, np.ndim(x) - (sample_axes(self) or 1), key)

    def over(self, x: AnyArray, axes: int, key: Key | None) -> Array:
        """The layer of each sample, each with a key of its own.

        Args:
            x: samples, behind so many axes.
            axes: number of axes in front of a sample.
            key: of the layer; sample n gets a part of it.
        """
        if axes <= 0:
            return self.layer(x, key=key)
        keys = None if key is None else jr.split(key, x.shape[0])
        return jax.vmap(lambda x, key: self.over(x, axes - 1, key))(x, keys)


@singledispatch
def sample_axes(layer: Any) -> int | None:
    """Number of axes of a sample that a layer takes; None: the layer does not say."""
    return None


@sample_axes.register(Linear)
@sample_axes.register(eqx.nn.Linear)
@sample_axes.register(eqx.nn.MLP)
def _of_vectors(layer: Any) -> int:
    return 1


@sample_axes.register(eqx.nn.Conv)
@sample_axes.register(eqx.nn.ConvTranspose)
@sample_axes.register(eqx.nn.Pool)
@sample_axes.register(eqx.nn.AdaptivePool)
def _of_images(layer: Any) -> int:
    return layer.num_spatial_dims + 1


@sample_axes.register(eqx.nn.LayerNorm)
@sample_axes.register(eqx.nn.RMSNorm)
def _of_shape(layer: Any) -> int:
    return len(layer.shape)


@sample_axes.register
def _of_the_first(layer: eqx.nn.Sequential) -> int | None:
    return next((axes for axes in map(sample_axes, layer.layers) if axes is not None), None)


@sample_axes.register
def _of_one(layer: EachSample) -> int | None:
    return sample_axes(layer.layer)


class Sequential(AbstractConverted):
    """Layers one after another, called with one sample, or with a batch of them.

    Plain functions are static and called without a key. Layers of equinox are mapped
    over samples. Other modules are called as `module(x, key=key)`, with the whole batch.

    A layer that knows how many axes a sample has is mapped over those in front of it: a
    `Linear` takes vectors [in], a `Conv2d` images [in, height, width]. Others, such as
    `Dropout`, have as many axes in front as the layer before them that knows, or else
    the one after. Where no layer knows, samples are vectors.

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

    def __call__(self, x: Num[AnyArray, "..."], *, key: Key | None = None) -> Float[Array, "..."]:
        """Read the layers in turn; layer n gets `fold_in(key, n)`."""
        axes = [sample_axes(layer) for layer in self.layers]
        front = np.ndim(x) - next((known for known in axes if known is not None), 1)
        y: Any = x
        for n, (layer, known) in enumerate(zip(self.layers, axes, strict=True)):
            own = None if key is None else stream(key, n)
            front = front if known is None else np.ndim(y) - known
            y = layer.over(y, front, own) if isinstance(layer, EachSample) else layer(y, key=own)
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
