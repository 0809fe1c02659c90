"""Mixed precision."""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._numerics import divisor
from .._random import Draws, Source, arange, stream, uniform
from .._types import Key, Scalar, Weight
from .._vectors import UnitVectors
from ..device import AbstractCrosspoint, AbstractRoutine, AbstractWrapper, ConstantStep, Sending, State, Vector
from ..fields import Number, flag, number, part, whole
from ..pulse import AbstractTrainPulse

__all__ = ["Accumulated", "MixedPrecision"]


class Accumulated(eqx.Module):
    """The state of a device whose gradients are summed up in digital.

    Attributes:
        device: state of the device.
        chi: the sum that is not written yet.
        turn: vectors counted.
        row: number of the row that is written next.
    """

    device: State
    chi: Weight
    turn: Int[Array, ""]
    row: Int[Array, ""]


class MixedPrecision(AbstractWrapper):
    """Gradients are summed up in digital, and whole steps of the sum are written row by
    row.

        chi = chi + learning_rate d^T x
        n   = chi / granularity, cut to whole numbers
        chi = chi - granularity n,       and n pulses are sent at the learning rate granularity transfer_lr

    As in aihwkit, the first vector of a batch that follows `transfer_every` others is
    counted before they are written. A train has at most `desired_bl` slots; pulses
    beyond them are lost. Trains are managed in any case. (Nandakumar et al., Front.
    Neurosci. 14:406, 2020; aihwkit `MixedPrecisionCompound`.)

    A vector costs `out + 2 out in` digital operations, in the sum. An update at learning
    rate 0 counts nothing. `jt.set_weights` forgets the sum.

    Attributes:
        device: the device that is written; it may be a unit cell.
        transfer_every: updates between two transfers; 0: none is made.
        n_rows_per_transfer: number of rows that are written; -1: all.
        random_row: begin at a row that is drawn, unless all are written.
        chi_granularity: size of a step of the sum (aihwkit: `granularity`); 0: the
            granularity of the device.
        transfer_lr: learning rate of a step.
        n_x_bins, n_d_bins: levels that x and d are rounded to, between their largest
            entries of either sign; 0: not rounded.
        stoc_round_x, stoc_round_d: round them up or down by chance, to the right mean.
    """

    has_own_lines: ClassVar[bool] = True

    device: AbstractCrosspoint = part(
        AbstractCrosspoint,
        "is no device that pulses move; pass one such as jaxtile.device.SoftBounds()",
        default=ConstantStep,
        kw_only=False,
    )
    transfer_every: Number = number(1.0, low=0.0, whole=True, units="updates")
    n_rows_per_transfer: int = whole(-1, low=-1)
    random_row: bool = flag(False)
    chi_granularity: Number = number(0.0, low=0.0, units="weight")
    transfer_lr: Number = number(1.0, low=0.0)
    n_x_bins: int = whole(0, low=0)
    n_d_bins: int = whole(0, low=0)
    stoc_round_x: bool = flag(True)
    stoc_round_d: bool = flag(True)

    def __check_init__(self) -> None:
        if self.n_rows_per_transfer == 0:
            raise ValueError("MixedPrecision.n_rows_per_transfer=0 writes nothing; pass a number of rows, or -1 for all.")
        for name in ("n_x_bins", "n_d_bins"):
            if getattr(self, name) == 1:
                raise ValueError(f"MixedPrecision.{name}=1 leaves no level but zero; pass 0 for no rounding, or at least 2.")
        if self.device.has_own_lines:
            raise TypeError(f"MixedPrecision.device={self.device!r} is an algorithm of its own; pass what it writes.")

    @property
    def routines(self) -> tuple[AbstractRoutine, ...]:
        return (Accumulate(),)

    def operations(self, shape: tuple[int, int], batch: int = 1) -> Scalar | float:
        out, width = shape
        return float(out + 2 * out * width)

    def inner(self, state: Accumulated) -> Any:
        return state.device

    def start(self, shape: tuple[int, int]) -> Accumulated:
        zero = jnp.asarray(0, jnp.int32)
        return Accumulated(self.device.start(shape), jnp.zeros(shape, float), zero, zero)

    def write(self, cells: Any, state: Accumulated, weight: Weight, *, noise: Draws | None = None) -> Accumulated:
        out, width = weight.shape
        return dataclasses.replace(self.start((out, width)), device=self.device.write(cells, state.device, weight, noise=noise))


class Accumulate(AbstractRoutine):
    """Sums up vectors instead of sending them, and sends the rows of the sum."""

    @property
    def waits(self) -> bool:
        return True

    def before(self, device: Any, cells: Any, state: Any, vector: Vector | None, *, key: Key) -> tuple[Accumulated, Vector | None]:
        if vector is None:
            return state, None
        x = _rounded(vector.x, device.n_x_bins, stream(key, Source.X_ROUND) if device.stoc_round_x else None)
        d = _rounded(vector.d, device.n_d_bins, stream(key, Source.D_ROUND) if device.stoc_round_d else None)
        chi = state.chi + vector.learning_rate * d[:, None] * x[None, :]
        turn = state.turn + (vector.learning_rate != 0).astype(jnp.int32)
        return dataclasses.replace(state, chi=chi, turn=turn), None

    def due(self, device: Any, state: Any, vector: Vector | None) -> Bool[Array, ""] | None:
        if vector is None:
            return None
        earlier, every = state.turn - 1, (device.transfer_every * vector.batch).astype(jnp.int32)
        return (vector.learning_rate != 0) & (earlier > 0) & (every > 0) & (earlier % jnp.maximum(every, 1) == 0)

    def act(self, device: Any, cells: Any, state: Any, vector: Any, draws: Draws) -> tuple[Accumulated, Sending]:
        out, first = state.chi.shape[0], state.row
        n = out if device.n_rows_per_transfer < 0 else min(device.n_rows_per_transfer, out)
        if device.random_row and n < out:
            first = (uniform(stream(draws.key, Source.TRANSFER_LINE), first) * out).astype(jnp.int32)
        rows = (first + arange(n)) % out
        own = device.device.granularity()
        step = jnp.where(device.chi_granularity > 0, device.chi_granularity, own)
        counts = jnp.trunc(state.chi[rows] / step)
        state = dataclasses.replace(state, chi=state.chi.at[rows].add(-counts * step), row=(first + n) % out)
        assert isinstance(vector.pulse, AbstractTrainPulse)
        pulse = dataclasses.replace(vector.pulse, update_management=True, update_bl_management=True)
        # The sum grows by what is to be subtracted, as x and d do.
        return state, Sending(counts, UnitVectors(rows, out), step * device.transfer_lr, pulse, routines=device.inner_routines)


def _rounded(values: Float[Array, " line"], bins: int, key: Key | None) -> Float[Array, " line"]:
    """Values on a grid of so many levels, to the nearest or (with a key) by chance."""
    if bins == 0:
        return values
    half = bins // 2
    width = divisor(jnp.max(jnp.abs(values)) / half)
    shift = 0.0 if key is None else uniform(key, arange(values.shape[0])).astype(values.dtype) - 0.5
    return jnp.clip(jnp.rint(values / width + shift), -half, half) * width
