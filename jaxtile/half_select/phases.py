"""Sub-phases: how one pair of signed vectors is sent by lines that can only pull one
way at a time.

A slot is up to four sub-phases, one for each (sign of d, sign of x), in the order ++,
+-, -+, --. In each only the lines of those signs fire. Every half-selected cell sees
half a pulse of the *phase's* polarity, whichever of its lines fired. Let row i send n_i
pulses, column j send m_j, and let K_ij coincide; for a cell whose row and column have
signs (s, t):

| sub-phase | full | half | polarity |
|---|---|---|---|
| (s, t), its own | K | (n - K) + (m - K) | its own |
| (s, -t): its row fires, its column does not | 0 | n | opposite |
| (-s, t): its column fires, its row does not | 0 | m | opposite |
| (-s, -t) | 0 | 0 | |

Summed over phases of one polarity, the half pulses of a cell are a number of its row
plus one of its column, less twice its coincidences. That is a popcount and two
broadcasts, never a pass over slots. A line of value zero has no sign and never fires;
its cells see the other line in both of that line's phases. In a slot of a driven phase
a cell is selected fully, by its row alone, by its column alone, or not at all.
"""

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Num

from ..pulse import AbstractLines

__all__ = ["PHASES", "Exposure", "Phase", "Seen", "active", "exposure", "exposure_to_lines", "in_phase", "select"]


class Phase(NamedTuple):
    """The signs of the lines that fire."""

    d: int
    x: int

    @property
    def up(self) -> bool:
        """The polarity: whether the fully selected cells move up (`update` subtracts d
        x).
        """
        return self.d * self.x < 0


PHASES = (Phase(1, 1), Phase(1, -1), Phase(-1, 1), Phase(-1, -1))
_UP = PHASES[1:3]
_DOWN = PHASES[::3]


class Seen(eqx.Module):
    """Pulses that cells see in the driven sub-phases of one polarity; each array
    broadcasts against [out, in].

    Attributes:
        row, column: pulses of the cell's row and of its column.
        full: slots in which both of them pulse.
        slots: all slots.
    """

    row: Num[Array, "..."]
    column: Num[Array, "..."]
    full: Num[Array, "..."]
    slots: Num[Array, "..."]

    @property
    def by_row(self) -> Num[Array, "..."]:
        """Slots in which the row pulses alone."""
        return self.row - self.full

    @property
    def by_column(self) -> Num[Array, "..."]:
        """Slots in which the column pulses alone."""
        return self.column - self.full

    @property
    def half(self) -> Num[Array, "..."]:
        """Slots in which one of the two pulses."""
        return self.row + self.column - 2 * self.full

    @property
    def idle(self) -> Num[Array, "..."]:
        """Slots in which neither does."""
        return self.slots - self.row - self.column + self.full


class Exposure(eqx.Module):
    """Pulses that cells see in the sub-phases of either polarity."""

    up: Seen
    down: Seen


def active(phase: Phase, lines: AbstractLines) -> Bool[Array, ""]:
    """True if some row and some column have the phase's signs (by value, not by the
    bits drawn).
    """
    return jnp.any(lines.d_sign == phase.d) & jnp.any(lines.x_sign == phase.x)


def exposure(lines: AbstractLines, *, skip_inactive: bool) -> Exposure:
    """The exposure of cells over all sub-phases that are driven."""
    return select(exposure_to_lines(lines, skip_inactive=skip_inactive), *lines.moves())


def select(seen: Exposure, up: Num[Array, "out in"], down: Num[Array, "out in"]) -> Exposure:
    """The same with these numbers of full pulses."""
    return Exposure(dataclasses.replace(seen.up, full=up), dataclasses.replace(seen.down, full=down))


def exposure_to_lines(lines: AbstractLines, *, skip_inactive: bool) -> Exposure:
    """The same, as if no two pulses coincided: sums of lines, without a pass over the
    cells.
    """
    n, m = lines.line_counts()

    def seen(phases: tuple[Phase, ...]) -> Seen:
        rows, columns, slots = jnp.zeros_like(n), jnp.zeros_like(m), jnp.zeros_like(lines.length)
        for phase in phases:
            driven = active(phase, lines) if skip_inactive else True
            rows = rows + jnp.where(driven & (lines.d_sign == phase.d), n, 0)
            columns = columns + jnp.where(driven & (lines.x_sign == phase.x), m, 0)
            slots = slots + jnp.where(driven, lines.length, 0)
        return Seen(rows[:, None], columns[None, :], jnp.zeros_like(slots), slots)

    return Exposure(seen(_UP), seen(_DOWN))


def in_phase(phase: Phase, seen: Seen) -> Exposure:
    """The exposure of cells in one sub-phase alone."""
    nothing = jax.tree.map(jnp.zeros_like, seen)
    return Exposure(seen, nothing) if phase.up else Exposure(nothing, seen)
