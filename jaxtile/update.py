"""`update`: send pulses into a tile, half-selected cells and all.

    encode        x and d become what the lines send              (pulse)
    pulse         the fully selected cells                        (device)
    disturb       the half-selected cells                         (half_select)
    clip          to what each device can hold                    (device, with every pulse)

Three loops run these lines over the vectors of a batch: `_add` where no pulses are sent; `_scan`, one vector after another, as the
hardware does; `_one_shot` for unit vectors, each of which touches a column of its own, in one pass over the tile. Within a vector
`_slot_by_slot` (device order "slot") keeps the order of slots and sub-phases, which `_aggregate` sums up.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from ._linalg import product
from ._random import Draws, Source, as_key, cell_index, numbers, stream
from ._types import Key, Scalar, Weight, check_number, finite_array, scalar
from ._vectors import UnitVectors
from .device import AbstractCells, AbstractCrosspoint, State
from .half_select import AbstractHalfSelect
from .half_select.phases import PHASES, Phase, active, line_exposure
from .pulse import AbstractLines, AbstractTrainPulse, Counts, Trains
from .tile import Tile, as_vectors, check_tile, draws

__all__ = ["Pulsed", "send", "update"]


class _Hardware(NamedTuple):
    """What writes: devices that take pulses, and a pulse type that sends them."""

    shape: tuple[int, int]
    device: AbstractCrosspoint
    cells: AbstractCells
    pulse: AbstractTrainPulse
    half_select: AbstractHalfSelect | None

    @classmethod
    def of(cls, tile: Tile) -> "_Hardware":
        device, pulse = tile.device, tile.config.pulse
        assert isinstance(device, AbstractCrosspoint)
        assert isinstance(pulse, AbstractTrainPulse)
        return cls(tile.shape, device, tile.cells, pulse, tile.config.half_select)

    def noise(self, key: Key, index: Int[Array, "out column"]) -> Draws | None:
        """The cycle noise of some cells, unless the pulse type leaves it out."""
        return None if self.pulse.mean_field else Draws(key, index)


class Pulsed(eqx.Module):
    """What pulses change of a tile.

    Attributes:
        state: where the devices stand.
        full, half: pulses so far, mean over the cells.
    """

    state: State
    full: Scalar
    half: Scalar

    @classmethod
    def of(cls, tile: Tile) -> "Pulsed":
        """Of a tile."""
        return cls(tile.state, tile.full_pulses, tile.half_pulses)

    def put(self, tile: Tile) -> Tile:
        """The tile with it."""
        return dataclasses.replace(tile, state=self.state, full_pulses=self.full, half_pulses=self.half)


class _Change(eqx.Module):
    """Where the devices stand, and the mean number of pulses of a cell that it took."""

    state: State
    full: Scalar
    half: Scalar


def update(
    tile: Tile,
    x: Float[Array, "k in"] | Float[Array, " in"] | UnitVectors,
    d: Float[Array, "k out"] | Float[Array, " out"],
    *,
    learning_rate: Scalar | float,
    key: Key,
) -> Tile:
    """Send pulses that change the weights by `-learning_rate * d^T x` on average.

    Args:
        tile: the tile.
        x: one vector or several, for the columns; `UnitVectors` for columns driven one by one.
        d: as many, for the rows.
        learning_rate: not negative.
        key: of the trains and of the cycle noise. Vector v draws from `fold_in(key, v)`.

    Raises:
        TypeError, ValueError: x or d hold something else than finite numbers (which would send no pulses), shapes do not fit the
            tile or one another, or the learning rate is negative.
    """
    weight = check_tile(tile)
    rate = scalar(learning_rate)
    check_number("learning_rate", rate, low=0.0)
    (out, width), dtype = weight.shape, weight.dtype
    d = jnp.atleast_2d(as_vectors("d", finite_array(d, dtype, "d"), out, dtype))
    if isinstance(x, UnitVectors):
        k = x.columns.shape[0]
        if x.width != width:
            raise ValueError(f"x is of width {x.width}; the tile has {width} columns.")
    else:
        x = jnp.atleast_2d(as_vectors("x", finite_array(x, dtype, "x"), width, dtype))
        if x.ndim != 2:
            raise ValueError(f"x has shape {x.shape}; pass one vector [in] or several [k, in].")
        k = x.shape[0]
    if d.shape != (k, out):
        raise ValueError(f"x holds {k} vectors and d has shape {d.shape}; pass one d of {out} entries for each x.")
    return _update(tile, x, d, rate.astype(dtype), as_key(key)).put(tile)  # outside of `jit`, which would copy all of the tile


@eqx.filter_jit
def _update(tile: Tile, x: Any, d: Float[Array, "k out"], learning_rate: Scalar, key: Key) -> Pulsed:
    if not tile.config.is_pulsed:
        return Pulsed(_add(tile, x, d, learning_rate, key), tile.full_pulses, tile.half_pulses)
    hardware = _Hardware.of(tile)
    if isinstance(x, UnitVectors) and hardware.device.order == "aggregate" and not hardware.device.changes:
        change = _one_shot(hardware, tile.state, x, d, learning_rate, key)
    else:
        one = partial(_vector, batch=d.shape[0])
        change = _scan(hardware, tile.state, as_vectors("x", x, tile.shape[1], d.dtype), d, learning_rate, key, one)
    return _counted(tile, change)


def send(tile: Tile, lines: AbstractLines, *, key: Key) -> Tile:
    """Execute what the lines send for one pair of vectors, wherever it was drawn; `update` without the encoding.

    Args:
        tile: the tile.
        lines: trains or counts.
        key: of the cycle noise.

    Raises:
        TypeError, ValueError: these are not lines, they do not fit the tile, or its devices take no pulses.
    """
    check_tile(tile)
    if not isinstance(lines, AbstractLines):
        raise TypeError(f"lines={lines!r:.80} are not Trains or Counts of jaxtile.pulse, such as Trains.from_bits makes.")
    if not tile.config.is_pulsed:
        raise ValueError(f"tile={tile!r} takes no pulses; use a pulsed device with a pulse type that sends pulses.")
    there = (lines.d_sign.shape[0], lines.x_sign.shape[0])
    if there != tile.shape:
        raise ValueError(f"lines are for {there[0]} rows and {there[1]} columns; the tile is [out, in] = {tile.shape}.")
    expected = isinstance(lines, Counts) and jnp.issubdtype(lines.coincidence.dtype, jnp.floating)
    if expected and _Hardware.of(tile).device.order == "slot":
        raise ValueError("lines hold expected counts, which have no slots; use a device with order='aggregate'.")
    return _send(tile, lines, as_key(key)).put(tile)


@eqx.filter_jit
def _send(tile: Tile, lines: AbstractLines, key: Key) -> Pulsed:
    return _counted(tile, _vector(_Hardware.of(tile), tile.state, lines, key, batch=1))


def _counted(tile: Tile, change: _Change) -> Pulsed:
    full, half = (mean.astype(tile.full_pulses.dtype) for mean in (change.full, change.half))
    return Pulsed(change.state, tile.full_pulses + full, tile.half_pulses + half)


def _add(tile: Tile, x, d, learning_rate: Scalar, key: Key) -> State:
    """Without pulses: the outer products themselves; one after another where devices clip."""
    if tile.device.bounds() is None:
        x = as_vectors("x", x, tile.shape[1], d.dtype)
        return tile.device.add(tile.cells, tile.state, -learning_rate * product(d.T, x))

    assert isinstance(tile.device, AbstractCrosspoint)
    device = tile.device

    def step(state, vector):
        v, x, d = vector
        state = device.begin(state, key=stream(key, v, Source.CONNECT))
        noise = draws(tile, stream(key, v, Source.CYCLE))
        return device.add(tile.cells, state, -learning_rate * jnp.outer(d, x), noise=noise), None

    state, _ = jax.lax.scan(step, tile.state, (numbers(d.shape[0]), as_vectors("x", x, tile.shape[1], d.dtype), d))
    return state


def _scan(
    hardware: _Hardware,
    state: State,
    x: Float[Array, "k in"],
    d: Float[Array, "k out"],
    learning_rate: Scalar,
    key: Key,
    one: Callable[..., _Change],
) -> _Change:
    """One vector after another; `one` executes what the lines send for it."""
    columns, granularity = numbers(x.shape[1]), hardware.device.granularity()

    def step(state, vector):
        v, x, d = vector
        vector_key = stream(key, v)
        lines = hardware.pulse.encode(x, d, learning_rate=learning_rate, granularity=granularity, key=vector_key, columns=columns)
        change = one(hardware, state, lines, vector_key)
        return change.state, (change.full, change.half)

    state, (full, half) = jax.lax.scan(step, state, (numbers(x.shape[0]), x, d))
    return _Change(state, jnp.sum(full), jnp.sum(half))


def _vector(hardware: _Hardware, state: State, lines: AbstractLines, key: Key, *, batch: int) -> _Change:
    """One vector, of so many in a batch, and what devices that change between vectors do before and after it."""
    state = hardware.device.begin(state, key=stream(key, Source.CONNECT))
    change = _execute(hardware, state, lines, key)
    must_restore = hardware.device.must_restore(change.state, batch)
    if must_restore is None:
        return change
    restore = partial(_restore, hardware, key=stream(key, Source.REFRESH))
    return jax.lax.cond(must_restore, restore, lambda change: change, change)


def _restore(hardware: _Hardware, change: _Change, *, key: Key) -> _Change:
    """Write again what the devices ask for, column by column."""
    out, width = hardware.shape
    draws = Draws(key, cell_index(out, numbers(width), width))
    state, pulse, wanted = hardware.device.restore(hardware.cells, change.state, draws)
    hardware, x, d, rate = hardware._replace(pulse=pulse), UnitVectors(numbers(width), width), -wanted.T, jnp.asarray(1.0, float)
    if hardware.device.order == "aggregate":
        again = _one_shot(hardware, state, x, d, rate, key)
    else:
        again = _scan(hardware, state, x.dense(d.dtype), d, rate, key, _execute)
    return _Change(again.state, change.full + again.full, change.half + again.half)


def _execute(hardware: _Hardware, state: State, lines: AbstractLines, key: Key) -> _Change:
    out, width = hardware.shape
    index = cell_index(out, numbers(width), width)
    cycle, half_cycle = (hardware.noise(stream(key, source), index) for source in (Source.CYCLE, Source.HALF))
    if hardware.device.order == "aggregate":
        return _aggregate(hardware, state, lines, cycle, half_cycle)
    assert cycle is not None  # mean field has no slots, and is refused with them
    assert half_cycle is not None
    if isinstance(lines, Trains):
        return _slot_by_slot(hardware, state, lines, cycle, half_cycle)
    return _phase_by_phase(hardware, state, lines, cycle, half_cycle)


def _selected(lines: AbstractLines) -> tuple[Num[Array, "out in"], Num[Array, "out in"]]:
    """Full pulses up and down of each cell."""
    both, direction = lines.coincidences(), lines.directions()
    return jnp.where(direction < 0, both, 0), jnp.where(direction > 0, both, 0)


def _mean(counts: Num[Array, "..."]) -> Scalar:
    return jnp.mean(counts.astype(float))


def _aggregate(hardware: _Hardware, state: State, lines: AbstractLines, cycle: Draws | None, half_cycle: Draws | None) -> _Change:
    """All pulses of one vector at once: first the full ones, then the half ones of all phases."""
    (up, down), (out, width) = _selected(lines), hardware.shape
    full = lines.total()
    state = hardware.device.pulses(hardware.cells, state, up, down, noise=cycle)
    half_select = hardware.half_select
    if half_select is None:
        return _Change(state, full / (out * width), jnp.zeros_like(full))
    exposure = line_exposure(lines, skip_inactive=half_select.phases == "active")
    half_up = (exposure.row_up[:, None] + exposure.column_up[None, :] - 2 * up).astype(float)
    half_down = (exposure.row_down[:, None] + exposure.column_down[None, :] - 2 * down).astype(float)
    state = half_select.disturb(hardware.device, hardware.cells, state, half_up, half_down, half_cycle)
    by_row, by_column = exposure.row_up + exposure.row_down, exposure.column_up + exposure.column_down
    half = _mean(by_row) + _mean(by_column) - 2 * full / (out * width)  # of `half_up + half_down`, without a pass over the cells
    return _Change(state, full / (out * width), half)


def _slot_by_slot(hardware: _Hardware, state: State, lines: Trains, cycle: Draws, half_cycle: Draws) -> _Change:
    """Slot by slot, and within a slot sub-phase by sub-phase."""
    half_select = hardware.half_select

    def in_phase(phase: Phase, rows, columns):
        """Which cells are fully and which are half selected while the lines of this phase fire."""
        rows, columns = rows & (lines.d_sign == phase.d), columns & (lines.x_sign == phase.x)
        driven = True if half_select is None or half_select.phases == "all" else active(phase, lines)
        both = rows[:, None] & columns[None, :]
        return both, (rows[:, None] ^ columns[None, :]) & driven

    def slot(t, change: _Change) -> _Change:
        state, full, half = change.state, change.full, change.half
        rows, columns = lines.slot(t)
        for p, phase in enumerate(PHASES):
            selected, disturbed = in_phase(phase, rows, columns)
            state = hardware.device.pulses(hardware.cells, state, *_polarised(selected, phase), noise=cycle.fold(t))
            full = full + _mean(selected)
            if half_select is not None:
                noise = half_cycle.fold(t * len(PHASES) + p)
                state = half_select.disturb(hardware.device, hardware.cells, state, *_polarised(disturbed, phase), noise)
                half = half + _mean(disturbed)
        return _Change(state, full, half)

    nothing = jnp.zeros((), float)
    return jax.lax.fori_loop(0, lines.n_slots, slot, _Change(state, nothing, nothing))


def _phase_by_phase(hardware: _Hardware, state: State, lines: AbstractLines, cycle: Draws, half_cycle: Draws) -> _Change:
    """Counts have no slots: all full pulses first, then the half pulses phase by phase, each pulse on its own."""
    up, down = _selected(lines)
    full = _mean(up + down)
    state = hardware.device.pulses(hardware.cells, state, up, down, noise=cycle)
    half_select, half = hardware.half_select, jnp.zeros_like(full)
    if half_select is None:
        return _Change(state, full, half)
    n, m = lines.sent()
    for p, phase in enumerate(PHASES):
        rows, columns = lines.d_sign == phase.d, lines.x_sign == phase.x
        driven = True if half_select.phases == "all" else active(phase, lines)
        both = jnp.where(rows[:, None] & columns[None, :], lines.coincidences(), 0)
        disturbed = jnp.where(driven, jnp.where(rows, n, 0)[:, None] + jnp.where(columns, m, 0)[None, :] - 2 * both, 0)
        state = half_select.disturb(hardware.device, hardware.cells, state, *_polarised(disturbed, phase), half_cycle.fold(p))
        half = half + _mean(disturbed)
    return _Change(state, full, half)


def _polarised(count: Num[Array, "out in"], phase: Phase) -> tuple[Int[Array, "out in"], Int[Array, "out in"]]:
    """Counts of one phase as pulses up and down."""
    count = count.astype(jnp.int32)
    nothing = jnp.zeros_like(count)
    return (count, nothing) if phase.up else (nothing, count)


def _one_shot(
    hardware: _Hardware, state: State, x: UnitVectors, d: Float[Array, "k out"], learning_rate: Scalar, key: Key
) -> _Change:
    """Unit vectors, each of a column of its own: the whole batch at once.

    The full pulses of vector v fall into its own column, from the very trains and noise that `_scan` would draw. A cell also sees
    half pulses of its row from every other vector: those of earlier vectors disturb it before its own pulses, the rest after.
    """
    k, (out, width) = d.shape[0], hardware.shape
    granularity = hardware.device.granularity()
    keys = jax.vmap(lambda v: stream(key, v))(numbers(k))

    def encode(column, d, key) -> AbstractLines:
        one = jnp.ones(1, d.dtype)
        return hardware.pulse.encode(one, d, learning_rate=learning_rate, granularity=granularity, key=key, columns=column[None])

    lines = jax.vmap(encode)(x.columns, d, keys)
    up, down = (pulses[:, :, 0].T for pulses in jax.vmap(_selected)(lines))  # [out, k]
    full = jnp.sum((up + down).astype(float)) / (out * width)
    cycle_keys = jax.vmap(lambda key: stream(key, Source.CYCLE))(keys)
    cycle = hardware.noise(cycle_keys[None, :], cell_index(out, x.columns, width))

    def pulse_own_columns(state: State) -> State:
        cells, own = jax.tree.map(lambda leaf: leaf[:, x.columns] if leaf.ndim else leaf, (hardware.cells, state))
        pulsed = hardware.device.pulses(cells, own, up, down, noise=cycle)
        return jax.tree.map(lambda all, own: all.at[:, x.columns].set(own) if all.ndim else all, state, pulsed)

    half_select = hardware.half_select
    if half_select is None:
        return _Change(pulse_own_columns(state), full, jnp.zeros_like(full))

    exposure = jax.vmap(lambda one: line_exposure(one, skip_inactive=half_select.phases == "active"))(lines)
    before_up, after_up = _around_own(exposure.row_up, exposure.column_up[:, 0], up, x)
    before_down, after_down = _around_own(exposure.row_down, exposure.column_down[:, 0], down, x)

    def disturb(state: State, up: Weight, down: Weight, tag: int) -> State:
        noise = hardware.noise(stream(key, Source.HALF, tag), cell_index(out, numbers(width), width))
        return half_select.disturb(hardware.device, hardware.cells, state, up, down, noise)

    state = disturb(state, before_up, before_down, 0)
    state = pulse_own_columns(state)
    state = disturb(state, after_up, after_down, 1)
    return _Change(state, full, _mean(before_up + before_down + after_up + after_down))


def _around_own(
    rows: Num[Array, "k out"], columns: Num[Array, " k"], own: Num[Array, "out k"], x: UnitVectors
) -> tuple[Float[Array, "out in"], Float[Array, "out in"]]:
    """Half pulses of one polarity that each cell sees before, and with or after, the vector that drives its column.

    Columns that no vector drives see all of them "before".
    """
    rows = rows.astype(float).T  # [out, k]
    total = jnp.sum(rows, axis=1, keepdims=True)
    earlier = jnp.cumsum(rows, axis=1) - rows
    later = total - earlier + columns[None, :].astype(float) - 2 * own.astype(float)
    before = jnp.broadcast_to(total, (rows.shape[0], x.width)).at[:, x.columns].set(earlier)
    after = jnp.zeros((rows.shape[0], x.width), float).at[:, x.columns].set(later)
    return before, after
