"""What the lines send for one vector: slot by slot, or all at once."""

import jax
import jax.numpy as jnp

from .._random import Draws, Source, cell_index, numbers, stream
from .._types import Key
from ..device import Burst
from ..half_select.phases import PHASES, Exposure, Phase, Seen, active, exposure, in_phase
from ..pulse import AbstractLines, Trains
from .hardware import Hardware, Pulsed, sent

__all__ = ["execute"]


def execute(hardware: Hardware, pulsed: Pulsed, lines: AbstractLines, key: Key) -> Pulsed:
    """What the lines send for one vector."""
    out, width = hardware.shape
    index = cell_index(out, numbers(width), width)
    cycle, half_cycle = (hardware.noise(stream(key, source), index) for source in (Source.CYCLE, Source.HALF))
    seen = exposure(lines, skip_inactive=hardware.skips)
    if hardware.device.order == "aggregate":
        pulsed = _aggregate(hardware, pulsed, lines, seen, cycle, half_cycle)
    else:
        assert cycle is not None  # mean field has no slots, and is refused with them
        assert half_cycle is not None
        in_order = _slot_by_slot if isinstance(lines, Trains) else _phase_by_phase
        pulsed = in_order(hardware, pulsed, lines, cycle, half_cycle)
    added = sent(hardware, pulsed.tally, lines.total(), seen)
    return Pulsed(pulsed.state, pulsed.memory, pulsed.tally + added)


def _aggregate(
    hardware: Hardware, pulsed: Pulsed, lines: AbstractLines, seen: Exposure, cycle: Draws | None, half_cycle: Draws | None
) -> Pulsed:
    """All pulses of one vector at once: first the full ones, then the half ones of all phases."""
    expected = jax.tree.map(lambda count: count.astype(float), seen)
    full = Burst(seen.up.full, seen.down.full, noise=cycle, most=lines.n_slots)
    return hardware.pulse_all(pulsed, full, half=(expected, half_cycle))


def _slot_by_slot(hardware: Hardware, pulsed: Pulsed, lines: Trains, cycle: Draws, half_cycle: Draws) -> Pulsed:
    """Slot by slot, and within a slot sub-phase by sub-phase."""

    def slot(t, pulsed: Pulsed) -> Pulsed:
        rows, columns = (bits.astype(jnp.int32) for bits in lines.slot(t))
        for p, phase in enumerate(PHASES):
            n, m = jnp.where(lines.d_sign == phase.d, rows, 0)[:, None], jnp.where(lines.x_sign == phase.x, columns, 0)[None, :]
            seen = _driven(hardware, phase, lines, Seen(n, m, n * m, (t < lines.length).astype(jnp.int32)))
            full = Burst(seen.up.full, seen.down.full, noise=cycle.fold(t))
            pulsed = hardware.pulse_all(pulsed, full, half=(seen, half_cycle.fold(t * len(PHASES) + p)))
        return pulsed

    return jax.lax.fori_loop(0, lines.n_slots, slot, pulsed)


def _phase_by_phase(hardware: Hardware, pulsed: Pulsed, lines: AbstractLines, cycle: Draws, half_cycle: Draws) -> Pulsed:
    """Counts have no slots: all full pulses first, then the half pulses phase by phase, each pulse on its own."""
    whole = exposure(lines, skip_inactive=hardware.skips)
    pulsed = hardware.pulse_all(pulsed, Burst(whole.up.full, whole.down.full, noise=cycle, most=lines.n_slots))
    if hardware.half_select is None:
        return pulsed
    n, m = lines.sent()
    for p, phase in enumerate(PHASES):
        rows, columns = lines.d_sign == phase.d, lines.x_sign == phase.x
        both = jnp.where(rows[:, None] & columns[None, :], lines.coincidences(), 0)
        seen = Seen(jnp.where(rows, n, 0)[:, None], jnp.where(columns, m, 0)[None, :], both, lines.length)
        pulsed = hardware.pulse_all(pulsed, half=(_driven(hardware, phase, lines, seen), half_cycle.fold(p)))
    return pulsed


def _driven(hardware: Hardware, phase: Phase, lines: AbstractLines, seen: Seen) -> Exposure:
    """What cells see in one sub-phase, which may be skipped."""
    if hardware.skips:
        driven = active(phase, lines)
        seen = jax.tree.map(lambda count: jnp.where(driven, count, 0), seen)
    return in_phase(phase, seen)
