"""Zero-shifting: references set to symmetry points by alternating pulses."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from .._random import as_key, stream
from .._types import Key, is_whole
from ..device import AbstractUnitCell, UnitCells
from ..device.step.reference import AbstractReferenceDevice
from ..pulse import MeanCount
from ..tile import Chip, Tile, TileConfig, check_tile
from ..updating import update

__all__ = ["zero_shift"]


def zero_shift(tile: Tile, pulses: int, *, key: Key) -> Tile:
    """Send pulses up and down in turn to every device, and count its weight from where
    they end.

        reference <- reference + weight,     weight <- 0        after `pulses` pulses

    Alternating pulses lead a device to its symmetry point, where steps up and down are
    equal. Of soft bounds each leaves 1 - step / bound of the distance: the fewer the
    budget, and the smaller the step, the larger the error that stays. (Gokmen and
    Haensch, Front. Neurosci. 14:103, 2020.) In an algorithm of several arrays the first
    one is shifted; the others, and what it remembers, stay.

    Args:
        tile: one whose (first) device has a reference, such as `SoftBoundsReference`.
        pulses: the budget of each device, an even number.
        key: of the cycle noise.

    Raises:
        TypeError, ValueError: the device has no reference, or this is no budget.
    """
    check_tile(tile)
    if not is_whole(pulses, 0) or pulses % 2:
        raise ValueError(f"pulses={pulses!r} must be an even whole number of at least 0: pulses come in pairs, up and down.")
    cell = tile.device
    device = cell.parts[0] if isinstance(cell, AbstractUnitCell) else cell
    if not isinstance(device, AbstractReferenceDevice):
        raise TypeError(f"device={device!r} has no reference to set; use one such as jaxtile.device.SoftBoundsReference().")
    if not isinstance(cell, AbstractUnitCell):
        return _shifted(tile, pulses, as_key(key))
    assert isinstance(tile.cells, UnitCells)
    config = TileConfig(device, half_select=tile.config.half_select)
    first = Tile(
        config, Chip(tile.shape, tile.cells.devices[0], tile.chip.half_cells), tile.now.replace(state=tile.state.devices[0])
    )
    first = _shifted(first, pulses, as_key(key))

    def where(tile: Any):
        return tile.chip.cells.devices[0], tile.now.state.devices[0], tile.now.tally

    return eqx.tree_at(where, tile, (first.cells, first.state, first.tally))


@eqx.filter_jit
def _shifted(tile: Tile, pulses: int, key: Key) -> Tile:
    out, width = tile.shape
    one = MeanCount(desired_bl=1, update_management=False, update_bl_management=False)
    single = dataclasses.replace(tile, config=dataclasses.replace(tile.config, pulse=one))
    x, rate = jnp.ones(width, tile.weight.dtype), tile.config.crosspoint.granularity()

    def pulse(n: Int[Array, ""], now: Tile) -> Tile:
        d = jnp.full(out, jnp.where(n % 2 == 0, -1.0, 1.0))
        return update(now, x, d, learning_rate=rate, key=stream(key, n))

    moved = jax.lax.fori_loop(0, pulses, pulse, single)
    end, cells = moved.weight, moved.cells
    shifted = dataclasses.replace(
        cells,
        reference=cells.reference + end,
        w_min=cells.w_min - end,
        w_max=cells.w_max - end,
        reset_bias=cells.reset_bias - end,
    )
    chip = dataclasses.replace(tile.chip, cells=shifted)
    return Tile(tile.config, chip, moved.now.replace(state=jnp.zeros_like(end)))
