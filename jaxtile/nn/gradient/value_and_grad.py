"""`value_and_grad`: the gradient of a loss, with a pair at each tile."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Jaxpr
from jaxtyping import PyTree

from ..._types import Scalar
from ...tile import read_as
from ..layers import Linear, layers, map_layers
from .bypass import sources
from .factors import Factors
from .pairs import evaluate, factors, find, layers_of, marks_of, probes
from .trainable import digital, put, trainable

__all__ = ["value_and_grad"]

Loss = Callable[..., Scalar]


def value_and_grad(loss: Loss) -> Callable[..., tuple[Scalar, PyTree]]:
    """The function that gives the loss and its gradient with respect to the model.

        value, grads = jt.nn.value_and_grad(loss)(model, x, y, key=key)

    The gradient has the structure of `jaxtile.nn.trainable(model)`, with `Factors` in
    the place of each tile. These are the vectors that it has read, and the gradients
    with respect to the outputs, in the order of the calls. With ideal reads their d^T x
    is what `jax.grad` gives for the weights.

    Args:
        loss: `(model, *args, **kwargs) -> scalar`: the mean over the batch. It is traced
            once.
    """

    def gradient(model: PyTree, *args: Any, **kwargs: Any) -> tuple[Scalar, PyTree]:
        known, arrays = layers(model), digital(trainable(model))
        marked = map_layers(lambda path, layer: layer.replace(name=path), model)
        args, kwargs = jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, np.ndarray) else leaf, (args, kwargs))
        given, static = eqx.partition((arrays, marked, args, kwargs), eqx.is_array)
        flat, treedef = jax.tree.flatten(given)

        def program(*flat: Any) -> Scalar:
            arrays, marked, args, kwargs = eqx.combine(jax.tree.unflatten(treedef, flat), static)
            return _scalar(loss(put(marked, arrays, read_as), *args, **kwargs))

        closed = jax.make_jaxpr(program)(*flat)
        reads = find(closed.jaxpr)
        _check(reads, known)
        _check_bypass(closed.jaxpr, flat, known)
        first = len(jax.tree.leaves(arrays))

        def run(trained: list[Any], own: list[Any]) -> tuple[Scalar, list[Any]]:
            outs, records = evaluate(closed.jaxpr, closed.consts, [*trained, *flat[first:]], iter(own))
            return outs[0], records

        differentiate = jax.value_and_grad(run, argnums=(0, 1), has_aux=True)
        (value, records), (of_arrays, ds) = differentiate(flat[:first], probes(reads))

        def with_pairs(path: str, layer: Linear) -> Linear:
            pulsed = layer.weights == "pulsed"
            return layer.with_parts(tile=_pairs(reads, records, ds, path, known[path])) if pulsed else layer

        return value, map_layers(with_pairs, jax.tree.unflatten(jax.tree.structure(arrays), of_arrays))

    return gradient


def _pairs(reads: list[Any], records: list[Any], ds: list[Any], path: str, layer: Linear) -> Factors:
    if path in layers_of(reads):
        return factors(reads, records, ds, path)
    out, width = layer.tile.shape
    return Factors(jnp.zeros((0, width), layer.tile.weight.dtype), jnp.zeros((0, out), layer.tile.weight.dtype))


def _scalar(value: Any) -> Scalar:
    if not (eqx.is_array(value) and value.shape == () and jnp.issubdtype(value.dtype, jnp.floating)):
        kind = f"{value.dtype}{list(value.shape)}" if eqx.is_array(value) else repr(value)
        raise TypeError(f"loss returned {kind}; it must return a scalar, the mean over the batch, such as jnp.mean(losses).")
    return value


def _check(reads: list[Any], known: dict[str, Linear]) -> None:
    called, pulsed = list(marks_of(reads)), [path for path, layer in known.items() if layer.weights == "pulsed"]
    if pulsed and not called:
        raise ValueError(
            f"loss reads none of the layers {', '.join(pulsed)}: it must call the model that it is given, not one from elsewhere."
        )
    times = Counter(mark.name for mark in called)
    for mark in called:
        if mark.stored and times[mark.name] > 1:
            raise ValueError(
                f"{mark.name} is called {times[mark.name]} times with the one key that jaxtile.nn.with_key stored. All its reads "
                "would have the same noise: pass each call a key of its own."
            )


def _check_bypass(jaxpr: Jaxpr, flat: list[Any], known: dict[str, Linear]) -> None:
    """Refuse a loss that uses the weights of a tile beside reading it."""
    pulsed = {path: layer for path, layer in known.items() if layer.weights == "pulsed"}
    owners = {id(leaf): path for path, layer in pulsed.items() for leaf in jax.tree.leaves(layer.tile.now.state)}
    beside = sources(jaxpr, [frozenset([owners[id(leaf)]] if id(leaf) in owners else []) for leaf in flat])[0]
    if beside:
        raise ValueError(
            f"loss uses the weights of {', '.join(sorted(beside))} in another way than by calling the layer, such as a penalty or "
            "jaxtile.forward. Pulses would not follow that part of the gradient: leave it out, or put jax.lax.stop_gradient around "
            'it. In a layer with weights="digital" it is allowed.'
        )
