"""Unit vectors, all at once."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

from .._random import Draws, Source, arange, cell_index, stream
from .._types import Key, Keys, Scalar
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
    """Send unit vectors, each of which drives a column of its own: the whole batch in
    one pass over the tile.

    The full pulses of vector v fall into its own column, from the very trains and noise
    that `send_batch` would draw. A cell also sees half pulses of its row from every
    other vector: those of earlier vectors disturb it before its own pulses, the rest
    after.
    """
    keys = jax.vmap(partial(stream, key))(arange(d.shape[0]))
    lines = jax.vmap(partial(_encode_alone, config, learning_rate))(x.columns, d, keys)
    seen = jax.vmap(partial(exposure, skip_inactive=config.skips_phases))(lines)
    up, down = seen.up.full[:, :, 0], seen.down.full[:, :, 0]  # [k, out]
    own = Burst(up, down, noise=_cycle(config, chip, x, keys), most=lines.n_slots)

    driver = jnp.full(x.width, d.shape[0], jnp.int32).at[x.columns].set(arange(d.shape[0]))
    whole = Exposure(_in_all(seen.up, driver), _in_all(seen.down, driver))
    if config.half_select is None:
        now = _pulse_own(config, chip, now, x, own)
    else:
        up_earlier, up_later = _around_own(seen.up, whole.up, driver)
        down_earlier, down_later = _around_own(seen.down, whole.down, driver)
        now = _disturb(config, chip, now, Exposure(up_earlier, down_earlier), stream(key, Source.HALF, 0))
        now = _pulse_own(config, chip, now, x, own)
        now = _disturb(config, chip, now, Exposure(up_later, down_later), stream(key, Source.HALF, 1))
    return count(config, chip, now, jnp.sum(jnp.sum(up + down, axis=0).astype(float)), whole)


def _encode_alone(config: TileConfig, learning_rate: Scalar, column: Array, d: Float[Array, " out"], key: Key) -> AbstractLines:
    """Pulses of the rows and of one column: a tile of one column."""
    device, one = config.crosspoint, jnp.ones(1, d.dtype)
    own = {"granularity": device.granularity(), "key": key, "columns": column[None]}
    return config.trains.lines(one, d, learning_rate=learning_rate, **own)


def _cycle(config: TileConfig, chip: Chip, x: UnitVectors, keys: Keys) -> Draws | None:
    """The cycle noise of each vector in the cells of its own column, [k, out]."""
    out, width = chip.shape
    of_cycle = jax.vmap(lambda key: stream(key, Source.CYCLE))(keys)
    return None if config.trains.mean_field else Draws(of_cycle[:, None], cell_index(out, x.columns, width).T)


def _pulse_own(config: TileConfig, chip: Chip, now: Now, x: UnitVectors, burst: Burst) -> Now:
    """Pulse in the column of each vector: cells [k, out] are taken out, pulsed and put
    back.
    """
    # A leaf of another shape is one that the whole tile shares. Columns are taken as rows of
    # the transpose: gathered the other way round, a GDP step takes a quarter longer.

    def take(leaf: Array) -> Array:
        return jnp.swapaxes(leaf, 0, 1)[x.columns] if leaf.shape[:2] == chip.shape else leaf

    def put(leaf: Array, own: Array) -> Array:
        return leaf.at[:, x.columns].set(jnp.swapaxes(own, 0, 1)) if leaf.shape[:2] == chip.shape else leaf

    cells, own = jax.tree.map(take, (chip.cells, now.state))
    return now.replace(state=jax.tree.map(put, now.state, config.crosspoint.pulses(cells, own, burst)))


def _disturb(config: TileConfig, chip: Chip, now: Now, seen: Exposure, key: Key) -> Now:
    """Disturb all cells by what they see of other vectors."""
    return pulse(config, chip, now, disturb=(seen, noise_of(config, chip, key)))


def _in_all(seen: Seen, driver: Int[Array, " in"]) -> Seen:
    """The pulses of all vectors that cells see in the phases of one polarity."""
    rows, slots = jnp.sum(seen.row.astype(float), axis=0), jnp.sum(seen.slots.astype(float))
    return Seen(rows, _by_column(seen.column[:, 0], driver), _by_column(seen.full[:, :, 0], driver), slots)


def _around_own(seen: Seen, whole: Seen, driver: Int[Array, " in"]) -> tuple[Seen, Seen]:
    """The part of it before the vector that drives the cell's column, and the part with
    and after it.

    Cells of columns that no vector drives see all of it "before".
    """

    def split(values: Num[Array, "k line"]) -> tuple[Float[Array, "line in"], Float[Array, "line in"]]:
        values = values.astype(float)
        total = jnp.sum(values, axis=0, keepdims=True)
        earlier = jnp.cumsum(values, axis=0) - values
        return _by_column(earlier, driver, total), _by_column(total - earlier, driver)

    (rows_before, rows_after), (slots_before, slots_after) = split(seen.row[:, :, 0]), split(seen.slots[:, None])
    nothing = jnp.zeros(())
    return Seen(rows_before, nothing, nothing, slots_before), Seen(rows_after, whole.column, whole.full, slots_after)


def _by_column(
    values: Num[Array, "k line"], driver: Int[Array, " in"], undriven: Float[Array, "1 line"] | None = None
) -> Float[Array, "line in"]:
    """The numbers of each vector in the column that it drives, and `undriven` (None:
    zero) in columns without one.
    """
    values = values.astype(float)
    return jnp.concatenate([values, jnp.zeros_like(values[:1]) if undriven is None else undriven])[driver].T
