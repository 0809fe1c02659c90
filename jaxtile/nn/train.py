"""`train`: train a network whose weights live on tiles."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from .._random import as_key
from .._types import Key, Scalar, is_concrete, is_whole
from .best import Best
from .data import as_arrays
from .loop import Batch, State, Training, measure
from .optimizer import Optimizer
from .run import OUTCOMES, Run

__all__ = ["evaluate", "train"]

Function = Callable[..., Scalar]


def train(
    model: PyTree,
    loss: Function,
    data: Any,
    optimizer: Optimizer,
    *,
    key: Key,
    epochs: int,
    batch_size: int = 10,
    test: Any = None,
    metrics: Mapping[str, Function] | None = None,
    parts: PyTree = None,
    best: Best | None = None,
    shuffle: bool = True,
    progress: bool = False,
    throw: bool = True,
) -> Run:
    """Train a model: read, differentiate, pulse, and again, batch by batch.

    Pure: works under `jax.jit`, and under `jax.vmap` over chips, seeds and numbers. A
    second call with the same loss, metrics and optimizer compiles nothing.

    Args:
        model: a module that holds layers of `jaxtile.nn`.
        loss: `(model, x, y, *, key) -> scalar`, the mean over the batch.
        data: arrays (x, y), whose first axes count the samples.
        optimizer: sends the pulses, and moves what is digital.
        key: of epoch n: `fold_in(key, n)`. The same key makes the same run.
        epochs: number of passes over the data.
        batch_size: vectors in a step. A last batch that is short is a step, too.
        test: arrays that metrics are measured on, after each epoch.
        metrics: functions `(model, x, y, *, key) -> scalar` by name, such as
            `jaxtile.nn.accuracy`. Modifiers are off in them.
        parts: what is trained: `jaxtile.nn.trainable(model)` with None in the place of
            each frozen entry; None: all of it.
        best: keeps the model of the best epoch, and may stop early.
        shuffle: draw the order of the samples anew in each epoch.
        progress: show a progress bar.
        throw: raise an error if the loss is not finite, outside of a trace.

    Returns:
        The outcome, see `Run`.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, shape or range; the
            message names it.
        FloatingPointError: the loss became NaN or infinite.
    """
    metrics = dict(metrics or {})
    _check(optimizer, epochs, batch_size, test, metrics, best)
    arrays, judged = as_arrays("data", data), None if test is None else as_arrays("test", test)
    training = Training(model, loss, optimizer, metrics, judged, best, as_key(key), int(epochs), int(batch_size), shuffle)
    state = training.start(parts)
    state = _advance(training, state, arrays, jnp.asarray(epochs, jnp.int32), progress=progress)
    if throw and is_concrete(state.epoch) and state.result == OUTCOMES.nonfinite:
        raise FloatingPointError(OUTCOMES[OUTCOMES.nonfinite])
    return training.end(state)


@eqx.filter_jit
def _advance(training: Training, state: State, data: Batch, until: jax.Array, *, progress: bool) -> State:
    return training.advance(state, data, until, progress=progress)


def evaluate(model: PyTree, data: Any, metrics: Mapping[str, Function], *, key: Key) -> dict[str, Scalar]:
    """Metrics of a model, with modifiers off.

    Args:
        model: the model.
        data: arrays (x, y).
        metrics: functions `(model, x, y, *, key) -> scalar` by name.
        key: of the reads.
    """
    return _evaluate(model, as_arrays("data", data), dict(metrics), as_key(key))


_evaluate = eqx.filter_jit(measure)


def _check(optimizer: Any, epochs: Any, batch_size: Any, test: Any, metrics: dict[str, Function], best: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer={optimizer!r} is no jaxtile.nn.Optimizer; pass one such as Optimizer(0.05, optax.adam(1e-3)).")
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if not is_whole(value, 1):
            raise ValueError(f"{name}={value!r} must be a whole number of at least 1; it sets a shape.")
    if metrics and test is None:
        raise ValueError(
            f"metrics={', '.join(metrics)} need data to be measured on: pass test=(x, y), which may be the training data."
        )
    if best is not None and best.of not in ("loss", *metrics):
        raise ValueError(f"best.of={best.of!r} is not recorded; choose one of {', '.join(map(repr, ('loss', *metrics)))}.")
