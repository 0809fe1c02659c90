"""Layers of a network on tiles as layers of aihwkit."""

import functools
from typing import Any

import jax.numpy as jnp
import torch
from aihwkit.exceptions import ConfigError
from aihwkit.nn import AnalogLinear

import jaxtile as jt
from jaxtile.nn.layers import layers

from ._convert import to_torch
from .transfer import to_analog_tile

__all__ = ["to_analog_layers"]


def to_analog_layers(model: Any, rpu_config: Any = None) -> dict[str, AnalogLinear]:
    """The layers of a model as `AnalogLinear` layers of aihwkit, by path, each with the
    very chip of its tile.

    All digital scales of a layer become aihwkit's mapping scales.

    Args:
        model: a model with layers on tiles.
        rpu_config: what to build, as of `to_analog_tile`; None: the tiles' own.

    Raises:
        ConfigError: aihwkit has no layer like one of them; the message names it.
    """
    return {path: _analog(path, layer, rpu_config) for path, layer in layers(model).items()}


def _analog(path: str, layer: jt.nn.Linear, rpu_config: Any) -> AnalogLinear:
    tile = layer.tile
    if not isinstance(tile, jt.Tile):
        raise ConfigError(
            f"{path} is held by {type(tile).__name__} of {tile.count} tiles, and aihwkit fabricates the tiles of its mapped layers "
            "anew: convert it without max_shape, and with one device for each weight."
        )
    foreign = [name for name in ("input_range", "modifier") if getattr(layer, name) is not None]
    foreign += ["bias_on_tile"] if layer.bias_on_tile else []
    if foreign:
        raise ConfigError(f"{path} has {', '.join(foreign)}, which the tiles of an AnalogLinear without inference have not.")
    try:
        analog_tile = to_analog_tile(tile, rpu_config)
    except (ConfigError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from None
    scales = [each for each in (layer.mapping_scales, layer.out_scales, layer.drift_scales) if each is not None]
    if scales:
        total = functools.reduce(jnp.multiply, [jnp.broadcast_to(jnp.ravel(each), (layer.out_features,)) for each in scales])
        analog_tile.set_mapping_scales(to_torch(total))
    if layer.bias is not None:
        analog_tile.digital_bias, analog_tile.bias = True, torch.nn.Parameter(to_torch(layer.bias))
    made = AnalogLinear(layer.in_features, layer.out_features, layer.bias is not None, analog_tile.rpu_config)
    made.analog_module = analog_tile
    return made
