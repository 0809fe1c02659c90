"""The contract of algorithms that carry lines of one array to the next."""

import abc
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._random import Draws
from .._types import Key, Scalar, Weight, is_concrete
from ..device import AbstractCrosspoint, AbstractRoutine, AbstractUnitCell, ConstantStep, UnitCells, UnitState, Vector
from ..device.cell.base import as_parts
from ..fields import Field, Number, OptionalNumber, Reals, array, field, flag, number, optional, part, whole
from ..periphery import IOParameters, has_own_numbers
from ..pulse import AbstractTrainPulse, StochasticCompressed
from .carrying import Carry, Count, Lines, TransferState, Write

__all__ = ["AbstractTransfer", "pulses"]


def pulses(update: Callable[[], AbstractTrainPulse]) -> Any:
    """Declare the pulses that write what is transferred."""
    return part(AbstractTrainPulse, "sends no pulses; pass one such as jaxtile.pulse.StochasticCompressed()", default=update)


class AbstractTransfer(AbstractUnitCell):
    """Several arrays in a row. Vectors are sent to the first one, and from time to time
    lines of an array are read and written to the next.

        weight  = sum of gamma_k weight_k,         gamma_k = gamma^(n - 1 - k): the last array counts 1
        every_k = transfer_every (cells of a line / n_reads_per_transfer)^k        vectors between two transfers of array k

    For a new algorithm write `carry`: what lines that were read amount to. `remember`
    says what it keeps in digital between two transfers, and `send` changes vectors
    before they are sent; by default there is nothing to keep, and the learning rate is
    that of the first array. Digital matrices are kept line by line, [line, cells of a
    line], so that columns and rows are the same to an algorithm.

    Each array has lines of its own. A half-selected cell sees those of its own array.
    `jt.set_weights` puts a weight into the last array; the others are put to zero, and
    the algorithm starts anew. `jt.reset` resets cells of the first array alone. An
    update at learning rate 0 sends and counts nothing.

    Attributes:
        devices: one for each array; the first is the fast one.
        gamma: what each array counts less than the next; 0: the last is the weight.
        gamma_vec: what each array counts, instead.
        transfer_every: vectors between two transfers of the first array, rounded to at
            least one; 0: none is made.
        transfer_every_vec: the same for each array, instead of every_k above.
        no_self_transfer: whether the last array is left as it is; otherwise its lines
            are written to itself.
        units_in_mbatch: count updates, of as many vectors as the present one has (the
            product is rounded up); otherwise single vectors.
        n_reads_per_transfer: lines that a transfer reads, one after another, from where
            the last one ended.
        transfer_columns: read columns; otherwise rows.
        with_reset_prob: chance of each cell of a column to be reset once it was read;
            None: none is.
        random_selection: start each transfer at a line drawn anew.
        fast_lr: learning rate of the first array; 0: the rate of the update.
        scale_fast_lr: multiply it by the learning rate of the update.
        transfer_lr: learning rate of transfers.
        transfer_lr_vec: the same for each array, instead.
        scale_transfer_lr: multiply it by the learning rate of the update.
        transfer_forward: the periphery that reads, without noise management and bound
            management.
        transfer_update: the pulses that write.

    Digital operations, see `operations`, add up to

        out + in + sum over arrays of n_reads_per_transfer (cells of a line) operations_per_cell / every_k

    Class attributes:
        self_transfers: whether the last array can be written to itself.
        operations_per_cell: digital multiplications and additions for each cell that a
            transfer reads.
    """

    has_own_lines: ClassVar[bool] = True
    self_transfers: ClassVar[bool] = True
    operations_per_cell: ClassVar[int] = 0

    devices: Field[Sequence[AbstractCrosspoint], tuple[AbstractCrosspoint, ...]] = field(
        as_parts, default_factory=lambda: (ConstantStep(), ConstantStep()), kw_only=False
    )
    gamma: Number = number(0.0)
    gamma_vec: Field[Reals | None, Float[Array, " n"] | None] = array(None)
    transfer_every: Number = number(1.0, low=0.0, units="vectors")
    transfer_every_vec: Field[Reals | None, Float[Array, " n"] | None] = array(None, low=0.0)
    no_self_transfer: bool = flag(True)
    units_in_mbatch: bool = flag(True)
    n_reads_per_transfer: int = whole(1, low=1)
    transfer_columns: bool = flag(True)
    with_reset_prob: OptionalNumber = optional(low=0.0, high=1.0)
    random_selection: bool = flag(False)
    fast_lr: Number = number(1.0, low=0.0)
    scale_fast_lr: bool = flag(True)
    transfer_lr: Number = number(1.0, low=0.0)
    transfer_lr_vec: Field[Reals | None, Float[Array, " n"] | None] = array(None, low=0.0)
    scale_transfer_lr: bool = flag(True)
    transfer_forward: IOParameters = part(IOParameters, "is no IOParameters; pass jaxtile.IOParameters()", default=IOParameters)
    transfer_update: AbstractTrainPulse = pulses(StochasticCompressed)

    @abc.abstractmethod
    def carry(self, memory: Any, lines: Lines, *, key: Key) -> tuple[Any, Write]:
        """The memory after lines were read, and what is written to the next array.

        Args:
            memory: what the algorithm remembers.
            lines: the lines.
            key: of this transfer.
        """

    def remember(self, shape: tuple[int, int]) -> Any:
        """The memory of an algorithm that starts; `shape` is that of `Lines`."""
        return None

    def send(self, memory: Any, vector: Vector) -> tuple[Any, Vector]:
        """The memory once a vector has come, and the vector that the first array gets."""
        return memory, dataclasses.replace(vector, learning_rate=self.fast_rate(vector.learning_rate))

    def fast_rate(self, learning_rate: Scalar) -> Scalar:
        """The learning rate of the first array."""
        own = self.fast_lr * learning_rate if self.scale_fast_lr else self.fast_lr
        return jnp.where((self.fast_lr > 0) & (learning_rate > 0), own, learning_rate).astype(learning_rate.dtype)

    def transfer_rate(self, lines: Lines) -> Scalar:
        """The learning rate of a transfer."""
        own = self.transfer_lr if self.transfer_lr_vec is None else self.transfer_lr_vec[lines.array]
        return own * lines.learning_rate if self.scale_transfer_lr else own

    def gradient_rate(self, lines: Lines) -> Scalar:
        """The learning rate of a transfer through a buffer: where both arrays count, what
        one loses of the weight is what the other gains.
        """
        source, target = (jnp.asarray(self.gammas[k], float) for k in (lines.array, lines.array + 1))
        both = (source > 0) & (target > 0)
        return self.transfer_rate(lines) * jnp.where(both, source / jnp.where(both, target, 1), 1)

    @property
    def routes(self) -> tuple[tuple[int, int], ...]:
        """The arrays that lines are carried from, and to, in the order of transfers that
        fall due together.
        """
        n = len(self.devices)
        asked = not self.no_self_transfer or self.transfer_every_vec is not None
        last = [(n - 1, n - 1)] if self.self_transfers and asked else []
        return (*((k, k + 1) for k in range(n - 1)), *last)

    def is_open(self, memory: Any, source: int, target: int) -> bool | Bool[Array, ""]:
        """True while lines are carried from one array to another."""
        return True

    def every(self, k: int, shape: tuple[int, int], batch: int) -> Int[Array, ""]:
        """Vectors between two transfers of array k; 0: none is made. `shape` is that of
        `Lines`.
        """
        if self.transfer_every_vec is not None:
            return self.in_vectors(self.transfer_every_vec[k], batch)
        reads = min(self.n_reads_per_transfer, shape[0])
        return self.in_vectors(self.transfer_every * (shape[1] / reads) ** k, batch)

    def in_vectors(self, period: Scalar, batch: int) -> Int[Array, ""]:
        """A period as a whole number of vectors, at least 1 unless it is 0."""
        vectors = jnp.ceil(period * batch) if self.units_in_mbatch else jnp.floor(period + 0.5)
        return jnp.where(period > 0, jnp.maximum(vectors, 1), 0).astype(jnp.int32)

    def __check_init__(self) -> None:
        name, n = type(self).__name__, len(self.devices)
        if n < 2:
            raise ValueError(f"{name}.devices holds {n} device; pass one for each array, such as (SoftBounds(), SoftBounds()).")
        for vec in ("gamma_vec", "transfer_every_vec", "transfer_lr_vec"):
            numbers = getattr(self, vec)
            if numbers is not None and numbers.shape != (n,):
                raise ValueError(f"{name}.{vec} has shape {numbers.shape}; pass one number for each of {n} arrays.")
        if self.gamma_vec is not None and is_concrete(self.gamma_vec) and not self.gamma_vec[-1]:
            raise ValueError(
                f"{name}.gamma_vec={self.gamma_vec} ends in 0, but weights are put into the last array; give it a number above 0."
            )
        period = self.transfer_every_vec
        to_itself = not self.no_self_transfer or (period is not None and is_concrete(period) and period[-1] > 0)
        if to_itself and not self.self_transfers:
            raise ValueError(
                f"{name} writes the last array to nothing: leave no_self_transfer=True, and end transfer_every_vec in 0."
            )
        if self.with_reset_prob is not None and not self.transfer_columns:
            raise ValueError(f"{name}.with_reset_prob resets columns; use it with transfer_columns=True, or pass None.")
        if has_own_numbers(self.transfer_forward):
            raise ValueError(
                f"{name}.transfer_forward={self.transfer_forward!r} has numbers that are drawn once for each tile; it must not."
            )

    # The unit cell.

    @property
    def parts(self) -> tuple[AbstractCrosspoint, ...]:
        return tuple(self.devices)

    @property
    def gammas(self) -> Sequence[Float[Array, "*tiles"] | float]:
        n = len(self.devices)
        if self.gamma_vec is not None:
            return [self.gamma_vec[..., k] for k in range(n)]
        return [*(self.gamma ** (n - 1 - k) for k in range(n - 1)), 1.0]

    @property
    def routines(self) -> tuple[AbstractRoutine, ...]:
        return (Count(), *(Carry(source, target) for source, target in self.routes))

    def connected(self, k: int, turn: Any) -> bool:
        return k == 0

    def operations(self, shape: tuple[int, int], batch: int = 1) -> Scalar:
        size, across = self.as_read(shape)
        cells = min(self.n_reads_per_transfer, size) * across
        periods = [self.every(source, (size, across), batch) for source, _ in self.routes]
        read = jnp.sum(jnp.stack([jnp.where(every > 0, cells / jnp.maximum(every, 1), 0) for every in periods]))
        return sum(shape) + self.operations_per_cell * read

    def reach(self, k: int) -> float:
        """All pulses that move the weight are those of the last array."""
        return float(k == len(self.devices) - 1)

    def start(self, shape: tuple[int, int]) -> TransferState:
        zero = jnp.asarray(0, jnp.int32)
        line = jnp.zeros(len(self.devices), jnp.int32)
        return TransferState(tuple(one.start(shape) for one in self.parts), zero, line, self.remember(self.as_read(shape)))

    def as_read(self, shape: tuple[int, int]) -> tuple[int, int]:
        """The shape of `Lines` of an array [out, in]."""
        out, width = shape
        return (width, out) if self.transfer_columns else (out, width)

    def write(self, cells: UnitCells, state: UnitState, weight: Weight, *, noise: Draws | None = None) -> UnitState:
        last = len(self.devices) - 1
        asked = weight / self.gammas[last]

        def put(k, part, cells, state, noise):
            return part.write(cells, state, asked if k == last else jnp.zeros_like(asked), noise=noise)

        out, width = weight.shape
        fresh = dataclasses.replace(self.start((out, width)), devices=state.devices)
        return self._each(put, cells, fresh, noise, lambda k: True)

    def reset_columns(
        self, cells: UnitCells, state: UnitState, columns: Bool[Array, " in"], probability: Scalar, *, noise: Draws
    ) -> UnitState:
        fast = self.parts[0].reset_columns(cells.devices[0], state.devices[0], columns, probability, noise=noise.fold(0))
        return dataclasses.replace(state, devices=(fast, *state.devices[1:]))
