"""Rules of a conversion: which hardware holds a matrix, and how."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from jaxtyping import Array, Float

from .._types import Key, Weight, as_shape, is_whole
from ..device import AbstractDevice
from ..digital.scales import map_weights
from ..fields import Checked, OptionalNumber, field, flag, optional, part
from ..tile import TileConfig, set_weights
from .grid import Blocks, Grid
from .group import AnyTile
from .holding import AbstractHolding, OneDevice
from .layers import Linear

__all__ = ["Mapping", "Rule"]


class Mapping(Checked):
    """W' = W / s: the conductances of a matrix, and the digital scales of its outputs.

    Attributes:
        omega: where the largest weight goes; None: to the end of the nominal range of the
            devices, and to 1 where they have no end.
        columnwise: a scale for each output; otherwise one for all.
        holding: how devices hold a weight.
    """

    omega: OptionalNumber = optional(low=0.0, open=True)
    columnwise: bool = flag(False)
    holding: AbstractHolding = part(
        AbstractHolding, "is no holding; pass one of jaxtile.nn.holding, such as OffsetColumn()", default=OneDevice
    )

    def __call__(self, weight: Weight, device: AbstractDevice) -> tuple[Weight, Float[Array, " out"]]:
        """The conductances and the scales."""
        return map_weights(weight, self.holding.reach(device) if self.omega is None else self.omega, columnwise=self.columnwise)


def _as_max_shape(name: str, value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    if not (isinstance(value, Sequence) and len(value) == 2 and all(is_whole(n, 1) for n in value)):
        raise ValueError(f"{name}={value!r} must be None or a pair (out, in) of whole numbers of at least 1: lines of an array.")
    return int(value[0]), int(value[1])


class Rule(Checked):
    """The hardware that a layer is converted to.

    Attributes:
        config: the hardware of its tiles.
        max_shape: (out, in) of the largest array; None: as `convert` says.
        mapping: how weights become conductances.
        balanced: the tiles of a matrix hold equal parts of it; otherwise all but the
            last ones are full.
    """

    config: TileConfig = part(TileConfig, "is no configuration; pass one such as jaxtile.TileConfig()", kw_only=False)
    max_shape: tuple[int, int] | None = field(_as_max_shape, default=None, static=True)
    mapping: Mapping = part(Mapping, "is no mapping; pass jaxtile.nn.Mapping()", default=Mapping)
    balanced: bool = flag(True)

    def place(self, weight: Weight, bias: Float[Array, " out"] | None = None, *, key: Key) -> Linear:
        """A layer that holds a matrix, which it keeps as its target.

        Args:
            weight: the matrix.
            bias: its digital bias.
            key: of the chip.
        """
        conductances, scales = self.mapping(weight, self.config.built_device)
        tile = self._fabricate(as_shape(weight.shape), key).change(set_weights, weight=conductances)
        return Linear.around(tile, mapping_scales=scales, bias=bias, target=conductances)

    def _fabricate(self, shape: tuple[int, int], key: Key) -> AnyTile:
        holding = self.mapping.holding
        make = partial(holding.fabricate, self.config)
        if self.max_shape is None:
            return make(shape, key=key)
        most = self.max_shape[0] - holding.extra_rows, self.max_shape[1]
        if most[0] < 1:
            raise ValueError(f"max_shape={self.max_shape} has no rows left for outputs beside {holding.extra_rows} of {holding!r}.")
        rows, columns = (Blocks.of(*one, balanced=self.balanced) for one in zip(shape, most, strict=True))
        if len(rows.sizes) == len(columns.sizes) == 1:
            return make(shape, key=key)
        return Grid.of(make, rows, columns, key=key)
