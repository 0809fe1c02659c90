"""One vector: encode, pulse the selected cells, disturb the half-selected ones, clip."""

from functools import partial

import jax
import jax.numpy as jnp

from .._random import Draws, Source, arange, stream
from .._types import Key, Scalar
from ..device import Burst, Vector
from ..half_select.phases import PHASES, Exposure, Phase, Seen, active, exposure, in_phase
from ..pulse import AbstractLines, Trains
from ..tile import Chip, Now, PulseCounts, Tally, TileConfig
from .rows import Rows, by_rows, pulse_rows

__all__ = ["count", "encode", "execute", "move", "noise_of", "pulse", "send_together"]

Disturbance = tuple[Exposure, Draws | None]


def encode(config: TileConfig, vector: Vector, key: Key) -> AbstractLines:
    """Pulses that the lines send for one pair of vectors."""
    x, d, rate, columns = vector.x, vector.d, vector.learning_rate, arange(vector.x.shape[0])
    granularity = config.crosspoint.granularity()
    return config.trains.lines(x, d, learning_rate=rate, granularity=granularity, key=key, columns=columns)


def pulse(config: TileConfig, chip: Chip, now: Now, *bursts: Burst, disturb: Disturbance | None = None) -> Now:
    """Pulse the selected cells, disturb the half-selected ones, and clip each to its
    bounds.
    """
    memory = now.half_memory
    if config.half_select is not None and disturb is not None:
        half, memory = config.half_select.bursts(chip.half_cells, memory, *disturb)
        bursts = (*bursts, *half)
    return now.replace(state=config.crosspoint.pulses(chip.cells, now.state, *bursts), half_memory=memory)


def execute(config: TileConfig, chip: Chip, now: Now, lines: AbstractLines, key: Key) -> Now:
    """Send the lines of one vector: all pulses in one go, or slot by slot, as the
    device declares.
    """
    seen = exposure(lines, skip_inactive=config.skips_phases)
    now = move(config, chip, now, lines, key)
    return count(config, chip, now, lines.total(), seen)


def move(config: TileConfig, chip: Chip, now: Now, lines: AbstractLines, key: Key) -> Now:
    """The same, without counting."""
    if by_rows(config) and isinstance(lines, Trains):
        return now.replace(state=pulse_rows(config, chip, now.state, lines, Rows.of(lines), stream(key, Source.CYCLE)))
    seen = exposure(lines, skip_inactive=config.skips_phases)
    if config.crosspoint.order != "slot":
        return send_together(config, chip, now, seen, lines.n_slots, key)
    if isinstance(lines, Trains):
        return _slot_by_slot(config, chip, now, lines, key)
    return _phase_by_phase(config, chip, now, lines, seen, key)


def noise_of(config: TileConfig, chip: Chip, key: Key) -> Draws | None:
    """The cycle noise; None: the pulse type leaves it out."""
    return None if config.trains.mean_field else chip.draws(key)


def send_together(config: TileConfig, chip: Chip, now: Now, seen: Exposure, most: int, key: Key) -> Now:
    """Send all pulses at once: first the full ones, at most so many of a cell, then the
    half ones of all phases.
    """
    cycle, half_cycle = noise_of(config, chip, stream(key, Source.CYCLE)), noise_of(config, chip, stream(key, Source.HALF))
    expected = jax.tree.map(partial(jnp.asarray, dtype=float), seen)
    full = Burst(seen.up.full, seen.down.full, noise=cycle, most=most)
    return pulse(config, chip, now, full, disturb=(expected, half_cycle))


def _slot_by_slot(config: TileConfig, chip: Chip, now: Now, lines: Trains, key: Key) -> Now:
    """Slot by slot, and within a slot sub-phase by sub-phase."""
    cycle, half_cycle = (chip.draws(stream(key, source)) for source in (Source.CYCLE, Source.HALF))

    def slot(t, now: Now) -> Now:
        rows, columns = (bits.astype(jnp.int32) for bits in lines.slot(t))
        for p, phase in enumerate(PHASES):
            n, m = jnp.where(lines.d_sign == phase.d, rows, 0)[:, None], jnp.where(lines.x_sign == phase.x, columns, 0)[None, :]
            here = _driven(config, phase, lines, Seen(n, m, n * m, (t < lines.length).astype(jnp.int32)))
            full = Burst(here.up.full, here.down.full, noise=cycle.fold(t))
            now = pulse(config, chip, now, full, disturb=(here, half_cycle.fold(t * len(PHASES) + p)))
        return now

    return jax.lax.fori_loop(0, lines.n_slots, slot, now)


def _phase_by_phase(config: TileConfig, chip: Chip, now: Now, lines: AbstractLines, seen: Exposure, key: Key) -> Now:
    """Counts have no slots: all full pulses first, then the half pulses phase by phase,
    each pulse on its own.
    """
    cycle, half_cycle = (chip.draws(stream(key, source)) for source in (Source.CYCLE, Source.HALF))
    now = pulse(config, chip, now, Burst(seen.up.full, seen.down.full, noise=cycle, most=lines.n_slots))
    if config.half_select is None:
        return now
    n, m = lines.line_counts()
    for p, phase in enumerate(PHASES):
        rows, columns = lines.d_sign == phase.d, lines.x_sign == phase.x
        both = jnp.where(rows[:, None] & columns[None, :], lines.coincidences(), 0)
        here = Seen(jnp.where(rows, n, 0)[:, None], jnp.where(columns, m, 0)[None, :], both, lines.length)
        now = pulse(config, chip, now, disturb=(_driven(config, phase, lines, here), half_cycle.fold(p)))
    return now


def _driven(config: TileConfig, phase: Phase, lines: AbstractLines, seen: Seen) -> Exposure:
    """The exposure of cells in one sub-phase, which may be skipped."""
    if config.skips_phases:
        driven = active(phase, lines)
        seen = jax.tree.map(lambda count: jnp.where(driven, count, 0), seen)
    return in_phase(phase, seen)


def count(config: TileConfig, chip: Chip, now: Now, full: Scalar, seen: Exposure) -> Now:
    """Count the pulses that were sent; `full` is the sum of all full ones."""
    (out, width), up, down = chip.shape, seen.up, seen.down
    row, column = jnp.mean((up.row + down.row).astype(float)), jnp.mean((up.column + down.column).astype(float))
    phases, mean = (up.slots + down.slots).astype(float), full / (out * width)
    half = jnp.zeros_like(mean) if config.half_select is None else row + column - 2 * mean  # without a pass over the cells
    each = None if now.tally.each is None else _count_each(config, chip, seen)
    sent = Tally(mean, half, row, column, phases, reads=jnp.zeros_like(mean), each=each)
    return now.replace(tally=now.tally + sent)


def _count_each(config: TileConfig, chip: Chip, seen: Exposure) -> PulseCounts:
    """The same for each cell and each line."""
    up, down = seen.up, seen.down
    half = 2 * [jnp.zeros(chip.shape)] if config.half_select is None else [up.half, down.half]
    lines = [line.ravel() for line in (up.row, down.row, up.column, down.column)]
    return PulseCounts(*map(partial(jnp.asarray, dtype=float), (up.full, down.full, *half, *lines)))
