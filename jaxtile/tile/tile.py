"""The tile, and its fabrication."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, Int, PyTree

from .._random import Draws, arange, as_key, cell_index, stream
from .._show import html_table, text_of
from .._types import Key, Scalar, Weights, as_shape, is_concrete
from ..device import AbstractCells, AbstractDevice, State
from ..periphery import Channels, fabricate, start
from .config import TileConfig
from .hardware import AbstractHardware
from .tally import Tally

__all__ = ["Chip", "Now", "Tile", "init"]

# The streams that the two peripheries of a tile are drawn from; devices have the tags
# of `Source`.
_FORWARD = 256
_BACKWARD = 257


class Chip(eqx.Module):
    """Everything that fabrication draws once. No pulse, no read and no time changes it.

    Attributes:
        shape: (out, in).
        cells: the realised parameters of each device.
        half_cells: what tells one cell from the next under half-selection; None:
            nothing.
        forward, backward: the realised periphery of reading in either direction.
    """

    shape: tuple[int, int] = eqx.field(static=True)
    cells: AbstractCells
    half_cells: PyTree[Array] = None
    forward: Channels = Channels()
    backward: Channels = Channels()

    def draws(self, key: Key, rows: Int[Array, " row"] | None = None) -> Draws:
        """The normals of the cells of some rows, from a key; None: of all."""
        out, width = self.shape
        return Draws(key, cell_index(out if rows is None else rows, arange(width), width))


class Now(eqx.Module):
    """Everything that pulses, reads and time change. Loops carry it, and nothing else
    of a tile.

    Attributes:
        state: what pulses act on, as the device defines it; for a single device it is
            the weight.
        half_memory: what each cell remembers of half pulses; None: nothing.
        forward, backward: the running average that the noise management of either
            direction remembers; None: nothing.
        tally: pulses that the tile has seen since fabrication.
    """

    state: State
    tally: Tally
    half_memory: PyTree[Array] = None
    forward: Scalar | None = None
    backward: Scalar | None = None

    def replace(self, **changes: Any) -> "Now":
        """The same with other fields."""
        return dataclasses.replace(self, **changes)

    def having_read(self, vectors: int) -> "Now":
        """The same after more vectors have been read."""
        return dataclasses.replace(self, tally=dataclasses.replace(self.tally, reads=self.tally.reads + vectors))

    def recounted(self) -> "Now":
        """The same with nothing counted yet: sums of little are exact where they would
        be lost in a large total.
        """
        return dataclasses.replace(self, tally=self.tally.restart())

    def counted_after(self, before: "Now") -> "Now":
        """The same with the pulses counted that had been sent before."""
        return dataclasses.replace(self, tally=before.tally + self.tally)


class Tile(AbstractHardware):
    """A fabricated crossbar: an immutable pytree.

    Attributes:
        config: what it was made from.
        chip: what was drawn when it was made.
        now: how it stands.
    """

    config: TileConfig
    chip: Chip
    now: Now

    @property
    def weight(self) -> Weights:
        """The normalised conductances that are read, [out, in]."""
        return self.config.built_device.weight(self.now.state)

    @property
    def state(self) -> State:
        """The state that pulses act on, as the device defines it."""
        return self.now.state

    @property
    def cells(self) -> AbstractCells:
        """The realised parameters of each device."""
        return self.chip.cells

    @property
    def tally(self) -> Tally:
        """Pulses that the tile has seen since fabrication."""
        return self.now.tally

    @property
    def full_pulses(self) -> Scalar:
        """Pulses at the full voltage since fabrication, mean over the cells."""
        return self.now.tally.full

    @property
    def half_pulses(self) -> Scalar:
        """Pulses of one line alone since fabrication, mean over the cells."""
        return self.now.tally.half

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in)."""
        return self.chip.shape

    @property
    def device(self) -> AbstractDevice:
        """The device that was fabricated."""
        return self.config.built_device

    @property
    def tiles(self) -> "Tile":
        """Itself: the interface of hardware of one tile and of many is one."""
        return self

    @property
    def count(self) -> int:
        """One."""
        return 1

    def each(self, verb: Callable[..., Any], **given: Any) -> Any:
        """Apply a verb to it."""
        return verb(self, **given)

    def with_tiles(self, tiles: "Tile") -> "Tile":
        """The other tile."""
        return tiles

    def outputs(self, y: Float[Array, "..."], x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        """The reads as they are."""
        return y

    def inputs(self, x: Float[Array, "..."], d: Float[Array, "... out"]) -> Float[Array, "... in"]:
        """The reads as they are."""
        return x

    def at(self, now: Now) -> "Tile":
        """The same hardware as it stands at another time."""
        return Tile(self.config, self.chip, now)

    def with_state(self, state: State) -> "Tile":
        """The same hardware with its devices in another state."""
        return self.at(self.now.replace(state=state))

    def __repr__(self) -> str:
        batch = "".join(f"{n} x " for n in self.weight.shape[:-2])
        out, width = self.shape
        return f"Tile({batch}{out} x {width}, {self.device!r}, {self.config.pulse!r}, half_select={self.config.half_select!r})"

    __pdoc__ = text_of

    def _repr_html_(self) -> str:
        config, weight = self.config, self.weight
        rows = [
            ("device", repr(self.device)),
            ("pulse", repr(config.pulse)),
            ("half_select", repr(config.half_select)),
            ("forward", repr(config.forward)),
            ("backward", repr(config.backward)),
        ]
        if is_concrete(weight):
            rows.append(("weights", f"{float(weight.min()):.3g} to {float(weight.max()):.3g}"))
            full, half = float(self.full_pulses.mean()), float(self.half_pulses.mean())
            rows.append(("pulses a cell", f"{full:.4g} full, {half:.4g} half"))
        return html_table(f"Tile, {' x '.join(map(str, weight.shape))}", rows)


def init(config: TileConfig, shape: Sequence[int], *, key: Key) -> Tile:
    """Fabricate a tile: draw the device-to-device spread once. Each device starts at
    zero, or at the nearest weight that it can hold: a stuck one where it is stuck.

    Args:
        config: what the hardware is.
        shape: (out, in): rows (lines of d) and columns (lines of x).
        key: of this chip: the same key makes the same devices.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, or the shape is empty.
    """
    if not isinstance(config, TileConfig):
        raise TypeError(f"config={config!r} is no configuration; pass one such as jaxtile.TileConfig().")
    key = as_key(key)
    return _init(config, as_shape(shape), key)


@eqx.filter_jit
def _init(config: TileConfig, shape: tuple[int, int], key: Key) -> Tile:
    device, half_select = config.built_device, config.half_select
    cells = device.fabricate(shape, key=key)
    chip = Chip(
        shape,
        cells,
        half_cells=None if half_select is None else half_select.fabricate(shape, key=key),
        forward=fabricate(config.forward, shape, stream(key, _FORWARD)),
        backward=fabricate(config.backward, (shape[1], shape[0]), stream(key, _BACKWARD)),
    )
    now = Now(
        device.settle(cells, device.start(shape)),
        Tally.start(),
        half_memory=None if half_select is None else half_select.start(shape),
        forward=start(config.forward),
        backward=start(config.backward),
    )
    return Tile(config, chip, now)
