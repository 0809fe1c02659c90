"""`convert`: a model of equinox, with its matrices on tiles."""

import dataclasses
import re
from collections.abc import Callable
from collections.abc import Mapping as Rules
from typing import Any

import equinox as eqx
import jax.tree_util as jtu
from jaxtyping import PyTree

from .._random import as_key, stream
from .._types import Key, finite_array
from ..tile import TileConfig
from .converted import Cell, Conv, MultiheadAttention
from .layers import EachSample, Linear, path_of
from .rule import Rule

__all__ = ["convert"]


def _linear(layer: eqx.nn.Linear, rule: Rule, *, key: Key) -> Linear:
    if "scalar" in (layer.in_features, layer.out_features):
        raise TypeError("takes or gives scalars, which are no lines of an array; use a width of 1")
    return rule.place(layer.weight, layer.bias, key=key)


def _transposed(layer: eqx.nn.ConvTranspose, rule: Rule, *, key: Key) -> Any:
    raise TypeError("has no layer on tiles; leave it digital by a rule with None")


def _of_its_own(layer: Any, rule: Rule, *, key: Key) -> Any:
    raise TypeError(
        "has a __call__ of its own, which tiles would not run; leave it digital by a rule with None, or let your module hold a "
        "layer of equinox"
    )


LAYERS: dict[type, Callable[..., Any]] = {
    eqx.nn.Linear: _linear,
    eqx.nn.Conv: Conv.of,
    eqx.nn.ConvTranspose: _transposed,
    eqx.nn.LSTMCell: Cell.of,
    eqx.nn.GRUCell: Cell.of,
    eqx.nn.MultiheadAttention: MultiheadAttention.of,
}


def _bare(node: Any) -> Any:
    """The layer of equinox in a `Sequential`, which maps it over samples."""
    return node.layer if isinstance(node, EachSample) else node


def _maker(node: Any) -> Callable[..., Any] | None:
    """The function that converts a node; None: there is none."""
    layer = _bare(node)
    kind = next((kind for kind in LAYERS if isinstance(layer, kind)), None)
    return None if kind is None else LAYERS[kind] if type(layer).__call__ is kind.__call__ else _of_its_own


def _has_maker(node: Any) -> bool:
    return _maker(node) is not None


def convert(
    model: PyTree,
    rules: Rules[str, TileConfig | Rule | None],
    *,
    max_shape: tuple[int, int] | None = None,
    key: Key,
) -> PyTree:
    """Put the matrices of a model of equinox on tiles.

        chip = jt.nn.convert(model, {"layers.0": None, "layers.*": config}, key=key)

    Each weight is written as it is, clipped to what its device holds, and kept as the
    target of its layer. Converted are `Linear`, `Conv1d`, `Conv2d`, `Conv3d`,
    `LSTMCell`, `GRUCell` and the projections of `MultiheadAttention`. Each takes what
    the layer of equinox takes, and also a batch. All else stays digital.

    Layers whose calls get no key, as those of `equinox.nn.MLP`, read noise by
    `jaxtile.nn.with_key`.

    Args:
        model: a module of equinox.
        rules: for patterns of paths such as "layers.0" a `TileConfig`, a `Rule`, or None
            for layers that stay digital. The first pattern that matches wholly counts.
            What matches none stays digital, and so does the model itself.
        max_shape: (out, in) of the largest array, for rules that have none.
        key: of the chips; layer n gets `fold_in(key, n)`, whatever the rules.

    Raises:
        TypeError: a layer cannot be converted, or a rule is none.
        ValueError: a rule matches no layer, or weights are not finite.
    """
    key, known = as_key(key), {pattern: _as_rule(pattern, rule, max_shape) for pattern, rule in rules.items()}
    nodes = jtu.tree_leaves_with_path(model, is_leaf=_has_maker)
    paths = [path_of(path) for path, node in nodes if path and _has_maker(node)]
    idle = [pattern for pattern in known if not any(re.fullmatch(pattern, path) for path in paths)]
    if idle or not known:
        raise ValueError(
            f"rules={', '.join(map(repr, idle)) or '{}'} match none of the layers that tiles can hold: "
            f"{', '.join(paths) or 'there is none below the model itself'}."
        )

    def each(path: tuple[Any, ...], node: Any) -> Any:
        name, make = path_of(path), _maker(node)
        rule = next((rule for pattern, rule in known.items() if re.fullmatch(pattern, name)), None)
        if not path or make is None or rule is None:
            return node
        for at, leaf in jtu.tree_leaves_with_path(eqx.filter(node, eqx.is_inexact_array)):
            finite_array(leaf, None, f"{name}.{path_of(at)}")
        try:
            return make(_bare(node), rule, key=stream(key, paths.index(name)))
        except TypeError as error:
            raise TypeError(f"{name}, a {type(_bare(node)).__name__}, {error}.") from None

    return jtu.tree_map_with_path(each, model, is_leaf=_has_maker)


def _as_rule(pattern: str, rule: Any, max_shape: tuple[int, int] | None) -> Rule | None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"rules has the pattern {pattern!r}, which is no regular expression: {error}.") from None
    if rule is None:
        return None
    if not isinstance(rule, Rule | TileConfig):
        raise TypeError(f"rules[{pattern!r}]={rule!r} is no rule; pass a TileConfig, a jaxtile.nn.Rule, or None.")
    rule = rule if isinstance(rule, Rule) else Rule(rule)
    return rule if rule.max_shape is not None else dataclasses.replace(rule, max_shape=max_shape)
