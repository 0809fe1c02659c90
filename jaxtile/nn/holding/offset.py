"""Weights above zero, of which an offset is subtracted: analog by a line of the array, or
digitally.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._types import Key, Scalar, Weights, is_concrete
from ...device import AbstractDevice
from ...fields import part
from ...tile import AbstractHardware, TileConfig
from ..group import AbstractGroup
from .base import AbstractHolding, top
from .bit_slices import BitSlices
from .one_device import OneDevice

__all__ = ["AbstractOffset", "Column", "DigitalOffset", "OffsetColumn", "Raised"]


class AbstractOffset(AbstractHolding):
    """W = G - c: each weight in a device above zero, as a bare conductance is, of which an
    offset is subtracted.

    Attributes:
        inner: how G is held: `OneDevice`, or `BitSlices`.
    """

    inner: OneDevice | BitSlices = part(
        (OneDevice, BitSlices), "holds no conductances; pass OneDevice() or BitSlices((4, 4))", default=OneDevice, kw_only=False
    )

    def offset(self, device: AbstractDevice) -> Scalar:
        """c, the middle of the range from zero up: of two in the middle the higher one."""
        return self.inner.nearest(top(device) / 2, device)

    def reach(self, device: AbstractDevice) -> Scalar:
        offset, most = self.offset(device), top(device)
        reach = jnp.minimum(offset, most - offset)
        if is_concrete(reach) and not reach > 0:
            raise ValueError(
                f"{self!r} has no room for both signs on {device!r}: pass at least two bits, and a device with weights above zero."
            )
        return reach


class OffsetColumn(AbstractOffset):
    """W = G - c, with c held by one more line of the same array, which every output is
    read against.

    In drawings of crossbars whose outputs are columns that line is a column; here it is
    the last row. It is programmed, disturbed, and drifts as all others do, but no pulse
    of an update is meant for it.
    """

    extra_rows: ClassVar[int] = 1

    def fabricate(self, config: TileConfig, shape: tuple[int, int], *, key: Key) -> "Column":
        held = self.inner.fabricate(config, (shape[0] + self.extra_rows, shape[1]), key=key)
        return Column(held, self.offset(config.built_device))


class DigitalOffset(AbstractOffset):
    """W = G - c, with c times the sum of the inputs subtracted digitally, without error."""

    def fabricate(self, config: TileConfig, shape: tuple[int, int], *, key: Key) -> "Raised":
        return Raised(self.inner.fabricate(config, shape, key=key), self.offset(config.built_device))


class Column(AbstractGroup):
    """Hardware whose last line is the offset of all others.

    Attributes:
        held: the hardware.
        offset: the weight that the last line is meant to hold.
    """

    held: AbstractHardware
    offset: Float[Array, "..."]

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of the matrix."""
        rows, width = self.held.shape
        return rows - 1, width

    @property
    def weight(self) -> Weights:
        """The matrix that is read, [out, in]."""
        return self._against(jnp.swapaxes(self.held.weight, -1, -2)).swapaxes(-1, -2)

    def each(self, verb: Callable[..., Any], **given: Any) -> Any:
        """Apply a verb to each tile: matrices and d get one more line.

        What is read backward is driven by -sum(d) there. Pulses, which have x and d, are
        sent by a zero.
        """

        def share(name: str, value: Any) -> Any:
            if value is None or name in ("x", "key"):
                return value
            if name == "d":
                last = jnp.sum(value, axis=-1, keepdims=True)
                return jnp.concatenate([value, jnp.zeros_like(last) if given.get("x") is not None else -last], axis=-1)
            return jnp.concatenate([value + self.offset, jnp.full_like(value[:1], self.offset)])

        return self.held.each(verb, **{name: share(name, value) for name, value in given.items()})

    def _against(self, y: Float[Array, "... line"]) -> Float[Array, "... out"]:
        return y[..., :-1] - y[..., -1:]

    def outputs(self, y: Float[Array, "..."], x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        """Reads of all other lines, against the last one."""
        return self._against(self.held.outputs(y, x))

    def inputs(self, x: Float[Array, "..."], d: Float[Array, "... out"]) -> Float[Array, "... in"]:
        """Reads with the last line driven as well."""
        return self.held.inputs(x, d)


class Raised(AbstractGroup):
    """Hardware whose weights lie higher by an offset, which is known.

    Attributes:
        held: the hardware.
        offset: the offset.
    """

    held: AbstractHardware
    offset: Float[Array, "..."]

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of the matrix."""
        return self.held.shape

    @property
    def weight(self) -> Weights:
        """The matrix that is read, [out, in]."""
        return self.held.weight - self.offset[..., None, None]

    def each(self, verb: Callable[..., Any], **given: Any) -> Any:
        """Apply a verb to each tile: matrices are raised."""
        raised = {name: value + self.offset for name, value in given.items() if name in ("weight", "target") and value is not None}
        return self.held.each(verb, **given | raised)

    def outputs(self, y: Float[Array, "..."], x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        """Reads less the offset times the sum of the inputs."""
        return self.held.outputs(y, x) - self.offset * jnp.sum(x, axis=-1, keepdims=True)

    def inputs(self, x: Float[Array, "..."], d: Float[Array, "... out"]) -> Float[Array, "... in"]:
        """Reads less the offset times the sum of d."""
        return self.held.inputs(x, d) - self.offset * jnp.sum(d, axis=-1, keepdims=True)
