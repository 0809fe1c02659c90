"""Unit vectors, all at once."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from .._random import Source, cell_index, numbers, stream
from .._types import Key, Scalar
from .._vectors import UnitVectors
from ..device import Burst, State
from ..half_select.phases import Exposure, Seen, exposure
from ..pulse import AbstractLines
from .hardware import Hardware, Pulsed, sent

__all__ = ["one_shot"]


def one_shot(
    hardware: Hardware, pulsed: Pulsed, x: UnitVectors, d: Float[Array, "k out"], learning_rate: Scalar, key: Key
) -> Pulsed:
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
    seen = jax.vmap(lambda one: exposure(one, skip_inactive=hardware.skips))(lines)
    up, down = (one.full[:, :, 0].T for one in (seen.up, seen.down))  # [out, k]
    cycle_keys = jax.vmap(lambda key: stream(key, Source.CYCLE))(keys)
    cycle = hardware.noise(cycle_keys[None, :], cell_index(out, x.columns, width))

    def pulse_own_columns(state: State) -> State:
        cells, own = jax.tree.map(lambda leaf: leaf[:, x.columns] if leaf.ndim else leaf, (hardware.cells, state))
        moved = hardware.device.pulses(cells, own, Burst(up, down, noise=cycle, most=lines.n_slots))
        return jax.tree.map(lambda all, own: all.at[:, x.columns].set(own) if all.ndim else all, state, moved)

    def disturb(pulsed: Pulsed, seen: Exposure, tag: int) -> Pulsed:
        noise = hardware.noise(stream(key, Source.HALF, tag), cell_index(out, numbers(width), width))
        return hardware.pulse_all(pulsed, half=(seen, noise))

    half_selected = hardware.half_select is not None
    if half_selected:
        (before_up, after_up), (before_down, after_down) = (_around_own(one, x) for one in (seen.up, seen.down))
        pulsed = disturb(pulsed, Exposure(before_up, before_down), 0)
    pulsed = Pulsed(pulse_own_columns(pulsed.state), pulsed.memory, pulsed.tally)
    if half_selected:
        pulsed = disturb(pulsed, Exposure(after_up, after_down), 1)
    whole = Exposure(_in_all(seen.up, x), _in_all(seen.down, x))
    added = sent(hardware, pulsed.tally, jnp.sum(jnp.sum(up + down, axis=1).astype(float)), whole)
    return Pulsed(pulsed.state, pulsed.memory, pulsed.tally + added)


def _around_own(seen: Seen, x: UnitVectors) -> tuple[Seen, Seen]:
    """What each cell sees in the phases of one polarity before, and with or after, the vector that drives its column.

    Cells of columns that no vector drives see all of it "before".
    """

    def split(values: Num[Array, "k line"]) -> tuple[Float[Array, "line in"], Float[Array, "line in"]]:
        values = values.astype(float)
        total = jnp.sum(values, axis=0, keepdims=True)
        earlier = jnp.cumsum(values, axis=0) - values
        return _by_column(earlier, x, total), _by_column(total - earlier, x)

    (rows_before, rows_after), (slots_before, slots_after) = split(seen.row[:, :, 0]), split(seen.slots[:, None])
    all, nothing = _in_all(seen, x), jnp.zeros(())
    return Seen(rows_before, nothing, nothing, slots_before), Seen(rows_after, all.column, all.full, slots_after)


def _in_all(seen: Seen, x: UnitVectors) -> Seen:
    """What cells see over all vectors."""
    rows, columns, full, slots = (count.astype(float) for count in (seen.row, seen.column, seen.full, seen.slots))
    return Seen(jnp.sum(rows, axis=0), _by_column(columns[:, 0], x), _by_column(full[:, :, 0], x), jnp.sum(slots))


def _by_column(
    values: Float[Array, "k line"], x: UnitVectors, undriven: Float[Array, "1 line"] | None = None
) -> Float[Array, "line in"]:
    """The numbers of each vector in the column that it drives, and those of `undriven` (None: zero) in the others."""
    k = values.shape[0]
    driver = jnp.full(x.width, k, jnp.int32).at[x.columns].set(numbers(k))
    return jnp.concatenate([values, jnp.zeros_like(values[:1]) if undriven is None else undriven])[driver].T
