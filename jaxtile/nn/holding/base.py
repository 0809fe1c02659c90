"""The contract of a way to hold weights in devices."""

import abc
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._types import Key, Scalar, is_concrete
from ...device import AbstractDevice
from ...fields import Checked
from ...tile import TileConfig
from ..group import AnyTile

__all__ = ["AbstractHolding", "signed", "top"]


class AbstractHolding(Checked):
    """A way to hold the weights of one array.

    A holding is a strategy. What it fabricates is hardware, which encodes and adds up.
    """

    extra_rows: ClassVar[int] = 0
    """Rows of the array beside those of its outputs."""

    @abc.abstractmethod
    def reach(self, device: AbstractDevice) -> Scalar | float:
        """The largest weight that nominal devices hold of either sign.

        Raises:
            ValueError: they hold none below zero.
        """

    @abc.abstractmethod
    def fabricate(self, config: TileConfig, shape: tuple[int, int], *, key: Key) -> AnyTile:
        """Hardware that holds a matrix of this shape."""

    def nearest(self, weight: Float[Array, "..."], device: AbstractDevice) -> Float[Array, "..."]:
        """The nearest weights that can be held."""
        return weight


def top(device: AbstractDevice) -> Scalar:
    """The largest weight of nominal devices: of either sign, where they hold both. It is
    1 for devices without bounds.
    """
    bounds = device.bounds()
    if bounds is None:
        return jnp.asarray(1.0)
    low, high = bounds
    return jnp.where(low < 0, jnp.minimum(-low, high), high)


def signed(device: AbstractDevice) -> Scalar:
    """The largest weight of devices that hold both signs.

    Raises:
        ValueError: they hold none below zero, or none above it.
    """
    bounds = device.bounds()
    if bounds is not None and all(map(is_concrete, bounds)) and not bounds[0] < 0 < bounds[1]:
        raise ValueError(
            f"{device!r} holds weights from {float(bounds[0]):g} to {float(bounds[1]):g}, and a matrix has both signs: pass "
            "Mapping(holding=jaxtile.nn.holding.OffsetColumn()), which holds them above zero."
        )
    return top(device)
