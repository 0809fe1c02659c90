"""Programming methods for aihwkit's tile modules: jaxtile's methods, stepped on a
foreign tile.

The functions take the arguments of a tile module's `program_weights` and are attached
to one, of either engine, by `tile.program_weights = program_weights_svd.__get__(tile)`,
or by `RPUConfigWithProgram(program_weights=program_weights_svd)`.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import torch
from aihwkit.exceptions import ConfigError
from torch import Tensor

import jaxtile as jt
from jaxtile.fields import Number, is_whole, number, whole
from jaxtile.programming import AbstractMethod, Chain, Probe, Reads, ideal_reading, outputs, relative_error, stages_of

from ._convert import to_jax, to_torch
from .config import tile_config

__all__ = ["Programmed", "program_weights_by", "program_weights_gdp", "program_weights_gdp2", "program_weights_svd"]

_log = logging.getLogger(__name__)


@dataclass
class Programmed:
    """The record of a programming run; entry s of a history is the state after s pulse
    steps.

    Attributes:
        result: how it ended; `jaxtile.RESULTS[result]` is the message.
        read_error: mean |reading - wanted| over max |wanted|, of the numbers that the
            method was given.
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
    """Gradient-descent programming: read outputs, and let the tile's own update correct
    them.

    Args:
        self: the tile module.
        from_reference: program what the tile held when it was first programmed after
            the module's last `set_weights`; otherwise what it holds now.
        x_values: inputs to read with, `[n, in]`; None: the unit vectors.
        learning_rate: of the descent.
        max_iter: most pulse steps.
        tolerance: stop when the mean error of the outputs, relative to the largest
            output wanted, is below this; None: never.
        w_init: weights to start from, or the range of uniform random ones.
    """
    target = _target(self, from_reference=from_reference)
    inputs = "eye" if x_values is None else to_jax(x_values, "x_values")
    method = jt.GDP(learning_rate=learning_rate, inputs=inputs)
    return _program(self, target, method, max_iter=max_iter, tolerance=tolerance, w_init=w_init)


@torch.no_grad()
def program_weights_gdp2(
    self: Any,
    batch_size: int = 5,
    learning_rate: float = 1.0,
    max_iter: int = 100,
    tolerance: float | None = 0.01,
    w_init: float | Tensor = 0.01,
    *,
    from_reference: bool = False,
    legacy_wrap: bool = False,
) -> Programmed:
    """Gradient-descent programming with a few unit vectors at a time, in turn.

    Args:
        self: the tile module.
        batch_size: how many; all if the tile has fewer columns.
        learning_rate: of the descent.
        max_iter: most pulse steps.
        tolerance: as for `program_weights_gdp`; it must hold for a full pass over the
            columns.
        w_init: as for `program_weights_gdp`.
        from_reference: as for `program_weights_gdp`; by default what the tile holds
            now, as in the notebook that this comes from.
        legacy_wrap: use the window of that notebook, and its rule. The window does not
            go around: past the last column it is a growing prefix of them; and a single
            batch, whose error is relative to the largest weight of all, ends the run.
    """
    target = _target(self, from_reference=from_reference)
    kind = _GrowingWindow if legacy_wrap else jt.GDP
    method = kind(learning_rate=learning_rate, batch_size=min(batch_size, target.shape[1]))
    return _program(self, target, method, max_iter=max_iter, tolerance=tolerance, w_init=w_init, relative_to_all=legacy_wrap)


@torch.no_grad()
def program_weights_svd(
    self: Any,
    max_iter: int = 100,
    tolerance: float | None = 0.01,
    w_init: float | Tensor = 0.0,
    rank_atol: float | None = 1e-2,
    svd_once: bool = False,
    *,
    from_reference: bool = False,
) -> Programmed:
    """Program by rank-one corrections along singular vectors of the exact error.

    Args:
        self: the tile module.
        max_iter: most pulse steps.
        tolerance: stop when the largest singular value of the error is below this
            (absolute); None: never.
        w_init: as for `program_weights_gdp`.
        rank_atol: for `svd_once`: components of at most this size are left out; None:
            those that rounding makes.
        svd_once: decompose once and walk the components; otherwise take a leading one
            of the fresh error in every step.
        from_reference: as for `program_weights_gdp2`.
    """
    method = jt.SVD(refresh=False, rank_atol=rank_atol) if svd_once else jt.SVD()
    target = _target(self, from_reference=from_reference)
    return _program(self, target, method, max_iter=max_iter, tolerance=tolerance, w_init=w_init, test_spectral=True)


def program_weights_by(method: AbstractMethod | Chain) -> Callable[..., Programmed]:
    """The function that programs a tile module by any method of jaxtile, or by a chain
    of them.

    Its arguments are those of `program_weights_gdp`, without those that the method has.
    After a chain that writes the devices of a unit cell one by one, the lines are
    connected as they were before it.
    """

    @torch.no_grad()
    def program_weights(
        self: Any,
        from_reference: bool = True,
        max_iter: int = 100,
        tolerance: float | None = 0.01,
        w_init: float | Tensor = 0.0,
    ) -> Programmed:
        target = _target(self, from_reference=from_reference)
        return _program(self, target, method, max_iter=max_iter, tolerance=tolerance, w_init=w_init)

    return program_weights


def _target(module: Any, *, from_reference: bool) -> Tensor:
    """The target: the module's reference if it is asked for and there is one, or the
    weights of the tile, the next reference.
    """
    if not from_reference or module.reference_combined_weights is None:
        return module.tile.get_weights().clone()
    return module.reference_combined_weights


class _GrowingWindow(AbstractMethod[tuple[int, int]]):
    """GDP with the notebook's batches: columns i b to (i + 1) b, past the last one all
    up to where they would end.
    """

    learning_rate: Number = number(1.0, low=0.0, open=True)
    batch_size: int = whole(5, low=1)

    def init(self, sheet, target) -> Any:
        return 0, sheet.shape[1]

    def probe(self, state: Any):
        step, width = state
        start, end = step * self.batch_size, (step + 1) * self.batch_size
        columns = [*range(start, min(end, width)), *range(min(max(end - width, 0), width))]
        return jt.UnitVectors(jnp.asarray(columns), width)

    def propose(self, reading, target, state: Any, key) -> Any:
        x = self.probe(state)
        return (x, reading - outputs(target, x)), (state[0] + 1, state[1])


def _program(
    module: Any,
    target: Tensor,
    method: AbstractMethod | Chain,
    *,
    max_iter: int,
    tolerance: float | None,
    w_init: float | Tensor,
    test_spectral: bool = False,
    relative_to_all: bool = False,
) -> Programmed:
    """Step a method of jaxtile on the simulator tile of a module: read, test, propose,
    update.
    """
    if not is_whole(max_iter, 0):
        raise ValueError(f"max_iter={max_iter!r} must be a whole number of at least 0.")
    if tolerance is not None and not float(to_jax(tolerance, "tolerance")) >= 0:
        raise ValueError(f"tolerance={tolerance!r} must be None (never stop early) or a number of at least 0.")
    tile, goal = module.tile, to_jax(target)
    shape, stages = (goal.shape[0], goal.shape[1]), stages_of(method)
    for stage in stages:
        if stage.connect is not None:
            _check_connection(module, stage.connect)
    sheets = [_datasheet(module, shape, stage.connect) for stage in stages]
    for stage, sheet in zip(stages, sheets, strict=True):
        stage.check(sheet)  # first, since both may refuse
        stage.method.init(sheet, goal)
    _start(module, w_init)
    module.reference_combined_weights = target  # last, so that a refused run leaves none behind
    done, key, step = Programmed(jt.RESULTS.running), jr.key(0), 0
    rules = {"tolerance": jnp.asarray(-1.0 if tolerance is None else tolerance), "max_steps": max_iter}
    learning_rate = tile.get_learning_rate()
    connected = tile.get_hidden_update_index() if any(stage.connect is not None for stage in stages) else None
    try:
        for number, stage in enumerate(stages):
            method, state, progress, over = stage.method, stage.method.init(sheets[number], goal), stage.init(), False
            later = number + 1 < len(stages)
            rules |= {"goes_on": later and stages[number + 1].pays(goal, sheets[number + 1])}
            rules |= {"steps_in_pass": method.steps_in_pass(shape)}
            tile.set_learning_rate(float(method.learning_rate))
            if stage.connect is not None:
                tile.set_hidden_update_index(stage.connect)
            while True:
                probe = method.probe(state)
                reading, outcome = _read(module, probe), ideal_reading(goal, probe)
                read_error, spectral_error = relative_error(reading, outcome), _spectral_norm(tile.get_weights() - target)
                done.read_error[step:], done.spectral_error[step:] = [float(read_error)], [spectral_error]
                _log.debug("Error: %g", spectral_error)
                if relative_to_all:
                    read_error = read_error * jnp.max(jnp.abs(outcome)) / jnp.max(jnp.abs(goal))
                (x, d), state = method.propose(reading, goal, state, jr.fold_in(key, step))
                error = jnp.asarray(spectral_error) if test_spectral else read_error
                done.result, over, progress = stage.judge(error, (x, d), progress, step=jnp.asarray(step), **rules)
                if over or done.result != jt.RESULTS.running:
                    break
                tile.update(to_torch(x).to(module.device), to_torch(d).to(module.device), False)
                step += 1
            if not over:
                break
    finally:
        tile.set_learning_rate(learning_rate)
        if connected is not None:
            tile.set_hidden_update_index(connected)
    return done


def _start(module: Any, w_init: float | Tensor) -> None:
    """Put in the weights that a run starts from."""
    weight = to_jax(w_init, "w_init")
    if weight.ndim == 0:
        width = float(weight)
        if not math.isfinite(width):
            raise ValueError(f"w_init={width!r} is no range of weights; pass a finite number, or weights [out, in].")
        module.tile.set_weights_uniform_random(-width, width)
    elif weight.shape == tuple(module.tile.get_weights().shape):
        module.tile.set_weights(to_torch(weight).to(module.device))  # a C++ tile takes these as they lie in memory
    else:
        raise ValueError(f"w_init has shape {weight.shape}; pass a number, or weights [out, in] of the tile.")


def _datasheet(module: Any, shape: tuple[int, int], index: int | None) -> jt.Datasheet:
    """The datasheet of a tile module; the shape alone where jaxtile has no words for
    the configuration.

    Args:
        module: the tile module.
        shape: (out, in).
        index: the device of each unit cell that the lines are connected to; None: as
            its configuration says.
    """
    try:
        config = tile_config(module.rpu_config)
    except ConfigError:
        return jt.Datasheet.of(None, shape)
    return jt.Datasheet.of(config if index is None else config.connect(index), shape)


def _check_connection(module: Any, index: int) -> None:
    """Refuse what the C++ tile takes without a word: a device that is not there, or
    cells without a choice.
    """
    cell: Any = tile_config(module.rpu_config).device
    if not isinstance(getattr(cell, "update_policy", None), jt.device.SingleFixed):
        raise ValueError(f"Stage.connect={index}: device={cell!r} has no connection to choose; unit cells of SINGLE_FIXED have.")
    if index >= len(cell.devices):
        raise ValueError(f"Stage.connect={index}: the unit cell has {len(cell.devices)} devices; they are numbered from 0.")


def _read(module: Any, probe: Probe) -> Any:
    """The reading that a method asks for, from the simulator tile of a module."""
    tile = module.tile
    if probe is None:
        return to_jax(tile.get_weights())
    if not isinstance(probe, Reads):
        return to_jax(tile.forward(to_torch(probe).to(module.device), False))

    def mean(read: Callable[[Tensor, bool], Tensor], vectors: Any) -> Any:
        vectors = to_torch(vectors).to(module.device)
        return to_jax(torch.stack([read(vectors, False) for _ in range(probe.times)]).mean(dim=0))

    readings = [mean(read, v) for read, v in ((tile.forward, probe.x), (tile.backward, probe.d)) if v is not None]
    return readings[0] if len(readings) == 1 else tuple(readings)


def _spectral_norm(matrix: Tensor) -> float:
    """The largest singular value, by the smaller of the two products of a matrix with
    itself; NaN of what is not finite.
    """
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    if not torch.isfinite(gram).all():
        return float("nan")
    return float(torch.linalg.eigvalsh(gram.double())[-1].clamp(min=0).sqrt())
