"""What programming costs in time and energy."""

from collections.abc import Mapping
from typing import ClassVar

from jaxtyping import Array, Float

from ._types import Scalar, is_concrete
from .fields import Checked, number
from .tile import Tile

__all__ = ["Costs"]


class Costs(Checked):
    """What a run costs in time and energy, by numbers that are assumptions and yours to set.

        time   = phases pulse_period + reads read_time
        energy = cells conductance pulse_width write_voltage^2 (full + (half + idle) / n^2)      pulses through cells
               + (out row + in column) line_capacitance (write_voltage / n)^2                    lines, charged for each pulse
               + reads (cells conductance read_voltage^2 read_time + out conversion_energy)      reads and their conversions

    with n = 2 under V/2 and 3 under V/3, where in every sub-phase a cell that no line selects sees a third, too: idle = phases -
    full - half. Without half-selection, current flows through fully selected cells only. Cells are ohmic, and all of the mean
    conductance. Backward reads are charged as forward ones, with a conversion for each row. The counts are those of a
    `Solution`, means per cell, row and column.

    Every read is charged as if all lines carried the vector at `read_voltage`: of one-hot reads, which drive one line, the current
    of the cells is overstated by the number of these lines. Under V/3 the energy of lines is a lower bound, since lines that are
    not selected are biased too.

    Attributes:
        pulse_width, pulse_period: of one sub-phase of one slot, in seconds; the pulse is within its period.
        write_voltage: of a fully selected cell, in volts.
        conductance: mean over the cells, in siemens.
        line_capacitance: of one row or column, in farads.
        read_time: of one vector, in seconds.
        read_voltage: root mean square over the lines that carry the vector, in volts.
        conversion_energy: of one output of one vector, in joules.

    Class attributes:
        OF_TIME, OF_ENERGY: the counts that they are made of, names for `program(record=...)`.
    """

    OF_TIME: ClassVar[tuple[str, ...]] = ("phases", "reads")
    OF_ENERGY: ClassVar[tuple[str, ...]] = ("full_pulses", "half_pulses", "row_pulses", "column_pulses", "phases", "reads")

    pulse_width: Scalar = number(1e-7, low=0.0)
    pulse_period: Scalar = number(2e-7, low=0.0)
    write_voltage: Scalar = number(1.0, low=0.0)
    conductance: Scalar = number(1e-5, low=0.0)
    line_capacitance: Scalar = number(1e-13, low=0.0)
    read_time: Scalar = number(1e-7, low=0.0)
    read_voltage: Scalar = number(0.2, low=0.0)
    conversion_energy: Scalar = number(1e-12, low=0.0)

    def __check_init__(self) -> None:
        width, period = self.pulse_width, self.pulse_period
        if is_concrete(width) and is_concrete(period) and float(width) > float(period):
            raise ValueError(
                f"Costs.pulse_width={float(width):g} exceeds pulse_period={float(period):g}; pass a period of at least the width."
            )

    def time(self, counts: Mapping[str, Float[Array, "..."]]) -> Float[Array, "..."]:
        """Seconds.

        Args:
            counts: the `history` or the `stats` of a solution.

        Raises:
            ValueError: a count is missing.
        """
        return self.pulse_period * _of(counts, "phases") + self.read_time * _of(counts, "reads")

    def energy(self, counts: Mapping[str, Float[Array, "..."]], tile: Tile) -> Float[Array, "..."]:
        """Joules.

        Args:
            counts: the `history` or the `stats` of a solution.
            tile: its tile.

        Raises:
            ValueError: a count is missing.
        """
        (out, width), half_select = tile.shape, tile.config.half_select
        parts = 2 if half_select is None else half_select.parts
        full = _of(counts, "full_pulses")
        weak = _of(counts, "half_pulses") if parts == 2 else _of(counts, "phases") - full  # half and idle
        conductance, lines = out * width * self.conductance, out * _of(counts, "row_pulses") + width * _of(counts, "column_pulses")
        return (
            conductance * self.pulse_width * self.write_voltage**2 * (full + weak / parts**2)
            + lines * self.line_capacitance * (self.write_voltage / parts) ** 2
            + _of(counts, "reads") * (conductance * self.read_voltage**2 * self.read_time + out * self.conversion_energy)
        )


def _of(counts: Mapping[str, Float[Array, "..."]], name: str) -> Float[Array, "..."]:
    if name not in counts:
        raise ValueError(
            f"counts holds {', '.join(counts) or 'nothing'}, and no {name}; run `program` with record=jaxtile.Costs.OF_ENERGY "
            "(OF_TIME for the time), or pass the stats of the solution, which hold all counts."
        )
    return counts[name]
