"""TileConfig, Tile, and the verbs that fabricate, read and write one. Pulsing it is `update`."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ._random import Draws, as_key, cell_index, numbers, stream
from ._types import Key, Scalar, Weight, finite_array, is_whole
from ._vectors import UnitVectors
from .device import AbstractCells, AbstractCrosspoint, AbstractDevice, ConstantStep, Ideal, SingleFixed, State
from .half_select import AbstractHalfSelect
from .periphery import Channels, IOParameters, fabricate, read, remember
from .pulse import AbstractPulse, AbstractTrainPulse, NoPulse, StochasticCompressed
from .tally import PulseCounts, Tally

__all__ = [
    "Tile",
    "TileConfig",
    "backward",
    "connect",
    "count_pulses",
    "forward",
    "get_weights",
    "init",
    "observe",
    "read_as",
    "set_weights",
]

# The streams that the two peripheries of a tile are drawn from; devices have the tags of `Source`.
_FORWARD = 256
_BACKWARD = 257


class TileConfig(eqx.Module):
    """What the hardware is.

    Attributes:
        device: how a pulse moves a conductance.
        pulse: how x and d become pulses.
        half_select: what cells suffer that see one line only; None: nothing (also right for arrays with a selector or transistor
            in each cell).
        forward, backward: the periphery of reading in either direction.
    """

    device: AbstractDevice = eqx.field(default_factory=ConstantStep)
    pulse: AbstractPulse = eqx.field(default_factory=StochasticCompressed)
    half_select: AbstractHalfSelect | None = None
    forward: IOParameters = eqx.field(default_factory=IOParameters)
    backward: IOParameters = eqx.field(default_factory=IOParameters)

    def __check_init__(self) -> None:
        _check_kind("device", self.device, AbstractDevice, "jaxtile.device, such as ConstantStep()")
        _check_kind("pulse", self.pulse, AbstractPulse, "jaxtile.pulse, such as StochasticCompressed()")
        _check_kind("forward", self.forward, IOParameters, "jaxtile, such as IOParameters()")
        _check_kind("backward", self.backward, IOParameters, "jaxtile, such as IOParameters()")
        if self.pulse.sends_pulses:
            _check_kind("pulse", self.pulse, AbstractTrainPulse, "jaxtile.pulse, such as StochasticCompressed()")
        if self.half_select is not None:
            _check_kind("half_select", self.half_select, AbstractHalfSelect, "jaxtile.half_select, such as ConstantRatio()")
            if not self.is_pulsed:
                raise ValueError(
                    f"half_select={self.half_select!r} has nothing to act on: device={self.device!r} with pulse={self.pulse!r} "
                    "sends no pulses. Use half_select=None, or a pulsed device with a pulse type that sends pulses."
                )
        if self.pulse.mean_field and isinstance(self.device, AbstractCrosspoint) and self.device.order == "slot":
            raise ValueError("pulse=MeanField() sends expected counts, which have no slots; use a device with order='aggregate'.")

    @property
    def cells_of(self) -> AbstractDevice:
        """The device that is fabricated: ideal ones if the pulse type takes them so."""
        return self.device if self.pulse.uses_device else Ideal()

    @property
    def is_pulsed(self) -> bool:
        """Whether an update is made of pulses."""
        return self.device.takes_pulses and self.pulse.sends_pulses


def _check_kind(name: str, value: Any, kind: type, where: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name}={value!r} is not a {kind.__name__}; pass an object of {where}.")


class Tile(eqx.Module):
    """A fabricated crossbar: an immutable pytree.

    Attributes:
        config: what it was made from.
        cells: the realised parameters of each device.
        state: what pulses act on, as the device defines it; for a single device it is the weight.
        tally: pulses that the tile has seen since fabrication.
        half_cells: what tells one cell from the next under half-selection, if anything does.
        half_memory: what each cell remembers of half pulses, if anything.
        forward_channels, backward_channels: the realised periphery of reading in either direction.
    """

    config: TileConfig
    cells: AbstractCells
    state: State
    tally: Tally
    half_cells: PyTree[Array] = None
    half_memory: PyTree[Array] = None
    forward_channels: Channels = Channels()
    backward_channels: Channels = Channels()

    @property
    def weight(self) -> Weight:
        """The normalised conductances that are read, [out, in]."""
        return self.device.weight(self.state)

    @property
    def full_pulses(self) -> Scalar:
        """Pulses at the full voltage since fabrication, mean over the cells."""
        return self.tally.full

    @property
    def half_pulses(self) -> Scalar:
        """Pulses of one line alone since fabrication, mean over the cells."""
        return self.tally.half

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in)."""
        return self.weight.shape[-2], self.weight.shape[-1]

    @property
    def device(self) -> AbstractDevice:
        """The device that was fabricated."""
        return self.config.cells_of

    def __repr__(self) -> str:
        batch = "".join(f"{n} x " for n in self.weight.shape[:-2])
        out, width = self.shape
        return f"Tile({batch}{out} x {width}, {self.device!r}, {self.config.pulse!r}, half_select={self.config.half_select!r})"


def init(config: TileConfig, shape: tuple[int, int], *, key: Key) -> Tile:
    """Fabricate a tile: draw the device-to-device spread once. All weights start at zero.

    Args:
        config: what the hardware is.
        shape: (out, in): rows (lines of d) and columns (lines of x).
        key: of this chip: the same key makes the same devices.

    Raises:
        TypeError, ValueError: an argument is of the wrong kind, or the shape is empty.
    """
    _check_kind("config", config, TileConfig, "jaxtile, such as TileConfig()")
    key = as_key(key)
    if not (isinstance(shape, tuple) and len(shape) == 2 and all(is_whole(n, 1) for n in shape)):
        raise ValueError(f"shape={shape!r} is not that of a tile; pass a tuple (out, in) of two whole numbers of at least 1.")
    shape = (int(shape[0]), int(shape[1]))
    return _init(config, shape, key)


@eqx.filter_jit
def _init(config: TileConfig, shape: tuple[int, int], key: Key) -> Tile:
    device, half_select = config.cells_of, config.half_select
    return Tile(
        config,
        device.fabricate(shape, key=key),
        device.start(shape),
        Tally.zeros(),
        half_cells=None if half_select is None else half_select.fabricate(shape, key=key),
        half_memory=None if half_select is None else half_select.start(shape),
        forward_channels=fabricate(config.forward, shape, stream(key, _FORWARD)),
        backward_channels=fabricate(config.backward, shape[::-1], stream(key, _BACKWARD)),
    )


def count_pulses(tile: Tile) -> Tile:
    """Count the pulses of each cell and of each line from now on, from zero: `tile.tally.each`.

    Args:
        tile: the tile. By default it counts means only, which cost nothing.
    """
    check_tile(tile)
    return eqx.tree_at(lambda t: t.tally.each, tile, PulseCounts.zeros(*tile.shape), is_leaf=lambda leaf: leaf is None)


def set_weights(tile: Tile, weight: Float[Array, "out in"], *, key: Key | None = None) -> Tile:
    """Put weights into a tile exactly, clipped to what each of its devices can hold (as aihwkit does).

    Args:
        tile: the tile.
        weight: what to put in.
        key: of the write noise, for devices that have it; None: leave none.

    Raises:
        ValueError: the shape is not the tile's, or a weight is not finite.
    """
    check_tile(tile)
    weight = as_matrix("weight", weight, tile)
    noise = None if key is None else draws(tile, as_key(key))
    return with_state(tile, tile.device.write(tile.cells, tile.state, weight, noise=noise))


def read_as(tile: Tile, weight: Weight) -> Tile:
    """The same periphery around other weights, held as they are by ideal devices: what reads see of a modified tile.

    Args:
        tile: the tile.
        weight: what is read instead of its weights; gradients reach it.
    """
    check_tile(tile)
    ideal = Ideal()
    config = TileConfig(ideal, NoPulse(), forward=tile.config.forward, backward=tile.config.backward)
    cells = ideal.fabricate(tile.shape, key=jax.random.key(0))
    state = jnp.asarray(weight, tile.weight.dtype)
    return dataclasses.replace(tile, config=config, cells=cells, state=state, half_cells=None, half_memory=None)


def connect(tile: Tile, index: int) -> Tile:
    """Connect the lines of a tile to another device of each of its unit cells.

    Args:
        tile: one of `ReferenceCell` or of `VectorCell` with the policy `SingleFixed`.
        index: which device.

    Raises:
        TypeError, ValueError: the cells have no such choice, or no such device.
    """
    check_tile(tile)
    if not isinstance(getattr(tile.device, "update_policy", None), SingleFixed):
        raise TypeError(f"device={tile.device!r} has no connection to choose; ReferenceCell and VectorCell with SingleFixed have.")
    device = dataclasses.replace(tile.device, update_policy=SingleFixed(index))
    return dataclasses.replace(tile, config=dataclasses.replace(tile.config, device=device))


def get_weights(tile: Tile) -> Weight:
    """The weights as they are, without read noise: what a simulator knows and no hardware can."""
    return tile.weight


def with_state(tile: Tile, state: State) -> Tile:
    """The same devices in another state."""
    return eqx.tree_at(lambda t: t.state, tile, state)


def draws(tile: Tile, key: Key) -> Draws:
    """The normals of all cells of a tile, from a key."""
    out, width = tile.shape
    return Draws(key, cell_index(out, numbers(width), width))


def forward(tile: Tile, x: Float[Array, "... in"] | UnitVectors, *, key: Key) -> Float[Array, "... out"]:
    """Read W x through the forward periphery, each vector for itself.

    Args:
        tile: the tile.
        x: one vector or many.
        key: of the read noise.
    """
    check_tile(tile)
    return _read(tile.config.forward, tile.weight, "x", x, key, tile.forward_channels)


def backward(tile: Tile, d: Float[Array, "... out"], *, key: Key) -> Float[Array, "... in"]:
    """Read W^T d through the backward periphery, each vector for itself; bound management never acts here, as in aihwkit.

    Args:
        tile: the tile.
        d: one vector or many.
        key: of the read noise.
    """
    check_tile(tile)
    io = eqx.tree_at(lambda io: io.bound_management, tile.config.backward, None, is_leaf=lambda leaf: leaf is None)
    return _read(io, tile.weight.T, "d", d, key, tile.backward_channels)


def observe(
    tile: Tile, *, x: Float[Array, "... in"] | UnitVectors | None = None, d: Float[Array, "... out"] | UnitVectors | None = None
) -> Tile:
    """Let the noise management remember vectors; a read itself never changes a tile.

    Of use for `AverageAbsMax`, the one that remembers; each direction has a memory of its own.

    Args:
        tile: the tile.
        x: vectors that are read forward, in their order; None: none.
        d: likewise, backward.
    """
    check_tile(tile)
    forward, backward = tile.forward_channels, tile.backward_channels
    out, width = tile.shape
    if x is not None:
        forward = remember(tile.config.forward, forward, as_vectors("x", x, width, tile.weight.dtype).reshape(-1, width))
    if d is not None:
        backward = remember(tile.config.backward, backward, as_vectors("d", d, out, tile.weight.dtype).reshape(-1, out))
    return dataclasses.replace(tile, forward_channels=forward, backward_channels=backward)


def _read(io: IOParameters, weight: Weight, name: str, vectors: Any, key: Key, channels: Channels) -> Float[Array, "... line"]:
    dense = as_vectors(name, vectors, weight.shape[1], weight.dtype)
    flat = vectors if isinstance(vectors, UnitVectors) else dense.reshape(-1, dense.shape[-1])
    return _jit_read(io, weight, flat, as_key(key), channels).reshape(*dense.shape[:-1], weight.shape[0])


_jit_read = eqx.filter_jit(read)


def check_tile(tile: Any) -> Weight:
    """The weights of one tile; anything else is refused.

    Raises:
        TypeError: it is no tile.
        ValueError: it is a batch of tiles.
    """
    _check_kind("tile", tile, Tile, "jaxtile; make one with init(config, (out, in), key=key)")
    weight = tile.weight
    if weight.ndim != 2:
        raise ValueError(f"tile={tile!r} is a batch of tiles; call this function on one of them, inside `jax.vmap`.")
    return weight


def as_vectors(name: str, vectors: Any, width: int, dtype: jnp.dtype) -> Float[Array, "... line"]:
    """Vectors as an array of the tile's dtype. What is not finite goes through: a read of NaN is NaN.

    Raises:
        ValueError: they do not fit a tile of that width.
    """
    vectors = vectors.dense(dtype) if isinstance(vectors, UnitVectors) else jnp.asarray(vectors, dtype)
    if vectors.ndim == 0 or vectors.shape[-1] != width:
        raise ValueError(f"{name} has shape {vectors.shape}; its last dimension must be {width}, the lines that carry it.")
    return vectors


def as_matrix(name: str, matrix: Any, tile: Tile) -> Weight:
    """A matrix as an array of the tile's shape and dtype.

    Raises:
        TypeError, ValueError: it holds something else than finite numbers, or has another shape.
    """
    matrix = finite_array(matrix, tile.weight.dtype, name)
    if matrix.shape != tile.shape:
        hint = " (its transpose would fit)" if matrix.shape == tile.shape[::-1] else ""
        raise ValueError(f"{name} has shape {matrix.shape}; the tile is [out, in] = {tile.shape}{hint}.")
    return matrix
