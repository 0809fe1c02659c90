"""`train` and `evaluate`: the verbs for a network whose weights live on tiles."""

import contextlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree
from tqdm import tqdm

from ..._paths import as_path
from ..._random import as_key
from ..._types import Key, Scalar, is_concrete, is_whole
from .best import Best
from .data import as_arrays, batches_of
from .loop import Batch, State, Training, measure
from .optimizer import Optimizer
from .quantities import names_of
from .run import OUTCOMES, Run
from .saving import fingerprint, restore, save

__all__ = ["evaluate", "train"]

Function = Callable[..., Scalar]

_ENTRIES = 64  # of the shortest history: runs of fewer epochs share one program


def train(
    model: PyTree,
    loss: Function,
    data: Any,
    optimizer: Optimizer,
    *,
    key: Key,
    epochs: int,
    batch_size: int | None = None,
    test: Any = None,
    metrics: Mapping[str, Function] | None = None,
    parts: PyTree = None,
    best: Best | None = None,
    shuffle: bool = True,
    checkpoint: str | Path | None = None,
    every: int = 1,
    progress: bool = False,
    throw: bool = True,
) -> Run:
    """Train a model: read, differentiate, pulse, and again, batch by batch.

    Pure: works under `jax.jit`, and under `jax.vmap` over chips, seeds and numbers,
    where it shows no progress and writes no files. A second call with the same loss,
    metrics and optimizer compiles nothing, with another number of epochs neither (up to
    64; then up to the next power of two).

    Args:
        model: a module that holds layers of `jaxtile.nn`.
        loss: `(model, x, y, *, key) -> scalar`, the mean over the batch.
        data: a tuple of arrays (x, y), whose first axes count the samples. Or batches
            (x, y): a list, a loader as torch has them, or a function of the epoch
            that returns an iterator.
        optimizer: sends the pulses, and moves what is digital.
        key: of epoch n: `fold_in(key, n)`. The same key makes the same run.
        epochs: number of passes over the data.
        batch_size: vectors in a step, for arrays: 10 if it is None. A last batch that is
            short is a step of its own size.
        test: arrays that metrics are measured on, after each epoch.
        metrics: functions `(model, x, y, *, key) -> scalar` by name, such as
            `jaxtile.nn.accuracy`. Modifiers are off in them.
        parts: what is trained: `jaxtile.nn.trainable(model)` with None in the place of
            each frozen entry; None: all of it.
        best: keeps the model of the best epoch, and may stop early.
        shuffle: draw the order of the samples of arrays anew in each epoch.
        checkpoint: file to which the state is written. A run of the same arguments goes
            on from it, with the same bits as if it had not been interrupted.
        every: epochs between two checkpoints.
        progress: show a progress bar of epochs.
        throw: raise an error if the loss is not finite, outside of a trace.

    Returns:
        The outcome, see `Run`.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, shape or range; the
            message names it.
        FloatingPointError: the loss became NaN or infinite.
    """
    metrics, in_arrays = _by_name(metrics), isinstance(data, tuple)
    _check(model, loss, optimizer, epochs, batch_size, every, test, metrics, best, in_arrays=in_arrays)
    arrays, judged = as_arrays("data", data) if in_arrays else None, None if test is None else as_arrays("test", test)
    _check_calls({"loss": loss}, arrays)
    _check_calls({f"metrics[{name!r}]": metric for name, metric in metrics.items()}, judged)
    own = (model, loss, optimizer, metrics, judged, best, as_key(key))
    numbers = jnp.asarray(epochs, jnp.int32), max(_ENTRIES, 1 << (int(epochs) - 1).bit_length())
    training = Training(*own, *numbers, 10 if batch_size is None else int(batch_size), shuffle)
    state = training.start(parts)
    if not all(map(is_concrete, jax.tree.leaves((own, arrays)))):
        if arrays is None:
            raise TypeError("data is iterated over outside of any trace: under jax.jit and jax.vmap, pass arrays (x, y).")
        return training.end(_advance(training, state, arrays)).cut(epochs)
    if arrays is None and judged is not None:  # else they are traced with the first epoch, before it is run
        eqx.filter_eval_shape(measure, model, judged, metrics, training.key)
    path, belongs = None if checkpoint is None else as_path(checkpoint, "checkpoint"), {}
    if path is not None:
        belongs = fingerprint(training, state.optimizer.frozen, arrays)
        state = restore(path, state, belongs)
    with tqdm(total=epochs, initial=int(state.epoch), unit="epoch", disable=not progress) as bar:
        # An epoch at a time, since Ctrl-C waits for the end of a compiled program.
        while state.result == OUTCOMES.running:
            state = _through(training, state, data) if arrays is None else _epoch(training, state, arrays)
            over = state.result != OUTCOMES.running
            if path is not None and (over or int(state.epoch) % every == 0):
                save(path, state, belongs)
            last = {name: float(np.asarray(state.history[name])[state.epoch - 1]) for name in ("loss", *metrics)}
            bar.set_postfix(last, refresh=False)
            bar.update()
    if throw and state.result == OUTCOMES.nonfinite:
        raise FloatingPointError(OUTCOMES[OUTCOMES.nonfinite])
    return training.end(state).cut(epochs)


_advance, _epoch = eqx.filter_jit(Training.advance), eqx.filter_jit(Training.epoch)
_step, _end_epoch = eqx.filter_jit(Training.step), eqx.filter_jit(Training.end_epoch)


def _through(training: Training, state: State, data: Any) -> State:
    """One epoch of batches that come from outside, each a compiled step."""
    carry, total, samples = (state.model, state.optimizer), jnp.zeros(()), 0
    for number, batch in enumerate(batches_of(data, int(state.epoch))):
        carry, loss = _step(training, carry, batch, state.epoch, jnp.asarray(number, jnp.int32))
        total, samples = total + loss * len(batch[0]), samples + len(batch[0])
    return _end_epoch(training, state, carry, total / samples)


def evaluate(model: PyTree, data: Any, metrics: Mapping[str, Function], *, key: Key) -> dict[str, Scalar]:
    """Metrics of a model, with modifiers off.

    Args:
        model: the model.
        data: arrays (x, y).
        metrics: functions `(model, x, y, *, key) -> scalar` by name.
        key: of the reads.
    """
    arrays, named = as_arrays("data", data), _by_name(metrics)
    _check_calls({f"metrics[{name!r}]": metric for name, metric in named.items()}, arrays)
    return _evaluate(model, arrays, named, as_key(key))


_evaluate = eqx.filter_jit(measure)


def _by_name(metrics: Any) -> dict[str, Function]:
    named = {} if metrics is None else metrics
    if not (isinstance(named, Mapping) and all(map(callable, named.values())) and all(isinstance(name, str) for name in named)):
        raise TypeError(f"metrics={metrics!r:.80} are no functions by name; pass such as {{'accuracy': jaxtile.nn.accuracy}}.")
    return dict(named)


def _check_calls(functions: dict[str, Function], arrays: Batch | None) -> None:
    """Refuse functions that cannot be called with a model, these arrays and a key."""
    for name, function in functions.items():
        with contextlib.suppress(ValueError):  # of a function that does not say what it takes
            takes = inspect.signature(function)
            try:
                takes.bind_partial(None, key=None) if arrays is None else takes.bind(None, *arrays, key=None)
            except TypeError as error:
                samples = "the arrays of a batch" if arrays is None else f"{len(arrays)} arrays"
                raise TypeError(f"{name} takes {takes}, but is called with the model, {samples} and key=: {error}.") from None


def _check(
    model: PyTree,
    loss: Any,
    optimizer: Any,
    epochs: Any,
    batch_size: Any,
    every: Any,
    test: Any,
    metrics: dict[str, Any],
    best: Any,
    *,
    in_arrays: bool,
) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer={optimizer!r} is no jaxtile.nn.Optimizer; pass one such as Optimizer(0.05, optax.adam(1e-3)).")
    if not callable(loss):
        raise TypeError(f"loss={loss!r:.80} is no function; pass one of (model, x, y, *, key), such as jaxtile.nn.cross_entropy.")
    if batch_size is not None and not in_arrays:
        raise ValueError(f"batch_size={batch_size!r} is for arrays (x, y); data that is iterated over comes in batches.")
    for name, value in (("epochs", epochs), ("batch_size", 10 if batch_size is None else batch_size), ("every", every)):
        if not is_whole(value, 1) or value >= 2**31:
            raise ValueError(f"{name}={value!r:.80} must be a whole number of at least 1 (below 2**31); it sets a shape.")
    if metrics and test is None:
        raise ValueError(
            f"metrics={', '.join(metrics)} need data to be measured on: pass test=(x, y), which may be the training data."
        )
    taken = metrics.keys() & {"loss", "epochs", *names_of(model)}
    if taken:
        raise ValueError(f"metrics names {', '.join(sorted(taken))}, which is recorded by itself; choose another name.")
    if best is not None and not isinstance(best, Best):
        raise TypeError(f"best={best!r} is no rule; pass None, or one such as jaxtile.nn.Best('accuracy').")
    if best is not None and best.of not in ("loss", *metrics):
        raise ValueError(f"best.of={best.of!r} is not recorded; choose one of {', '.join(map(repr, ('loss', *metrics)))}.")
