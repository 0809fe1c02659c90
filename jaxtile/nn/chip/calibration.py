"""Ranges of inputs and of ADCs from data."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PyTree

from ..._random import as_key
from ..._types import Key, Real, as_number
from ...digital.input_range import InputRange
from ...fields import recheck
from ..gradient.pairs import evaluate, factors, find, layers_of, probes
from ..layers import Linear, layers, map_layers, map_layers_with_keys
from ..training import as_arrays
from .converters import with_adc_range, with_perfect_backward

__all__ = ["calibrate"]


def calibrate(
    model: PyTree,
    x: Any,
    call: Callable[..., Any] | None = None,
    *,
    quantile: Real = 1.0,
    adc_quantile: Real | None = None,
    key: Key | None = None,
) -> PyTree:
    """The model whose layers have ranges from data: +-r holds the given part of their
    inputs, and the range of the ADCs of each tile the given part of what they convert.

    Each layer sees what the layers before it return without the new ranges.

    Args:
        model: a model with layers on tiles.
        x: inputs of the model.
        call: `(model, x, *, key)` runs the model; None: it is called so itself. For a
            model of one sample pass `lambda model, x, *, key: jax.vmap(model)(x)`.
        quantile: part of the |inputs| of a layer that its range holds.
        adc_quantile: part of the |outputs| of each tile, as noise management has scaled
            them, that its ADCs hold; None: leave ADCs as they are.
        key: of the reads; None: nothing is drawn.

    Raises:
        ValueError: the model does not call a layer, or a quantile is not within 0 and 1,
            or reads draw and there is no key.
    """
    part = as_number("quantile", quantile, low=0.0, high=1.0, open=True)
    adc_part = None if adc_quantile is None else as_number("adc_quantile", adc_quantile, low=0.0, high=1.0, open=True)
    key = None if key is None else as_key(key)
    (x,) = as_arrays("x", (x,))
    seen = _inputs(eqx.nn.inference_mode(model), x, call or (lambda model, x, *, key: model(x, key=key)), key)
    idle = [path for path in layers(model) if path not in seen]
    if idle:
        raise ValueError(
            f"x never reaches {', '.join(idle)}, so nothing is known of their range; pass inputs for which the model calls them."
        )

    def each(path: str, layer: Linear, own: Key) -> Linear:
        reach = jnp.quantile(jnp.abs(seen[path]), part.astype(seen[path].dtype))
        rule = InputRange() if layer.input_range is None else layer.input_range
        # A layer that sees only zeros keeps its range. None is found anew when training begins.
        found = jnp.where(reach > 0, reach, rule.input_range).astype(rule.input_range.dtype)
        ranged = layer.replace(input_range=dataclasses.replace(rule, input_range=found, updates=rule.init_from_data))
        recheck(ranged)
        if adc_part is None:
            return ranged
        if key is None and layer.tile.config.forward.draws:
            raise ValueError(f"the reads of {path} draw noise, which its ADCs see: pass key= to calibrate.")
        tile = ranged.tile.change(with_adc_range, options={"part": adc_part}, x=ranged.driven(seen[path]), key=own)
        return ranged.replace(tile=tile)

    return map_layers_with_keys(each, model, jr.key(0) if key is None else key)


def _inputs(model: PyTree, x: Array, call: Callable[..., Any], key: Key | None) -> dict[str, Float[Array, "n in"]]:
    """The inputs of each layer that is called, in the order of the calls."""

    def marked_as(path: str, layer: Linear) -> Linear:
        # Nobody reads backward here, so that no key is asked for that.
        return layer.replace(name=path, weights="pulsed", tile=layer.tile.change(with_perfect_backward))

    marked = map_layers(marked_as, model)
    given, static = eqx.partition((marked, x, key), eqx.is_array)
    flat, treedef = jax.tree.flatten(given)

    def run(*flat: Any) -> Any:
        marked, x, key = eqx.combine(jax.tree.unflatten(treedef, flat), static)
        return eqx.filter(call(marked, x, key=key), eqx.is_array)

    closed = jax.make_jaxpr(run)(*flat)
    reads = find(closed.jaxpr)
    nothing = probes(reads)
    _, records = evaluate(closed.jaxpr, closed.consts, flat, iter(nothing))
    pairs = {path: factors(reads, records, nothing, path) for path in layers_of(reads)}
    return {path: pair.x[:, : layers(model)[path].in_features] if pair.seen is None else pair.seen for path, pair in pairs.items()}
