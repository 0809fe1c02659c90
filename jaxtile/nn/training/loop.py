"""`Training`: the loop of `train`, epoch by epoch."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, PyTree

from ..._loop import ended, iterate
from ..._random import arange, stream
from ..._types import Key, Keys, Scalar
from ..gradient import value_and_grad
from ..layers import layers, map_layers
from .best import Best, Leader
from .optimizer import Optimizer, OptimizerState
from .quantities import measure_tiles, names_of
from .run import OUTCOMES, Run

__all__ = ["Batch", "State", "Training", "measure"]

Batch = tuple[Array, ...]
Function = Callable[..., Scalar]


class State(eqx.Module):
    """All that changes in the course of training."""

    epoch: Int[Array, ""]
    # of the model and the best one only what changes: a loop over lanes copies what it carries
    model: PyTree
    optimizer: OptimizerState
    leader: Leader | None
    result: OUTCOMES
    history: dict[str, Float[Array, " epoch"]]


class Training(eqx.Module):
    """The training that `train` runs: epoch by epoch, or under a trace all in one program.

    Attributes:
        model: the model before the first epoch.
        loss: the loss.
        optimizer: the optimizer.
        metrics: metrics by name.
        test: what they are measured on.
        best: which model is kept; None: the last.
        key: of epoch n: `fold_in(key, n)`.
        epochs: number of epochs.
        entries: length of a history.
        batch_size: vectors in a step.
        shuffle: draw the order of the samples anew in each epoch.
    """

    model: PyTree
    loss: Function
    optimizer: Optimizer
    metrics: dict[str, Function]
    test: Batch | None
    best: Best | None
    key: Key
    epochs: Int[Array, ""]
    # of structure, so it comes in powers of two, and `epochs` is a number like others
    entries: int = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)
    shuffle: bool = eqx.field(static=True)

    def start(self, parts: PyTree) -> State:
        """The state before the first epoch."""
        moving = _moving(self.model)
        names = ["loss", *self.metrics, *names_of(self.model)]
        return State(
            epoch=jnp.asarray(0, jnp.int32),
            model=moving,
            optimizer=self.optimizer.init(self.model, parts),
            leader=None if self.best is None else self.best.init(moving),
            result=OUTCOMES.running,
            history=dict.fromkeys(names, jnp.zeros(self.entries, float)),
        )

    def advance(self, state: State, data: Batch) -> State:
        """All epochs that are left, as one program."""

        def goes(state: State) -> Bool[Array, ""]:
            return state.result == OUTCOMES.running

        return iterate(goes, lambda state: self.epoch(state, data), state, max_steps=self.entries)

    def epoch(self, state: State, data: Batch) -> State:
        """All samples once. A last batch that is short is a step of its own size."""
        samples = data[0].shape[0]
        order = arange(samples)
        if self.shuffle:
            order = jr.permutation(self._keys(state.epoch)[0], order)
        steps = samples // self.batch_size
        whole = steps * self.batch_size

        def step(carry: tuple[PyTree, OptimizerState], numbered: tuple[Array, Array]) -> tuple[Any, Scalar]:
            number, chosen = numbered
            return self.step(carry, tuple(array[chosen] for array in data), state.epoch, number)

        carry, losses = (state.model, state.optimizer), jnp.zeros(0)
        if steps:
            carry, losses = jax.lax.scan(step, carry, (arange(steps), order[:whole].reshape(steps, self.batch_size)))
        total = jnp.sum(losses) * self.batch_size
        if whole < samples:
            carry, last = step(carry, (jnp.asarray(steps, jnp.int32), order[whole:]))
            total = total + last * (samples - whole)
        return self.end_epoch(state, carry, total / samples)

    def step(self, carry: tuple[PyTree, OptimizerState], batch: Batch, epoch: Array, number: Array) -> tuple[Any, Scalar]:
        """One step, and the loss before it."""
        moving, optimizer = carry
        loss_key, step_key = jr.split(stream(self._keys(epoch)[1], number))
        model = self._model(moving)
        value, grads = value_and_grad(self.loss)(model, *batch, key=loss_key)
        model, optimizer = self.optimizer.step(model, grads, optimizer, key=step_key)
        return (_moving(model), optimizer), value

    def end_epoch(self, state: State, carry: tuple[PyTree, OptimizerState], loss: Scalar) -> State:
        """The state after an epoch: measure, remember and judge."""
        moving, optimizer = carry
        model, epoch = self._model(moving), state.epoch + 1
        entries = {"loss": loss} | measure_tiles(self._model(state.model), model)
        if self.test is not None:
            entries |= measure(model, self.test, self.metrics, self._keys(state.epoch)[2])
        history = {name: values.at[state.epoch].set(entries[name].astype(values.dtype)) for name, values in state.history.items()}
        result = OUTCOMES.where(epoch >= self.epochs, OUTCOMES.all_epochs, OUTCOMES.running)
        leader = state.leader
        if self.best is not None and leader is not None:
            leader = self.best.follow(leader, entries[self.best.of], epoch, moving)
            result = OUTCOMES.where(self.best.stops(leader, epoch), OUTCOMES.stopped, result)
        result = OUTCOMES.where(jnp.isfinite(loss), result, OUTCOMES.nonfinite)
        return State(epoch, moving, optimizer, leader, result, history)

    def end(self, state: State) -> Run:
        """The outcome that a state amounts to; its histories have `entries` entries."""
        last, moving = state.epoch, state.model
        if state.leader is not None:
            leads = state.leader.epoch > 0  # none does where all that is to be best was NaN
            best = state.leader.epoch, state.leader.model
            last, moving = jax.tree.map(lambda best, own: jnp.where(leads, best, own), best, (last, moving))
        # a run that made all its epochs holds no NaN: what comes after them is cut off
        made = jnp.where(state.epoch < self.epochs, state.epoch, self.entries)
        stats, history = _as_it_ended(state.history, last, made)
        return Run(self._model(moving), state.result, stats | {"epochs": state.epoch}, history)

    def _keys(self, epoch: Array) -> Keys:
        """The keys of an epoch: of the order, the steps and the metrics."""
        return jr.split(stream(self.key, epoch), 3)

    def _model(self, moving: PyTree) -> PyTree:
        """The model whose changing numbers are these."""
        fixed = layers(self.model)
        whole = eqx.combine(moving, eqx.filter(_apart(self.model), eqx.is_array, inverse=True))

        def together(path: str, apart: Any) -> Any:
            return apart.with_parts(tile=fixed[path].tile.at(apart.tile))

        return map_layers(together, whole)


@jax.jit  # outside of a trace, one program takes a tenth of the time of so many
def _as_it_ended(
    history: dict[str, Float[Array, " epoch"]], last: Int[Array, ""], made: Int[Array, ""]
) -> tuple[dict[str, Scalar], dict[str, Float[Array, " epoch"]]]:
    """The entries of an epoch, and all entries that were made."""
    return {name: values[last - 1] for name, values in history.items()}, ended(history, made)


def _apart(model: PyTree) -> PyTree:
    """The model with the changing part of each tile in its place."""
    return map_layers(lambda path, layer: layer.with_parts(tile=layer.tile.now), model)


def _moving(model: PyTree) -> PyTree:
    """The numbers of a model that may change."""
    return eqx.filter(_apart(model), eqx.is_array)


def measure(model: PyTree, data: Batch, metrics: dict[str, Function], key: Key) -> dict[str, Scalar]:
    """Metrics of a model as it is used, modifiers off."""
    still = eqx.nn.inference_mode(model)
    data = jax.lax.optimization_barrier(data)  # under a user's jit they are constants, which XLA would take minutes to fold
    values = {name: jnp.asarray(metric(still, *data, key=stream(key, n))) for n, (name, metric) in enumerate(metrics.items())}
    for name, value in values.items():
        if value.ndim != 0:
            raise TypeError(
                f"metrics[{name!r}] returned {value.dtype}{list(value.shape)}; it must return one number, such as a mean."
            )
    return values
