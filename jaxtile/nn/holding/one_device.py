"""One device against a reference."""

from ..._types import Key, Scalar
from ...device import AbstractDevice
from ...tile import Tile, TileConfig, init
from .base import AbstractHolding, signed

__all__ = ["OneDevice"]


class OneDevice(AbstractHolding):
    """W = g - g_ref: each weight in one device, read against an ideal reference in the
    middle of its range (or in a pair of devices, of which a tile models the difference).
    """

    def reach(self, device: AbstractDevice) -> Scalar:
        return signed(device)

    def fabricate(self, config: TileConfig, shape: tuple[int, int], *, key: Key) -> Tile:
        return init(config, shape, key=key)
