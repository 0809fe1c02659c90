"""Statistics of normalisation layers, measured anew on a chip."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..._random import as_key
from ..._types import Key
from ..training import as_arrays

__all__ = ["renormalise"]


def renormalise(model: PyTree, state: eqx.nn.State, x: Any, call: Callable[..., Any] | None = None, *, key: Key) -> eqx.nn.State:
    """The state of a model whose `equinox.nn.BatchNorm` layers have the statistics of
    these inputs on these chips: what programming and age have shifted, they take away.

    The layers see one batch, and forget what they knew. `LayerNorm`, `GroupNorm` and
    `RMSNorm` measure each sample, and need nothing.

    Args:
        model: a model as it is now.
        state: of `equinox.nn.make_with_state`.
        x: inputs of the model, as many as can be read.
        call: `(model, x, state, *, key)` runs the model in training, without modifiers,
            and returns outputs and state; None: `model(x, state)` of each sample, mapped
            with the axis name of its norms.
        key: of the reads, for `call`.

    Raises:
        TypeError: the model has no such layer.
    """
    norms = [node for node in jax.tree.leaves(model, is_leaf=_is_norm) if _is_norm(node)]
    if not norms:
        raise TypeError(f"model={type(model).__name__} has no equinox.nn.BatchNorm: no other layer keeps statistics of batches.")
    (x,) = as_arrays("x", (x,))

    def mapped(model: PyTree, x: Any, state: eqx.nn.State, *, key: Key) -> Any:
        each = jax.vmap(lambda x: model(x, state), axis_name=norms[0].axis_name, out_axes=(0, None))
        return each(x)

    state = jax.tree.map(lambda leaf: leaf, state)  # equinox uses up a state that is written to; the given one is kept
    for norm in norms:
        state = _forgotten(norm, state)
    return (call or mapped)(_measuring(model), x, state, key=as_key(key))[1]


def _is_norm(node: Any) -> bool:
    return isinstance(node, eqx.nn.BatchNorm)


def _forgotten(norm: eqx.nn.BatchNorm, state: eqx.nn.State) -> eqx.nn.State:
    """The state before the first batch, of which a norm keeps just the next one."""
    if norm.ema_first_time_index is not None:
        return state.set(norm.ema_first_time_index, jnp.asarray(True))
    assert norm.batch_counter is not None
    assert norm.batch_state_index is not None
    nothing = jax.tree.map(jnp.zeros_like, state.get(norm.batch_state_index))
    return state.set(norm.batch_counter, jnp.asarray(0)).set(norm.batch_state_index, nothing)


def _measuring(model: PyTree) -> PyTree:
    """The model as it is used, but for its norms, which see the batch."""
    still = eqx.nn.inference_mode(model)
    return jax.tree.map(lambda node: eqx.nn.inference_mode(node, False) if _is_norm(node) else node, still, is_leaf=_is_norm)
