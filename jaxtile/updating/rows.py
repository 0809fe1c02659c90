"""Pulses of rows: in training, few rows pulse.

A pass over all cells takes as long for a silent cell as for one that is pulsed, most of
it for cycle noise that is multiplied by zero.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from .._loop import largest_lane
from .._random import Draws, arange, cell_index
from .._types import Key, Keys
from ..device import Burst, State
from ..pulse import Trains
from ..pulse.coincidences import Sums
from ..tile import Chip, TileConfig

__all__ = ["Rows", "by_rows", "pulse_own_rows", "pulse_rows"]

_AT_ONCE = 16  # rows of one pass
_FEW = 0.4  # of the rows: a row that is taken out costs more than twice as much as one that stays


class Rows(eqx.Module):
    """The rows in which some cell is pulsed.

    Attributes:
        order: their numbers; after the last one, a number that no row has.
        count: how many they are.
    """

    order: Int[Array, " place"]
    count: Int[Array, ""]

    @classmethod
    def of(cls, lines: Trains) -> "Rows":
        """Those in which these lines pulse."""
        n, m = lines.line_counts()
        return cls.where((n > 0) & (lines.d_sign != 0) & jnp.any((m > 0) & (lines.x_sign != 0)))

    @classmethod
    def where(cls, pulsed: Bool[Array, " row"]) -> "Rows":
        """Those for which `pulsed` is true."""
        none, count = pulsed.size, jnp.cumsum(pulsed, dtype=jnp.int32)
        places = -(-none // _AT_ONCE) * _AT_ONCE
        order = jnp.full(places, none, jnp.int32).at[jnp.where(pulsed, count - 1, places)].set(arange(none), mode="drop")
        return cls(order, count[-1])


def by_rows(config: TileConfig) -> bool:
    """True if the pulses of a vector reach none but the rows that pulse, and all at
    once.
    """
    return config.half_select is None and config.crosspoint.order != "slot"


def pulse_rows(config: TileConfig, chip: Chip, state: State, lines: Trains | Sums, rows: Rows, key: Key) -> State:
    """Pulse the fully selected cells: on a processor, if few rows are pulsed, those
    rows alone.
    """
    if chip.shape[0] < 2 * _AT_ONCE:
        return _pulse_all(config, chip, state, lines, rows, key)
    return jax.lax.platform_dependent(config, chip, state, lines, rows, key, cpu=_pulse_few, default=_pulse_all)


def pulse_own_rows(config: TileConfig, chip: Chip, state: State, lines: Trains, rows: Int[Array, " k"], keys: Keys) -> State:
    """Pulse the fully selected cells of vectors [k, ...] that drive a row each, none
    twice: all rows in one pass.
    """

    def of_row(lines: Trains, row: Int[Array, ""]) -> tuple[Array, Array]:
        up, down = lines.rows(row[None]).moves()
        return up[0], down[0]

    noise = Draws(keys[:, None], cell_index(rows, arange(chip.shape[1]), chip.shape[1]))
    return _in_rows(config, chip, state, rows, Burst(*jax.vmap(of_row)(lines, rows), noise=noise, most=lines.n_slots))


def _in_rows(config: TileConfig, chip: Chip, state: State, rows: Int[Array, " row"], burst: Burst) -> State:
    """Pulse some rows, which are taken out and put back; a number that no row has is
    left out.
    """

    def take(leaf: Array) -> Array:
        """The rows of a leaf; one of another shape is shared by the whole tile."""
        return leaf.at[rows].get(mode="clip") if leaf.shape[:2] == chip.shape else leaf

    def put(leaf: Array, changed: Array) -> Array:
        return leaf.at[rows].set(changed, mode="drop") if leaf.shape[:2] == chip.shape else leaf

    # Taken out beforehand, rows are copied at once; fused with the law, cell by cell.
    cells, taken = jax.lax.optimization_barrier(jax.tree.map(take, (chip.cells, state)))
    return jax.tree.map(put, state, config.crosspoint.pulses(cells, taken, burst))


def _pulse_all(config: TileConfig, chip: Chip, state: State, lines: Trains | Sums, rows: Rows, key: Key) -> State:
    burst = Burst(*lines.moves(), noise=chip.draws(key), most=lines.n_slots)
    return config.crosspoint.pulses(chip.cells, state, burst)


@eqx.filter_custom_jvp
def _pulse_few(config: TileConfig, chip: Chip, state: State, lines: Trains | Sums, rows: Rows, key: Key) -> State:
    """The same, some rows at a time or all of them: by two loops, of which one makes no
    turn. They work in place, and the branches of a `cond` would copy the state.
    """
    most = largest_lane(rows.count)
    few = most <= int(_FEW * chip.shape[0])

    def some(turn: Int[Array, ""], state: State) -> State:
        own = jax.lax.dynamic_slice_in_dim(rows.order, turn * _AT_ONCE, _AT_ONCE)
        burst = Burst(*lines.rows(own).moves(), noise=chip.draws(key, own), most=lines.n_slots)
        return _in_rows(config, chip, state, own, burst)

    def whole(turn: Int[Array, ""], state: State) -> State:
        # What does not depend on the turn would be computed outside of the loop, and always.
        now, noise, _ = jax.lax.optimization_barrier((lines, key, turn))
        return _pulse_all(config, chip, state, now, rows, noise)

    state = jax.lax.fori_loop(0, jnp.where(few, -(-most // _AT_ONCE), 0), some, state)
    return jax.lax.fori_loop(0, jnp.where(few, 0, 1), whole, state)


@_pulse_few.def_jvp
def _slope(primals, tangents):
    return eqx.filter_jvp(_pulse_all, primals, tangents)
