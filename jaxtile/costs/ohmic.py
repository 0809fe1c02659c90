"""The energy of ohmic cells, of lines and of conversions."""

from typing import ClassVar

from jaxtyping import Array, Float

from .._types import is_concrete
from ..fields import Number, number
from ..tile import Tile
from .base import AbstractCosts, Counts

__all__ = ["Costs"]


class Costs(AbstractCosts):
    """Time and energy by numbers that are assumptions, and yours to set.

        time   = phases pulse_period + reads read_time
        energy = cells conductance pulse_width write_voltage^2 (full + (half + idle) / n^2)
               + (out row + in column) line_capacitance (write_voltage / n)^2
               + reads (cells conductance read_voltage^2 read_time + out conversion_energy)

    The three lines of the energy are pulses through cells, lines charged for each
    pulse, and reads with their conversions. n = 2 under V/2 and 3 under V/3. Under V/3
    a cell that no line selects sees a third in every sub-phase: idle = phases - full -
    half. Without half-selection, current flows through fully selected cells only.

    Cells are ohmic, and all of the mean conductance. Backward reads are charged as
    forward ones, with a conversion for each row. The counts are those of a `Solution`,
    means per cell, row and column.

    Every read is charged as if all lines carried the vector at `read_voltage`. One-hot
    reads drive one line: their current through cells is overstated by the number of
    lines. Under V/3 the energy of lines is a lower bound, since lines that are not
    selected are biased too.

    Attributes:
        pulse_width, pulse_period: of one sub-phase of one slot, in seconds; the pulse
            is within its period.
        write_voltage: of a fully selected cell, in volts.
        conductance: mean over the cells, in siemens.
        line_capacitance: of one row or column, in farads.
        read_time: of one vector, in seconds.
        read_voltage: root mean square over the lines that carry the vector, in volts.
        conversion_energy: of one output of one vector, in joules.
    """

    OF_TIME: ClassVar[tuple[str, ...]] = ("phases", "reads")
    OF_ENERGY: ClassVar[tuple[str, ...]] = ("full_pulses", "half_pulses", "row_pulses", "column_pulses", "phases", "reads")

    pulse_width: Number = number(1e-7, low=0.0)
    pulse_period: Number = number(2e-7, low=0.0)
    write_voltage: Number = number(1.0, low=0.0)
    conductance: Number = number(1e-5, low=0.0)
    line_capacitance: Number = number(1e-13, low=0.0)
    read_time: Number = number(1e-7, low=0.0)
    read_voltage: Number = number(0.2, low=0.0)
    conversion_energy: Number = number(1e-12, low=0.0)

    def __check_init__(self) -> None:
        width, period = self.pulse_width, self.pulse_period
        if is_concrete(width) and is_concrete(period) and float(width) > float(period):
            raise ValueError(
                f"Costs.pulse_width={float(width):g} exceeds pulse_period={float(period):g}; pass a period of at least the width."
            )

    def time(self, counts: Counts) -> Float[Array, "..."]:
        phases, reads = self.take(counts, self.OF_TIME)
        return self.pulse_period * phases + self.read_time * reads

    def energy(self, counts: Counts, tile: Tile) -> Float[Array, "..."]:
        full, half, row, column, phases, reads = self.take(counts, self.OF_ENERGY)
        (out, width), half_select = tile.shape, tile.config.half_select
        parts = 2 if half_select is None else half_select.parts
        weak = half if parts == 2 else phases - full  # half and idle
        conductance = out * width * self.conductance
        return (
            conductance * self.pulse_width * self.write_voltage**2 * (full + weak / parts**2)
            + (out * row + width * column) * self.line_capacitance * (self.write_voltage / parts) ** 2
            + reads * (conductance * self.read_voltage**2 * self.read_time + out * self.conversion_energy)
        )
