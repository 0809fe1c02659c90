"""The parts of a model that training changes."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.tree_util as jtu
from jaxtyping import PyTree

from ..._types import Weight
from ...tile import Tile
from ..group import AnyTile
from ..layers import Linear, is_part, layers, path_of
from .factors import Factors

__all__ = ["digital", "entries", "only", "put", "trainable"]


def trainable(model: PyTree) -> PyTree:
    """The parts of a model that are trained, in its own structure.

    A tile is one entry, or, where its weights are digital, their array. Beside it stand
    the bias, the output scales and the input range (if it is learned) of each layer. So
    do the floating-point arrays of other modules. All else is None: configurations,
    chips, mapping and drift scales.

    Put None in the place of an entry to freeze it. A frozen tile sends nothing: even a d
    of zero would fire the lines of x, which disturb.

    Args:
        model: the model.

    Raises:
        TypeError: a layer holds its weights so that they are not trained.
    """
    for path, layer in layers(model).items():
        if not layer.tile.trains:
            raise TypeError(
                f"{path} holds its weights in bit slices, which cannot be trained: no carry goes from slice to slice. Train the "
                "model before you convert it to slices, and write it by jaxtile.nn.program."
            )
    return jax.tree.map(_trained, model, is_leaf=is_part)


def _trained(node: Any) -> Any:
    if isinstance(node, Linear):
        tile = node.tile if node.weights == "pulsed" else node.tile.weight
        parts = dict.fromkeys(node.__dataclass_fields__) | {"weights": node.weights, "bias_on_tile": node.bias_on_tile}
        rule = node.input_range
        ranges = rule.only_learned() if rule is not None and rule.learn_input_range else None
        return node.with_parts(**parts | {"tile": tile, "bias": node.bias, "out_scales": node.out_scales, "input_range": ranges})
    return node if eqx.is_inexact_array(node) else None


def digital(parts: PyTree) -> PyTree:
    """The entries that are arrays; tiles are None."""
    return jax.tree.map(lambda entry: None if _is_entry(entry) else entry, parts, is_leaf=_is_entry)


def entries(parts: PyTree) -> dict[str, Any]:
    """The entries by path."""
    found = jtu.tree_leaves_with_path(parts, is_leaf=_is_entry)
    return {path_of(path): entry for path, entry in found}


def only(parts: PyTree, frozen: tuple[str, ...]) -> PyTree:
    """The same without the entries of some paths."""
    return jtu.tree_map_with_path(lambda path, entry: None if path_of(path) in frozen else entry, parts, is_leaf=_is_entry)


def _is_entry(node: Any) -> bool:
    return isinstance(node, AnyTile | Factors)


def put(model: PyTree, arrays: PyTree, write: Callable[[Tile, Weight], Tile]) -> PyTree:
    """The model with other arrays; None leaves a part as it is.

    Args:
        model: the model.
        arrays: in the structure of `trainable(model)`.
        write: puts digital weights into a tile.
    """

    def each(node: Any, new: Any) -> Any:
        if not isinstance(node, Linear):
            return node if new is None else new
        if new is None:
            return node
        parts = {name: getattr(new, name) for name in ("bias", "out_scales") if getattr(new, name) is not None}
        if new.tile is not None:
            parts["tile"] = node.tile.change(write, weight=new.tile)
            parts["target"] = None if node.target is None else new.tile
        if new.input_range is not None:
            parts["input_range"] = eqx.tree_at(lambda old: old.input_range, node.input_range, new.input_range.input_range)
        return node.replace(**parts)

    return jax.tree.map(each, model, arrays, is_leaf=is_part)
