"""Tiles as reads of training see them: noise-aware training."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool

from ..._random import Source, as_key, stream
from ..._types import Key, Weight
from ...modifier import AbstractModifier
from ...tile import Tile, read_as
from ..group import AnyTile

__all__ = ["InTraining", "modified"]


class InTraining(eqx.Module):
    """A modifier that acts in training only.

    Attributes:
        modifier: the modifier.
        inference: True leaves weights as they are; `equinox.nn.inference_mode` sets it.
    """

    modifier: AbstractModifier
    inference: bool | Bool[Array, "..."] = False

    @classmethod
    def of(cls, modifier: Any) -> "InTraining | None":
        """A modifier with its switch; None stays None.

        Raises:
            TypeError: it is no modifier.
        """
        if modifier is None or isinstance(modifier, InTraining):
            return modifier
        if not isinstance(modifier, AbstractModifier):
            raise TypeError(
                f"Linear.modifier={modifier!r} is no modifier; pass one such as jaxtile.modifier.AddNormal(std_dev=0.1)."
            )
        return cls(modifier)

    def __call__(self, weight: Weight, *, key: Key) -> Weight:
        """The weights that are read."""
        return jnp.where(self.inference, weight, self.modifier(weight, key=stream(as_key(key), Source.MODIFIER)))


def modified(tile: AnyTile, modifier: InTraining | None, key: Key | None) -> AnyTile:
    """The tile as a read sees it."""
    if modifier is None or modifier.inference is True:
        return tile
    assert key is not None

    def seen(tile: Tile, *, key: Key) -> Tile:
        return read_as(tile, modifier(tile.weight, key=key))

    return tile.change(seen, key=key)
