"""Writing the weights of a network into its devices."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar, overload

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import PyTree

from ..._random import stream
from ..._types import Key, Weight, Weights
from ...noise import AbstractNoiseModel
from ...programming import AbstractMethod, Chain, Solution
from ...programming import program as program_tile
from ...tile import Tile, init, read_as, set_weights
from ...upkeep import apply_programming_noise as write
from ..group import AnyTile
from ..layers import Linear, map_layers_with_keys

__all__ = ["apply_programming_noise", "program"]


Model = TypeVar("Model")
Start = Literal["zero", "reset", "present"]
Method = AbstractMethod | Chain


@overload
def program(
    model: Model, method: Method, *, key: Key, max_steps: int, start: Start = ..., with_record: Literal[False] = ..., **options: Any
) -> Model: ...
@overload
def program(
    model: Model, method: Method, *, key: Key, max_steps: int, start: Start = ..., with_record: Literal[True], **options: Any
) -> tuple[Model, dict[str, Solution]]: ...
def program(
    model: PyTree,
    method: Method,
    *,
    key: Key,
    max_steps: int,
    start: Start = "zero",
    with_record: bool = False,
    **options: Any,
) -> Any:
    """Program the targets of all layers into their tiles.

    Pure: `jax.vmap` over keys makes a network on as many chips. With `start="zero"` each
    key is a chip of its own, and devices that `stick` broke are gone with the old one.

    Args:
        model: a model with layers on tiles. A layer without a target is programmed to
            the weights that it holds.
        method: a method or a chain of them, as for `jaxtile.program`.
        key: of the chips and their runs; layer n draws from `fold_in(key, n)`.
        max_steps: pulse steps of each tile, at most.
        start: "zero": fabricate the tiles anew, and begin with weights of zero. "reset":
            keep the devices, the stuck ones among them, and begin with weights of zero.
            "present": begin with the tiles as they stand.
        with_record: also return the `Solution` of each layer, by path; of a layer on a
            grid, those of all its tiles, with leading axes [row, column].
        **options: of `jaxtile.program`, such as `tolerance` and `compensation`.

    Raises:
        ValueError: `start` is unknown.
    """
    begin: dict[str, Callable[[AnyTile, Key], AnyTile]] = {
        "zero": lambda tile, key: tile.change(_fabricate, key=key),
        "reset": lambda tile, key: tile.change(set_weights, weight=jnp.zeros(tile.shape)),
        "present": lambda tile, key: tile,
    }
    if start not in begin:
        raise ValueError(
            f"start={start!r} is unknown; choose 'zero', which fabricates the tiles anew, 'reset', which keeps their devices, or "
            "'present', which keeps their weights, too."
        )
    record: dict[str, Solution] = {}
    alike = {"method": method, "max_steps": max_steps} | options

    def each(path: str, layer: Linear, key: Key) -> Linear:
        target = _target(layer)
        tile = begin[start](layer.tile, stream(key, 0))
        record[path] = tile.each(eqx.Partial(program_tile, **alike), target=target, key=stream(key, 1))
        return layer.replace(tile=tile.with_tiles(record[path].tile), target=target)

    programmed = map_layers_with_keys(each, model, key)
    return (programmed, record) if with_record else programmed


def _fabricate(tile: Tile, *, key: Key) -> Tile:
    return init(tile.config, tile.shape, key=key)


def apply_programming_noise(model: PyTree, noise_model: AbstractNoiseModel, *, key: Key) -> PyTree:
    """Write the targets of all layers into statistical devices, as
    `jaxtile.apply_programming_noise` does for a tile.

    Args:
        model: a model with layers on tiles. A layer without a target writes the weights
            that it holds.
        noise_model: one of `jaxtile.noise`.
        key: of the writes; layer n draws from `fold_in(key, n)`.
    """

    def written(tile: Tile, *, target: Weight, key: Key) -> Tile:
        return write(read_as(tile, target), noise_model, key=key)

    def each(path: str, layer: Linear, key: Key) -> Linear:
        target = _target(layer)
        return layer.replace(tile=layer.tile.change(written, target=target, key=key), target=target)

    return map_layers_with_keys(each, model, key)


def _target(layer: Linear) -> Weights:
    return layer.tile.weight if layer.target is None else layer.target
