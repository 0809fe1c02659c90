"""Losses and metrics of classifiers: functions `(model, x, y, *, key) -> scalar`."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from ..._types import AnyArray, Key, Scalar, number_array

__all__ = ["accuracy", "cross_entropy"]


def cross_entropy(model: PyTree, x: AnyArray, y: Int[AnyArray, " n"], *, key: Key | None = None) -> Scalar:
    """Mean over the batch of the negative log likelihood of the labels, where the model
    returns logits.

    Args:
        model: called as `model(x, key=key)`.
        x: a batch.
        y: the labels, whole numbers from 0.
        key: of the reads.
    """
    logits = model(x, key=key)
    likelihood = jnp.take_along_axis(jax.nn.log_softmax(logits), _labels(y, logits)[:, None], axis=1)
    return -jnp.mean(likelihood)


def accuracy(model: PyTree, x: AnyArray, y: Int[AnyArray, " n"], *, key: Key | None = None) -> Scalar:
    """Share of the samples whose largest output is that of the label; NaN if an output
    is.

    Args:
        model: called as `model(x, key=key)`.
        x: a batch.
        y: the labels, whole numbers from 0.
        key: of the reads.
    """
    outputs = model(x, key=key)
    right = (jnp.argmax(outputs, axis=1) == _labels(y, outputs)).astype(outputs.dtype)
    return jnp.mean(jnp.where(jnp.isnan(jnp.max(outputs, axis=1)), jnp.nan, right))


def _labels(y: Any, outputs: Float[Array, "n classes"]) -> Int[Array, " n"]:
    y = number_array(y, "y")
    if not jnp.issubdtype(y.dtype, jnp.integer) or y.shape != outputs.shape[:1]:
        raise TypeError(
            f"y is {y.dtype}{list(y.shape)}; labels are whole numbers, one for each of the {outputs.shape[0]} samples: "
            "y.astype(int), or y.argmax(axis=1) of one-hot vectors."
        )
    y = y.astype(jnp.int32)
    return jnp.where(y < 0, outputs.shape[1], y)  # no label counts from the end; the likelihood of one beyond is NaN
