"""`update`: send pulses into a tile, half-selected cells and all.

    encode        x and d become what the lines send              (pulse)
    pulse         the fully selected cells                        (device)
    disturb       the half-selected cells                         (half_select)
    clip          to what each device can hold                    (device, with every pulse)

Three loops run these lines over the vectors of a batch: `_add` where no pulses are sent; `_scan`, one vector after another, as the
hardware does; `one_shot` for unit vectors, each of which touches a column of its own, in one pass over the tile. Within a vector,
`vector` keeps the order of slots and sub-phases (device order "slot") or sums them up.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._linalg import product
from .._random import Draws, Source, as_key, cell_index, numbers, stream
from .._types import Key, Scalar, check_number, finite_array, scalar
from .._vectors import UnitVectors
from ..device import AbstractCrosspoint, State
from ..pulse import AbstractLines, Counts
from ..tile import Tile, as_vectors, check_tile, draws
from .hardware import Hardware, Pulsed
from .one_shot import one_shot
from .vector import execute

__all__ = ["send", "update"]


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
    pulsed = Pulsed.fresh(tile)
    if not tile.config.is_pulsed:
        return Pulsed(_add(tile, x, d, learning_rate, key), pulsed.memory, tile.tally)
    hardware = Hardware.of(tile)
    if isinstance(x, UnitVectors) and hardware.takes_one_shot and not hardware.device.changes:
        return one_shot(hardware, pulsed, x, d, learning_rate, key).after(tile)
    one = partial(_vector, batch=d.shape[0])
    return _scan(hardware, pulsed, as_vectors("x", x, tile.shape[1], d.dtype), d, learning_rate, key, one).after(tile)


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
    if expected and Hardware.of(tile).device.order == "slot":
        raise ValueError("lines hold expected counts, which have no slots; use a device with order='aggregate'.")
    return _send(tile, lines, as_key(key)).put(tile)


@eqx.filter_jit
def _send(tile: Tile, lines: AbstractLines, key: Key) -> Pulsed:
    return _vector(Hardware.of(tile), Pulsed.fresh(tile), lines, key, batch=1).after(tile)


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
    hardware: Hardware,
    pulsed: Pulsed,
    x: Float[Array, "k in"],
    d: Float[Array, "k out"],
    learning_rate: Scalar,
    key: Key,
    one: Callable[..., Pulsed],
) -> Pulsed:
    """One vector after another; `one` executes what the lines send for it."""
    columns, granularity = numbers(x.shape[1]), hardware.device.granularity()

    def step(pulsed, vector):
        v, x, d = vector
        vector_key = stream(key, v)
        lines = hardware.pulse.encode(x, d, learning_rate=learning_rate, granularity=granularity, key=vector_key, columns=columns)
        return one(hardware, pulsed, lines, vector_key), None

    return jax.lax.scan(step, pulsed, (numbers(x.shape[0]), x, d))[0]


def _vector(hardware: Hardware, pulsed: Pulsed, lines: AbstractLines, key: Key, *, batch: int) -> Pulsed:
    """One vector, of so many in a batch, and what devices that change between vectors do before and after it."""
    state = hardware.device.begin(pulsed.state, key=stream(key, Source.CONNECT))
    pulsed = execute(hardware, Pulsed(state, pulsed.memory, pulsed.tally), lines, key)
    must_restore = hardware.device.must_restore(pulsed.state, batch)
    if must_restore is None:
        return pulsed
    restore = partial(_restore, hardware, key=stream(key, Source.REFRESH))
    return jax.lax.cond(must_restore, restore, lambda pulsed: pulsed, pulsed)


def _restore(hardware: Hardware, pulsed: Pulsed, *, key: Key) -> Pulsed:
    """Write again what the devices ask for, column by column."""
    out, width = hardware.shape
    draws = Draws(key, cell_index(out, numbers(width), width))
    state, pulse, wanted = hardware.device.restore(hardware.cells, pulsed.state, draws)
    pulsed = Pulsed(state, pulsed.memory, pulsed.tally)
    hardware, x, d, rate = hardware._replace(pulse=pulse), UnitVectors(numbers(width), width), -wanted.T, jnp.asarray(1.0, float)
    if hardware.takes_one_shot:
        return one_shot(hardware, pulsed, x, d, rate, key)
    return _scan(hardware, pulsed, x.dense(d.dtype), d, rate, key, execute)
