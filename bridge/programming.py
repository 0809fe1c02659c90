"""Programming methods for aihwkit's tile modules: jaxtile's methods, stepped on a foreign tile.

The functions take the arguments of a tile module's `program_weights` and are attached to one, of either engine, by
`tile.program_weights = program_weights_svd.__get__(tile)`, or by `RPUConfigWithProgram(program_weights=program_weights_svd)`.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import torch
from torch import Tensor

import jaxtile as jt
from jaxtile.programming import AbstractMethod
from jaxtile.programming.inputs import outputs

from ._convert import to_jax, to_torch

__all__ = ["Programmed", "program_weights_gdp", "program_weights_gdp2", "program_weights_svd"]

_log = logging.getLogger(__name__)


@dataclass
class Programmed:
    """What a programming run did; entry s of a history is the state after s pulse steps.

    Attributes:
        result: how it ended; `jaxtile.RESULTS[result]` is the message.
        read_error: mean |reading - wanted| over max |wanted|, of the numbers that the method was given.
        spectral_error: the largest singular value of weights - target.
    """

    result: Any
    read_error: list[float] = field(default_factory=list)
    spectral_error: list[float] = field(default_factory=list)


@torch.no_grad()
def program_weights_gdp(
    self: Any,
    from_reference: bool = True,
    x_values: Tensor | None = None,
    learning_rate: float = 1.0,
    max_iter: int = 100,
    tolerance: float | None = 0.01,
    w_init: float | Tensor = 0.01,
) -> Programmed:
    """Gradient-descent programming: read outputs, and let the tile's own update correct them.

    Args:
        self: the tile module.
        from_reference: program what was last set by `set_weights`; otherwise what the tile holds now.
        x_values: inputs to read with, `[n, in]`; None: the unit vectors.
        learning_rate: of the descent.
        max_iter: most pulse steps.
        tolerance: stop when the mean error of the outputs, relative to the largest output wanted, is below this; None: never.
        w_init: weights to start from, or the range of uniform random ones.
    """
    if not from_reference or self.reference_combined_weights is None:
        self.reference_combined_weights = self.tile.get_weights().clone()
    inputs = "eye" if x_values is None else to_jax(x_values)
    method = jt.GDP(learning_rate=learning_rate, inputs=inputs)
    return _program(self, self.reference_combined_weights, method, max_iter=max_iter, tolerance=tolerance, w_init=w_init)


@torch.no_grad()
def program_weights_gdp2(
    self: Any,
    batch_size: int = 5,
    learning_rate: float = 1.0,
    max_iter: int = 100,
    tolerance: float | None = 0.01,
    w_init: float | Tensor = 0.01,
    *,
    legacy_wrap: bool = False,
) -> Programmed:
    """Gradient-descent programming with a few unit vectors at a time, in turn, of what the tile holds now.

    Args:
        self: the tile module.
        batch_size: how many.
        learning_rate: of the descent.
        max_iter: most pulse steps.
        tolerance: as for `program_weights_gdp`; it must hold for a full pass over the columns.
        w_init: as for `program_weights_gdp`.
        legacy_wrap: use the window of the notebook that this comes from. It does not go around: past the last column it is a
            growing prefix of them, and a single batch decides that the whole tile is done.
    """
    kind = _GrowingWindow if legacy_wrap else jt.GDP
    method = kind(learning_rate=learning_rate, batch_size=batch_size)
    return _program(self, self.tile.get_weights().clone(), method, max_iter=max_iter, tolerance=tolerance, w_init=w_init)


@torch.no_grad()
def program_weights_svd(
    self: Any,
    max_iter: int = 100,
    tolerance: float | None = 0.01,
    w_init: float | Tensor = 0.0,
    rank_atol: float | None = 1e-2,
    svd_once: bool = False,
) -> Programmed:
    """Program what the tile holds now by rank-one corrections along singular vectors of the exact error.

    Args:
        self: the tile module.
        max_iter: most pulse steps.
        tolerance: stop when the largest singular value of the error is below this (absolute); None: never.
        w_init: as for `program_weights_gdp`.
        rank_atol: for `svd_once`: components of at most this size are left out; None: those that rounding makes.
        svd_once: decompose once and walk the components; otherwise take a leading one of the fresh error in every step.
    """
    method = jt.SVD(refresh=False, rank_atol=rank_atol) if svd_once else jt.SVD()
    return _program(
        self, self.tile.get_weights().clone(), method, max_iter=max_iter, tolerance=tolerance, w_init=w_init, test_spectral=True
    )


class _GrowingWindow(AbstractMethod):
    """GDP with the notebook's batches: columns i b to (i + 1) b, and past the last column all of those up to where it would end."""

    learning_rate: jax.Array = eqx.field(converter=jnp.asarray)
    batch_size: int = eqx.field(static=True)

    def init(self, shape, target):
        return 0, shape[1]

    def probe(self, state):
        step, width = state
        start, end = step * self.batch_size, (step + 1) * self.batch_size
        columns = [*range(start, min(end, width)), *range(min(max(end - width, 0), width))]
        return jt.UnitVectors(jnp.asarray(columns), width)

    def propose(self, reading, target, state, key):
        x = self.probe(state)
        return (x, reading - outputs(target, x)), (state[0] + 1, state[1])


def _program(
    module: Any,
    target: Tensor,
    method: AbstractMethod,
    *,
    max_iter: int,
    tolerance: float | None,
    w_init: float | Tensor,
    test_spectral: bool = False,
) -> Programmed:
    """Step a method of jaxtile on the simulator tile of a module: read, test, propose, update."""
    if max_iter < 0:
        raise ValueError(f"max_iter={max_iter!r} must not be negative.")
    tile, wanted = module.tile, to_jax(target)
    shape = wanted.shape
    state = method.init(shape, wanted)  # first, since it may refuse
    if isinstance(w_init, Tensor):
        tile.set_weights(w_init)
    else:
        tile.set_weights_uniform_random(-w_init, w_init)
    done, key, good, idle = Programmed(jt.RESULTS.running), jr.key(0), 0, 0
    learning_rate = tile.get_learning_rate()
    tile.set_learning_rate(float(method.learning_rate))
    try:
        for step in range(max_iter + 1):
            x = method.probe(state)
            reading = to_jax(tile.get_weights() if x is None else tile.forward(to_torch(x).to(module.device), False))
            done.read_error.append(_relative_error(reading, wanted if x is None else outputs(wanted, x)))
            done.spectral_error.append(_spectral_norm(tile.get_weights() - target))
            _log.debug("Error: %g", done.spectral_error[-1])
            error = done.spectral_error[-1] if test_spectral else done.read_error[-1]
            good = good + 1 if tolerance is not None and error < tolerance else 0
            (x, d), state = method.propose(reading, wanted, state, jr.fold_in(key, step))
            idle = 0 if np.any(d) else idle + 1
            done.result = _result(method.steps_in_pass(shape), error, good, idle, last=step == max_iter)
            if done.result != jt.RESULTS.running:
                break
            tile.update(to_torch(x).to(module.device), to_torch(d).to(module.device), False)
    finally:
        tile.set_learning_rate(learning_rate)
    return done


def _spectral_norm(matrix: Tensor) -> float:
    """The largest singular value, by the smaller of the two products of a matrix with itself."""
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    return float(torch.linalg.eigvalsh(gram.double())[-1].clamp(min=0).sqrt())


def _relative_error(reading: jax.Array, wanted: jax.Array) -> float:
    largest = float(jnp.max(jnp.abs(wanted)))
    return float(jnp.mean(jnp.abs(reading - wanted))) / (largest or 1.0)


def _result(steps_in_pass: int, error: float, good: int, idle: int, *, last: bool) -> Any:
    if not np.isfinite(error):
        return jt.RESULTS.nonfinite
    if good >= steps_in_pass:
        return jt.RESULTS.converged
    if idle >= steps_in_pass:
        return jt.RESULTS.stalled
    return jt.RESULTS.max_steps_reached if last else jt.RESULTS.running
