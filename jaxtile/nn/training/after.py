"""A layer after the pulses of a step: it observes the batch, and time passes."""

from typing import NamedTuple

from ..._random import Source, stream
from ..._types import Key, Scalar
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
    """The things that the devices of a tile do by themselves."""
    device = tile.device
    return Due(device.diffuses, device.decays, device.drifts)


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
