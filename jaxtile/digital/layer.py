"""A linear layer: a tile with the digital scales around it."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Key, Scalar
from ..tile import Tile, forward
from .input_range import InputRange

__all__ = ["Linear"]


class Linear(eqx.Module):
    """y = a s o r T(x / r) + b, with T the read of the tile; every part but the tile
    may be absent.

    A pytree like any other: `eqx.filter_grad` of a loss of it gives the gradients of
    weights (`tile.state`, where that is the weight), range, scales and bias.

    Attributes:
        tile: T.
        input_range: r, which also clips the inputs.
        mapping_scales: s of each output, from `map_weights` or a remap.
        out_scales: o of each output or of all, to be learned.
        drift_scales: a of all outputs or of each, from a drift compensation.
        bias: b of each output.
    """

    tile: Tile
    input_range: InputRange | None = None
    mapping_scales: Float[Array, " out"] | None = None
    out_scales: Float[Array, "..."] | None = None
    bias: Float[Array, " out"] | None = None
    drift_scales: Float[Array, "..."] | None = None

    def __check_init__(self) -> None:
        if self.input_range is not None and self.input_range.output_min_percentage is not None:
            io = self.tile.config.forward
            if io.is_perfect or io.noise_management is not None or io.bound_management is not None:
                raise ValueError(
                    "Linear.input_range has output_min_percentage, for a read with an ADC and with noise_management=None and "
                    f"bound_management=None; the tile has forward={io!r}."
                )

    @property
    def _bound(self) -> Scalar:
        """The range of the outputs of the tile."""
        io = self.tile.config.forward
        return io.out_bound if io.out_scale is None else io.out_bound * jnp.abs(io.out_scale)

    def __call__(self, x: Float[Array, "... in"], *, key: Key) -> Float[Array, "... out"]:
        """Read the layer; the key is that of the read noise."""
        y = forward(self.tile, x if self.input_range is None else self.input_range.scaled(x), key=key)
        if self.input_range is not None:
            y = self.input_range.unscaled(y, self._bound)
        for scales in (self.mapping_scales, self.out_scales, self.drift_scales):
            if scales is not None:
                y = y * scales.reshape((1,) * (y.ndim - 1) + (-1,))
        return y if self.bias is None else y + self.bias.reshape((1,) * (y.ndim - 1) + (-1,))
