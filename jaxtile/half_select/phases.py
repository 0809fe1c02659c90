"""Sub-phases: how one pair of signed vectors is sent by lines that can only pull one way at a time.

A slot is up to four sub-phases, one for each (sign of d, sign of x), in the order ++, +-, -+, --. In each only the lines of those
signs fire, and every half-selected cell sees half a pulse of the *phase's* polarity, whichever of its lines fired. Let row i send
n_i pulses, column j send m_j, and let K_ij coincide; for a cell whose row and column have signs (s, t):

| sub-phase | full | half | polarity |
|---|---|---|---|
| (s, t), its own | K | (n - K) + (m - K) | its own |
| (s, -t): its row fires, its column does not | 0 | n | opposite |
| (-s, t): its column fires, its row does not | 0 | m | opposite |
| (-s, -t) | 0 | 0 | |

Summed over phases of one polarity, the half pulses of a cell are therefore a number of its row plus a number of its column, less
twice its own coincidences: a popcount and two broadcasts, never a pass over slots. A line of value zero has no sign and never
fires; its cells see the other line in both of that line's phases.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Num

from ..pulse import AbstractLines

__all__ = ["PHASES", "LineExposure", "Phase", "active", "line_exposure"]


class Phase(NamedTuple):
    """The signs of the lines that fire."""

    d: int
    x: int

    @property
    def up(self) -> bool:
        """The polarity: whether the fully selected cells move up (`update` subtracts d x)."""
        return self.d * self.x < 0


PHASES = (Phase(1, 1), Phase(1, -1), Phase(-1, 1), Phase(-1, -1))


class LineExposure(eqx.Module):
    """Half pulses that each line contributes to its cells over all driven sub-phases, by polarity.

    Those in which the cell's other line fires too are counted twice (once from either side): subtract 2 K.
    """

    row_up: Num[Array, " out"]
    row_down: Num[Array, " out"]
    column_up: Num[Array, " in"]
    column_down: Num[Array, " in"]


def active(phase: Phase, lines: AbstractLines) -> Bool[Array, ""]:
    """Whether some row and some column have the phase's signs (by value, not by the bits drawn)."""
    return jnp.any(lines.d_sign == phase.d) & jnp.any(lines.x_sign == phase.x)


def line_exposure(lines: AbstractLines, *, skip_inactive: bool) -> LineExposure:
    """Sum the contributions of each line over the sub-phases that are driven."""
    n, m = lines.sent()

    def total(*, up: bool):
        rows, columns = jnp.zeros_like(n), jnp.zeros_like(m)
        for phase in PHASES:
            if phase.up == up:
                driven = active(phase, lines) if skip_inactive else True
                rows = rows + jnp.where(driven & (lines.d_sign == phase.d), n, 0)
                columns = columns + jnp.where(driven & (lines.x_sign == phase.x), m, 0)
        return rows, columns

    row_up, column_up = total(up=True)
    row_down, column_down = total(up=False)
    return LineExposure(row_up, row_down, column_up, column_down)
