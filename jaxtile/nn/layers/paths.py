"""The layers of a model, by path."""

from collections.abc import Callable
from typing import Any

import jax
import jax.tree_util as jtu
from jaxtyping import PyTree

from ..._random import as_key, stream
from ..._types import Key
from ...fields import Checked
from ...tile import Tile
from .linear import Linear

__all__ = ["check_apart", "is_part", "layers", "map_layers", "map_layers_with_keys", "path_of", "with_key"]


def is_part(node: Any) -> bool:
    """True for what a model is taken apart into: layers, and hardware without one."""
    return isinstance(node, Linear | Tile | Checked)


def layers(model: PyTree) -> dict[str, Linear]:
    """The layers of a model that hold tiles, by their paths, such as "layers.0".

    Raises:
        TypeError: there is none, or a tile stands outside of any.
        ValueError: two layers share a tile.
    """
    found = parts_of(model)
    if not found:
        raise TypeError(f"model={type(model).__name__} holds no tile; build it of layers such as jaxtile.nn.Linear.")
    for path, node in found.items():
        if isinstance(node, Tile):
            raise TypeError(
                f"{path} is a tile without a layer, which hands out no pairs; wrap it by jaxtile.nn.Linear.around(tile)."
            )
    check_apart(model)
    return found


def parts_of(model: PyTree) -> dict[str, Any]:
    """The layers of a model, and tiles that stand alone, by path."""
    found = jtu.tree_leaves_with_path(model, is_leaf=is_part)
    return {path_of(path): node for path, node in found if isinstance(node, Linear | Tile)}


def check_apart(model: PyTree) -> None:
    """Refuse two layers of one tile, which would train two copies of it.

    They are told by identity, which arguments of `jax.jit` lose. So `Sequential` checks when
    it is made, and `train`, `trainable` and `Optimizer.init` check what they are given.
    """
    owners: dict[tuple[int, ...], str] = {}
    for path, node in parts_of(model).items():
        other = owners.setdefault(tuple(map(id, jax.tree.leaves(getattr(node, "tile", node)))), path)
        if other != path:
            raise ValueError(
                f"{other} and {path} share a tile, and would train two copies of it. Give each a tile of its own, or keep one "
                "layer and call it twice: `equinox.nn.Shared` keeps one layer that stands in two places."
            )


def path_of(path: tuple[Any, ...]) -> str:
    """A path as "layers.0"; that of a model which is itself a layer is "model"."""
    names = (str(next(getattr(key, name) for name in ("name", "idx", "key") if hasattr(key, name))) for key in path)
    return ".".join(names) or "model"


def map_layers(change: Callable[[str, Linear], Any], model: PyTree) -> PyTree:
    """The model with each layer changed; `change` is given its path and itself."""

    def each(path: tuple[Any, ...], node: Any) -> Any:
        return change(path_of(path), node) if isinstance(node, Linear) else node

    return jtu.tree_map_with_path(each, model, is_leaf=is_part)


def map_layers_with_keys(change: Callable[[str, Linear, Key], Any], model: PyTree, key: Key) -> PyTree:
    """The model with each layer changed; `change` is given its path, itself and a key of
    its own, for layer n `fold_in(key, n)`.
    """
    key, order = as_key(key), list(layers(model))
    return map_layers(lambda path, layer: change(path, layer, stream(key, order.index(path))), model)


def with_key(model: PyTree, key: Key) -> PyTree:
    """The model with a key stored in each layer, for calls that pass none.

    A layer that is called several times needs a key for each call: pass those.

    Args:
        model: the model.
        key: of the layers; layer n gets `fold_in(key, n)`.
    """
    return map_layers_with_keys(lambda path, layer, key: layer.replace(key=key), model, key)
