"""IR drop of pairs of devices along their output lines, as a circuit."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._linalg import product
from .._random import arange
from .._types import Scalar, Weight
from ..fields import Number, OptionalNumber, flag, number, optional, part, whole
from ..noise import CustomPair, NPair
from .converter import Grid, truncate
from .ir_drop import AbstractIRDrop

__all__ = ["LadderIRDrop"]

Outputs = Float[Array, "k out"]
Inputs = Float[Array, "k in"]

_LEAK = 1e-12  # uS: a segment without conductance divides by no zero


class LadderIRDrop(AbstractIRDrop):
    """Inputs are pulse widths, and each output line a ladder of wire segments that ends
    in an integrating ADC.

    While the input of a row pulses, its two devices, g+ and g-, see v_rest +- v_pulse,
    the other way round if it is negative. Otherwise they see v_rest. So the conductance
    of a segment of the line, G_s = sum_(j in s) (g_j+ + g_j-), does not change with
    time. The line is linear, and the charge of all time slots is one product. From the
    far end to the ADC, with r the wire resistance of a segment,

        R_0 = 1 / G_0,   R_s = (R_(s-1) + r) || 1 / G_s,   c_s = (R_(s-1) + r) / (R_(s-1) + r + 1 / G_s)
        I   = (v_rest - v_read + v_pulse sum_s c_s prod_(s' > s) (1 - c_s') sum_(j in s) +-(g_j+ - g_j-) / G_s) / (R_last + r / 2)

    where the sum over j is over the rows that pulse. Lines of even number end at the
    last row, those of odd number at the first; an array of more rows than inputs has
    idle ones, half of them before the first. The ADC counts whole periods of its clock.

    (What aihwkit's `TorchInferenceTileIRDropT` computes slot by slot. There the first
    slot counts one and a half times and the last half, by default; here that is
    `ir_drop_integration_sum=False`.)

    Attributes:
        converter: which pairs stand for a weight.
        ir_drop: scale of the wire resistance.
        ir_drop_rs: resistance of the wire from one row to the next, Ohm.
        ir_drop_segments: into how many segments a line is divided; as many as rows:
            exactly.
        rows: of the array; None: as many as inputs.
        v_rest, v_pulse, v_read: voltages of idle rows, of pulses above and below, and
            of the ADC, V.
        adc_frequency: of the clock of the ADC, in periods for 100 uA in a time slot;
            None: as it is.
        ir_drop_integration_sum: count all time slots alike.
    """

    converter: NPair | CustomPair = part(
        (NPair, CustomPair), "has no pairs; pass jaxtile.noise.NPair() or CustomPair()", default=NPair
    )
    ir_drop: Number = number(1.0, low=0.0)
    ir_drop_rs: Number = number(0.15, low=0.0)
    ir_drop_segments: int = whole(8, low=1)
    rows: int | None = whole(None, low=1)
    v_rest: Number = number(0.4)
    v_pulse: Number = number(0.2, low=0.0, open=True)
    v_read: Number = number(0.4005)
    adc_frequency: OptionalNumber = optional(6.24, low=0.0, open=True)
    ir_drop_integration_sum: bool = flag(True)

    def __call__(self, y: Outputs, weight: Weight, u: Inputs, grid: Grid) -> Outputs:
        width = weight.shape[1]
        rows = width if self.rows is None else self.rows
        if rows < width or rows % self.ir_drop_segments:
            raise ValueError(
                f"LadderIRDrop: {width} inputs on {rows} rows in ir_drop_segments={self.ir_drop_segments}; the rows must hold the "
                "inputs and divide into segments."
            )
        before = (rows - width) // 2
        padded = jnp.pad(weight, ((0, 0), (before, rows - width - before)))
        conductances, mapping = self.converter.conductances(padded)
        driven = u if self.ir_drop_integration_sum else u + 0.5 * grid.step * jnp.sign(u)

        def pair(factor: Scalar, plus: Weight, minus: Weight) -> Outputs:
            line = self._line(plus, minus)
            charge = product(driven / grid.step, line.conductance[:, before : before + width].T) * self.v_pulse
            charge = charge + grid.slots * line.idle[None, :]
            if self.adc_frequency is not None:
                charge = truncate(charge, 100 / self.adc_frequency)
            return factor * charge

        charges = jax.vmap(pair)(self.converter.f_lst, conductances[0::2], conductances[1::2])
        return jnp.sum(charges, axis=0) * (grid.step / (self.v_pulse * mapping.ratio))

    def _line(self, plus: Weight, minus: Weight) -> "_Line":
        """The rest of each pair at the end of its line."""
        turned = (arange(plus.shape[0]) % 2 == 1)[:, None]
        plus, minus = (jnp.where(turned, g[:, ::-1], g) for g in (plus, minus))
        out, rows = plus.shape
        segments = self.ir_drop_segments
        wire = 1e-6 * self.ir_drop * self.ir_drop_rs * (rows // segments)  # MOhm, as conductances are in uS
        total = jnp.sum((plus + minus).reshape(out, segments, -1), axis=-1).T + _LEAK  # [segment, out]

        def fold(resistance: Float[Array, " out"], conductance: Float[Array, " out"]) -> tuple[Any, Any]:
            before = resistance + wire
            share = before / (before + 1 / conductance)
            return share / conductance, share

        end, shares = jax.lax.scan(fold, 1 / total[0], total[1:])
        passed = jnp.cumprod(jnp.concatenate([jnp.ones_like(total[:1]), 1 - shares[::-1]]), axis=0)[::-1]
        gain = passed * jnp.concatenate([jnp.ones_like(total[:1]), shares]) / (total * (end + wire / 2)[None, :])
        left = (plus - minus) * jnp.repeat(gain.T, rows // segments, axis=1)
        return _Line(jnp.where(turned, left[:, ::-1], left), (self.v_rest - self.v_read) / (end + wire / 2))


class _Line(NamedTuple):
    """The pairs as the end of their line sees them, uS, and its current while all rows
    are idle, uA.
    """

    conductance: Weight
    idle: Float[Array, " out"]
