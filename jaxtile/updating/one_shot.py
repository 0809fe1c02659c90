"""Unit vectors, all at once."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from .._random import Draws, Source, cell_index, numbers, stream
from .._types import Key, Scalar
from .._vectors import UnitVectors
from ..device import Burst
from ..half_select.phases import Exposure, Seen, exposure
from ..pulse import AbstractLines
from ..tile import Chip, Now, TileConfig
from .execution import count, noise_of, pulse

__all__ = ["one_shot"]


def one_shot(
    config: TileConfig, chip: Chip, now: Now, x: UnitVectors, d: Float[Array, "k out"], learning_rate: Scalar, key: Key
) -> Now:
    """Send unit vectors, each of which drives a column of its own: the whole batch in one pass over the tile.

    The full pulses of vector v fall into its own column, from the very trains and noise
    that `vector_by_vector` would draw. A cell also sees half pulses of its row from every
    other vector: those of earlier vectors disturb it before its own pulses, the rest after.
    """
    keys = jax.vmap(partial(stream, key))(numbers(d.shape[0]))
    lines = jax.vmap(partial(_encode_alone, config, learning_rate))(x.columns, d, keys)
    seen = jax.vmap(partial(exposure, skip_inactive=config.skips_phases))(lines)
    up, down = seen.up.full[:, :, 0], seen.down.full[:, :, 0]
    earlier, later = (None, None) if config.half_select is None else _around_own(seen, x)

    now = _disturb(config, chip, now, earlier, stream(key, Source.HALF, 0))
    now = _pulse_own(config, chip, now, x, Burst(up, down, noise=_cycle(config, chip, x, keys), most=lines.n_slots))
    now = _disturb(config, chip, now, later, stream(key, Source.HALF, 1))
    return count(config, chip, now, jnp.sum(jnp.sum(up + down, axis=0).astype(float)), _in_all_phases(seen, x))


def _encode_alone(config: TileConfig, learning_rate: Scalar, column: Array, d: Float[Array, " out"], key: Key) -> AbstractLines:
    """What the rows and one column send: a tile of one column."""
    device, one = config.crosspoint, jnp.ones(1, d.dtype)
    own = {"granularity": device.granularity(), "key": key, "columns": column[None]}
    return config.trains.encode(one, d, learning_rate=learning_rate, **own)


def _cycle(config: TileConfig, chip: Chip, x: UnitVectors, keys: Key) -> Draws | None:
    """The cycle noise of each vector in the cells of its own column, [k, out]."""
    out, width = chip.shape
    of_cycle = jax.vmap(lambda key: stream(key, Source.CYCLE))(keys)
    return None if config.trains.mean_field else Draws(of_cycle[:, None], cell_index(out, x.columns, width).T)


def _pulse_own(config: TileConfig, chip: Chip, now: Now, x: UnitVectors, burst: Burst) -> Now:
    """Pulse in the column of each vector: cells [k, out] are taken out, pulsed and put back."""

    def is_per_cell(leaf: Array) -> bool:
        return leaf.shape[:2] == chip.shape  # or the whole tile shares it

    def take(leaf: Array) -> Array:
        return jnp.swapaxes(leaf, 0, 1)[x.columns] if is_per_cell(leaf) else leaf

    def put(leaf: Array, own: Array) -> Array:
        return leaf.at[:, x.columns].set(jnp.swapaxes(own, 0, 1)) if is_per_cell(leaf) else leaf

    cells, own = jax.tree.map(take, (chip.cells, now.state))
    return now.replace(state=jax.tree.map(put, now.state, config.crosspoint.pulses(cells, own, burst)))


def _disturb(config: TileConfig, chip: Chip, now: Now, seen: Exposure | None, key: Key) -> Now:
    """Disturb all cells by what they see of other vectors."""
    if seen is None:
        return now
    return pulse(config, chip, now, disturb=(seen, noise_of(config, chip, key)))


def _in_all_phases(seen: Exposure, x: UnitVectors) -> Exposure:
    """The exposure to all vectors."""
    return Exposure(_in_all(seen.up, x), _in_all(seen.down, x))


def _around_own(seen: Exposure, x: UnitVectors) -> tuple[Exposure, Exposure]:
    """The exposure of each cell before the vector that drives its column, and with and after it."""
    (up_earlier, up_later), (down_earlier, down_later) = _split(seen.up, x), _split(seen.down, x)
    return Exposure(up_earlier, down_earlier), Exposure(up_later, down_later)


def _split(seen: Seen, x: UnitVectors) -> tuple[Seen, Seen]:
    """The same for the phases of one polarity.

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
    """The same for the phases of one polarity."""
    rows, columns, full, slots = (count.astype(float) for count in (seen.row, seen.column, seen.full, seen.slots))
    return Seen(jnp.sum(rows, axis=0), _by_column(columns[:, 0], x), _by_column(full[:, :, 0], x), jnp.sum(slots))


def _by_column(
    values: Float[Array, "k line"], x: UnitVectors, undriven: Float[Array, "1 line"] | None = None
) -> Float[Array, "line in"]:
    """The numbers of each vector in the column that it drives, and those of `undriven` (None: zero) in the others."""
    k = values.shape[0]
    driver = jnp.full(x.width, k, jnp.int32).at[x.columns].set(numbers(k))
    return jnp.concatenate([values, jnp.zeros_like(values[:1]) if undriven is None else undriven])[driver].T
