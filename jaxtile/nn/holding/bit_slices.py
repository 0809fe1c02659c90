"""Bits of a weight in several devices, with digital shift and add."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from ..._types import Key, Scalar, Weights, is_whole
from ...device import AbstractDevice
from ...fields import field
from ...tile import AbstractHardware, TileConfig, init
from ..group import AbstractGroup
from .base import AbstractHolding, signed, top

__all__ = ["BitSlices", "Slices"]

_MOST = 16


def _as_bits(name: str, value: Any) -> tuple[int, ...]:
    if not (isinstance(value, Sequence) and value and all(is_whole(n, 1) for n in value) and sum(value) <= _MOST):
        raise ValueError(f"{name}={value!r} must be whole numbers of at least 1, such as (4, 4), with a sum of at most {_MOST}.")
    return tuple(map(int, value))


class BitSlices(AbstractHolding):
    """W = sum_s 2^(bits below s) W_s: the magnitude in bits, some of them in each slice,
    the most significant first; signs are those of the devices.

        n = floor(|W| (2^B - 1) / w_max + 1/2),   B = sum_s bits_s

    Each slice is a tile with converters of its own. Slice s holds its code as a part of
    the range of its devices, so that two bits have four levels. What the slices read is
    shifted and added up digitally. Weights are rounded to 2^B - 1 levels of either sign.
    Pulses for vectors x and d are refused, since no carry goes from slice to slice.

    Attributes:
        bits: bits of each slice.
    """

    bits: tuple[int, ...] = field(_as_bits, default=(4, 4), static=True, kw_only=False)

    def reach(self, device: AbstractDevice) -> Scalar:
        return signed(device)

    def nearest(self, weight: Float[Array, "..."], device: AbstractDevice) -> Float[Array, "..."]:
        return _add(_encode(weight, self.bits, top(device)), self.bits)

    def fabricate(self, config: TileConfig, shape: tuple[int, int], *, key: Key) -> "Slices":
        tiles = eqx.filter_vmap(lambda key: init(config, shape, key=key))(jr.split(key, len(self.bits)))
        return Slices(tiles, top(config.built_device), self.bits)


def _encode(weight: Float[Array, "..."], bits: tuple[int, ...], top: Scalar) -> Float[Array, "slice ..."]:
    """The weights of each slice."""
    full = 2 ** sum(bits) - 1
    code = jnp.clip(jnp.floor(jnp.abs(weight) / top * full + 0.5), 0, full).astype(jnp.int32)
    signed_top = jnp.sign(weight) * top
    below = [sum(bits[n + 1 :]) for n in range(len(bits))]
    parts = [((code >> shift) & (2**own - 1)).astype(weight.dtype) / (2**own - 1) for own, shift in zip(bits, below, strict=True)]
    return jnp.stack([part * signed_top for part in parts])


def _add(slices: Float[Array, "slice ..."], bits: tuple[int, ...]) -> Float[Array, "..."]:
    """Shift the slices, and add them up."""
    places = [2 ** sum(bits[n + 1 :]) * (2**own - 1) / (2 ** sum(bits) - 1) for n, own in enumerate(bits)]
    return jnp.tensordot(jnp.asarray(places, slices.dtype), slices, 1, precision="highest")


class Slices(AbstractGroup):
    """Tiles that hold a matrix in slices of bits.

    Attributes:
        held: the tiles, the most significant first.
        top: w_max, the weight of the largest code.
        bits: bits of each.
    """

    axes: ClassVar[int] = 1

    held: AbstractHardware
    top: Float[Array, "..."]
    bits: tuple[int, ...] = eqx.field(static=True)

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in) of the matrix."""
        return self.held.shape

    @property
    def weight(self) -> Weights:
        """The matrix that is read, [out, in]."""
        return _add(jnp.moveaxis(self.held.weight, -3, 0), self.bits)

    @property
    def trains(self) -> bool:
        """False: no carry goes from slice to slice."""
        return False

    def each(self, verb: Callable[..., Any], **given: Any) -> Any:
        """Apply a verb to each tile: a matrix is encoded, and vectors are the same for all.

        Raises:
            TypeError: the verb pulses vectors x and d.
        """
        if given.get("x") is not None and given.get("d") is not None:
            raise TypeError(
                f"bit slices {self.bits} take no pulses for vectors x and d, since no carry goes from slice to slice. Train the "
                "model before you convert it to slices, and program it."
            )
        shares = {name: self._share(name, value) for name, value in given.items()}
        axes = {name: None if name in ("x", "d") or value is None else 0 for name, value in given.items()}
        return eqx.filter_vmap(lambda tile, given: tile.each(verb, **given), in_axes=(0, axes))(self.held, shares)

    def _share(self, name: str, value: Any) -> Any:
        if value is None or name in ("x", "d"):
            return value
        return jr.split(value, len(self.bits)) if name == "key" else _encode(value, self.bits, self.top)

    def outputs(self, y: Float[Array, "slice ..."], x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        """Sum of the reads of the slices, each shifted by its bits."""
        return _add(y, self.bits)

    def inputs(self, x: Float[Array, "slice ..."], d: Float[Array, "... out"]) -> Float[Array, "... in"]:
        """Sum of the reads of the slices, each shifted by its bits."""
        return _add(x, self.bits)
