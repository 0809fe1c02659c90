"""Tiles with other converters: with the range of their ADCs from the vectors that they
read, and with perfect reads backward.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._numerics import divisor
from ..._types import Key, Scalar
from ...periphery import IOParameters
from ...periphery.converter import step_of
from ...tile import Tile, forward

__all__ = ["with_adc_range", "with_perfect_backward"]


def with_adc_range(tile: Tile, *, part: Scalar, x: Float[Array, "n in"], key: Key) -> Tile:
    """The tile whose ADCs hold the given part of their inputs for these vectors: what
    noise management has scaled, without the passes of bound management.

    Args:
        tile: the tile; perfect reads have no ADC.
        part: which part.
        x: the vectors.
        key: of the reads.
    """
    io = tile.config.forward
    if io.is_perfect:
        return tile
    endless = dataclasses.replace(io, out_bound=jnp.full_like(io.out_bound, jnp.inf), bound_management=None, out_scale=None)
    y = forward(_with(tile, forward=endless), x, key=key)
    if io.noise_management is not None:
        known = {"inp_step": step_of(io.inp_res, io.inp_bound), "out_bound": io.out_bound, "average": tile.now.forward}
        y = y / divisor(io.noise_management.alpha(x, **known))
    reach = jnp.quantile(jnp.abs(y), part.astype(y.dtype))
    # A tile that reads only zeros keeps its range.
    return _with(tile, forward=dataclasses.replace(io, out_bound=jnp.where(reach > 0, reach, io.out_bound)))


def with_perfect_backward(tile: Tile) -> Tile:
    """The tile whose reads backward draw nothing."""
    return _with(tile, backward=dataclasses.replace(tile.config.backward, is_perfect=True))


def _with(tile: Tile, **directions: IOParameters) -> Tile:
    return dataclasses.replace(tile, config=dataclasses.replace(tile.config, **directions))
