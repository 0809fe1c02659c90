"""A layer after the pulses of a step: it observes the batch, and time passes."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import jax.tree_util as jtu

from ..._random import Source, stream
from ..._types import Key, Scalar, is_concrete
from ...tile import observe
from ...upkeep import decay, diffuse, drift
from ..gradient import Factors
from ..group import AnyTile
from ..layers import Linear

__all__ = ["Due", "after", "due"]


class Due(NamedTuple):
    """True for each thing that the devices of a tile do once a step."""

    diffuse: bool
    decay: bool
    drift: bool


def due(tile: AnyTile) -> Due:
    """The things that the devices of a tile do by themselves. Numbers that cannot be looked
    at, under a trace, are taken to be above zero.
    """
    return Due(_has(tile, "diffusion"), _has(tile, "lifetime"), tile.device.drifts)


def _has(tile: AnyTile, name: str) -> bool:
    numbers: list[Any] = [leaf for path, leaf in jtu.tree_leaves_with_path(tile.device) if getattr(path[-1], "name", None) == name]
    return any(not is_concrete(number) or bool(jnp.any(number > 0)) for number in numbers)


def after(layer: Linear, pair: Factors, due: Due, step_time: Scalar, key: Key) -> Linear:
    """The layer once it has observed a batch, and its devices have had a step of time: as
    in aihwkit they diffuse, and then decay; drift comes last.
    """
    tile = layer.tile.change(observe, x=pair.x, d=pair.d)
    if due.diffuse:
        tile = tile.change(diffuse, key=stream(key, Source.UPKEEP))
    if due.decay:
        tile = tile.change(decay, key=stream(key, Source.UPKEEP, 1))
    if due.drift:
        tile = tile.change(drift, options={"time": step_time}, key=stream(key, Source.UPKEEP, 2))
    ranges = layer.input_range if layer.input_range is None or pair.seen is None else layer.input_range.observe(pair.seen)
    target = None if layer.target is None else tile.weight  # what programming is to write from now on
    return layer.replace(tile=tile, input_range=ranges, target=target)
