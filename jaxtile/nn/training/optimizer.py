"""`Optimizer`: a rate for pulses, and optax for what is digital."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.tree_util import Partial
from jaxtyping import Array, Int, PyTree

from ..._random import as_key, stream
from ..._types import Key, Real, Scalar, as_number, is_concrete
from ...fields import Checked
from ...tile import set_weights
from ...updating import update
from ..gradient import Factors
from ..gradient.trainable import digital as arrays_of
from ..gradient.trainable import entries, only, put, trainable
from ..group import AnyTile
from ..layers import Linear, layers, map_layers, parts_of
from .after import Due, after, due

__all__ = ["Optimizer", "OptimizerState"]

Rate = Any  # a number, or a function of the step
Rates = Real | Callable[[Array], Scalar] | Mapping[str, Real | Callable[[Array], Scalar]]


class OptimizerState(eqx.Module):
    """Where an optimizer stands.

    Attributes:
        count: steps made.
        digital: the state of the optax transformation.
        frozen: paths of the entries that are not trained.
        due: what each tile is due after a step, by path.
    """

    count: Int[Array, ""]
    digital: Any
    frozen: tuple[str, ...] = eqx.field(static=True)
    due: tuple[tuple[str, Due], ...] = eqx.field(static=True)


class Optimizer(Checked):
    """Sends pulses into tiles at a rate, and moves digital parts by optax.

    The rate goes to `jt.update(learning_rate=...)`, never into x or d: the pulses of a
    small d are others than few pulses of a large one. Momentum, weight decay and the
    like have no meaning for pulses; a device that decays does so by itself.

    After the pulses of a step, noise management and input ranges observe the batch.
    Then devices diffuse, decay and drift once, if they do at all.

    Attributes:
        paths: patterns of the layers that each rate is for.
        rates: the rates, in the same order.
        digital: the optax transformation; None: nothing digital is trained.
        clip_norm: largest Frobenius norm of d^T x of a tile, beyond which its rate
            shrinks; None: no limit.
        step_time: time that passes in a step, for devices that drift.
    """

    paths: tuple[str, ...] = eqx.field(static=True)
    rates: tuple[Rate, ...]
    digital: optax.GradientTransformation | None = eqx.field(static=True)
    clip_norm: Scalar | None
    step_time: Scalar

    def __init__(
        self,
        pulses: Rates,
        digital: optax.GradientTransformation | None = None,
        *,
        clip_norm: Real | None = None,
        step_time: Real = 1.0,
    ):
        """Rates and a transformation.

        Args:
            pulses: a rate; a schedule of the step as optax has them; or a rate or
                schedule for each path, such as `{"layers.0": 0.1, ".*": 0.05}`. The
                first that matches the whole path counts.
            digital: moves bias, scales, ranges, digital weights and other modules.
            clip_norm: largest Frobenius norm of d^T x of a tile, beyond which its rate
                shrinks; None: no limit.
            step_time: time that passes in a step, for devices that drift.

        Raises:
            TypeError, ValueError: something else is asked of pulses.
        """
        by_path = dict(pulses) if isinstance(pulses, Mapping) else {".*": pulses}
        self.paths, self.rates = tuple(by_path), tuple(map(_as_rate, by_path, by_path.values()))
        if digital is not None and not isinstance(digital, optax.GradientTransformation):
            raise TypeError(f"Optimizer.digital={digital!r} is no optax transformation; pass one such as optax.adam(1e-3).")
        self.digital = digital
        self.clip_norm = None if clip_norm is None else as_number("Optimizer.clip_norm", clip_norm, low=0.0, open=True)
        self.step_time = as_number("Optimizer.step_time", step_time, low=0.0)

    def init(self, model: PyTree, parts: PyTree = None) -> OptimizerState:
        """The state before the first step.

        Args:
            model: the model.
            parts: what is trained: `jaxtile.nn.trainable(model)` with None in the place of
                each frozen entry; None: all of it.

        Raises:
            ValueError: an entry has no rate or no transformation, or the range of a layer
                of digital weights is still to be found from data.
        """
        everything, known = trainable(model), layers(model)
        parts = everything if parts is None else parts
        unknown = [pattern for pattern in self.paths if not any(re.fullmatch(pattern, path) for path in known)]
        if unknown:
            raise ValueError(
                f"Optimizer.pulses has rates for {', '.join(unknown)}, which match none of the layers {', '.join(known)}: "
                "pass patterns that match whole paths."
            )
        for path, layer in known.items():
            _check_range(path, layer)
        for path, layer in parts_of(parts).items():
            if isinstance(layer.tile, AnyTile):
                self._rate(path)
        trained, arrays, known_parts = entries(parts), entries(arrays_of(parts)), entries(everything)
        foreign = [path for path, entry in trained.items() if path not in known_parts or entry.shape != known_parts[path].shape]
        if foreign:
            raise ValueError(
                f"parts has {', '.join(foreign)}, which the model does not have, or has in another shape: pass "
                "jaxtile.nn.trainable(model) of this model, with None in the place of each frozen part."
            )
        if self.digital is None and arrays:
            raise ValueError(
                f"Optimizer.digital is None, and the model has digital parts: {', '.join(arrays)}. Pass a transformation such as "
                "optax.adam(1e-3), or freeze them with None in their places in jaxtile.nn.trainable(model)."
            )
        frozen = tuple(path for path in known_parts if path not in trained)
        inner = None if self.digital is None else self.digital.init(arrays_of(parts))
        dues = tuple((path, due(layer.tile)) for path, layer in known.items())
        return OptimizerState(jnp.asarray(0, jnp.int32), inner, frozen, dues)

    def step(self, model: PyTree, grads: PyTree, state: OptimizerState, *, key: Key) -> tuple[PyTree, OptimizerState]:
        """One step: the model and the state after it.

        Args:
            model: the model.
            grads: of `jaxtile.nn.value_and_grad`. None in the place of a tile sends
                nothing into it.
            state: the state before.
            key: of this step; layer n draws from `fold_in(key, n)`.
        """
        key, grads, inner = as_key(key), only(grads, state.frozen), state.digital
        if self.digital is not None:
            arrays = arrays_of(only(trainable(model), state.frozen))
            missing = entries(arrays).keys() - entries(arrays_of(grads)).keys()
            if missing:
                raise ValueError(
                    f"grads has nothing for {', '.join(sorted(missing))}, which this state trains: freeze it with "
                    "Optimizer.init(model, parts), not in the gradient."
                )
            with jax.numpy_dtype_promotion("standard"):  # optax counts on it
                updates, inner = self.digital.update(arrays_of(grads), inner, arrays)
                model = put(model, optax.apply_updates(arrays, updates), set_weights)
        gradients, order = parts_of(grads), list(layers(model))
        for name, paths in (("grads", [*gradients]), ("state", [path for path, _ in state.due])):
            if paths != order:
                raise ValueError(f"{name} is for the layers {', '.join(paths)}; the model has {', '.join(order)}.")

        def pulse(path: str, layer: Linear) -> Linear:
            pair = gradients[path].tile
            if not isinstance(pair, Factors):
                return layer
            own, tile = stream(key, order.index(path)), layer.tile
            if pair.x.shape[0]:
                rate = self._shrunk(self._rate(path)(state.count), pair)
                tile = tile.change(update, options={"learning_rate": rate}, x=pair.x, d=pair.d, key=own)
            return after(layer.replace(tile=tile), pair, dict(state.due)[path], self.step_time, own)

        return map_layers(pulse, model), OptimizerState(state.count + 1, inner, state.frozen, state.due)

    def _rate(self, path: str) -> Callable[..., Any]:
        """The rate of a layer, as a function of the step."""
        for pattern, rate in zip(self.paths, self.rates, strict=True):
            if re.fullmatch(pattern, path):
                return rate if callable(rate) else lambda step, rate=rate: rate
        raise ValueError(f"Optimizer.pulses has no rate for {path}, only for {', '.join(self.paths)}; add one, or freeze its tile.")

    def _shrunk(self, rate: Real, pair: Factors) -> Real:
        if self.clip_norm is None:
            return rate
        return rate * jnp.minimum(1, self.clip_norm / jnp.maximum(pair.norm, jnp.finfo(pair.x.dtype).tiny))


def _check_range(path: str, layer: Linear) -> None:
    """Refuse a range that waits for data which a layer of digital weights does not show:
    only reads that hand out pairs do.
    """
    rule = layer.input_range
    if rule is None or layer.weights == "pulsed" or not (is_concrete(rule.updates) and is_concrete(rule.init_from_data)):
        return
    if jnp.any(rule.updates < rule.init_from_data):
        batches = float(jnp.max(rule.init_from_data))
        raise ValueError(
            f'{path} has weights="digital", and its input range is still to be found from {batches:g} batches. Training finds '
            "the range of pulsed layers only. Call jaxtile.nn.calibrate(model, x, key=key) before it, or pass "
            "InputRange(input_range=..., init_from_data=0)."
        )


def _as_rate(path: str, rate: Any) -> Rate:
    try:
        re.compile(path)
    except (re.error, TypeError) as error:
        raise ValueError(
            f"Optimizer.pulses names {path!r}, which is no pattern of paths ({error}); pass such as 'layers.0'."
        ) from None
    if isinstance(rate, optax.GradientTransformation):
        raise TypeError(
            "Optimizer.pulses is an optax transformation, but pulses have no momentum and no other state: a pulse once sent stays. "
            "Pass a rate, or a schedule such as optax.exponential_decay(0.1, 1000, 0.9); digital= takes the transformation."
        )
    if callable(rate):
        return Partial(rate) if not isinstance(rate, eqx.Module) else rate
    return as_number(f"Optimizer.pulses[{path!r}]", rate, low=0.0)
