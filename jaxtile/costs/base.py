"""The contract of a model of costs.

To add one, subclass `AbstractCosts`, name the counts that it needs, and write `time`
and `energy`.
"""

import abc
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Float, Num

from .._types import Scalar, real_array
from ..fields import Checked
from ..quantities import QUANTITIES, Quantity, View, measure
from ..tile import Tile

__all__ = ["AbstractCosts", "Counts"]

Counts = Mapping[str, Num[Array, "..."] | Num[np.ndarray, "..."]]


class AbstractCosts(Checked):
    """A model of what a run costs in time and energy.

    Class attributes:
        OF_TIME, OF_ENERGY: names of the counts that it needs, for
            `program(record=...)`.
    """

    OF_TIME: ClassVar[tuple[str, ...]]
    OF_ENERGY: ClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def time(self, counts: Counts) -> Float[Array, "..."]:
        """Seconds.

        Args:
            counts: the `history` or the `stats` of a solution.

        Raises:
            ValueError: a count is missing.
        """

    @abc.abstractmethod
    def energy(self, counts: Counts, tile: Tile) -> Float[Array, "..."]:
        """Joules.

        Args:
            counts: the `history` or the `stats` of a solution.
            tile: its tile.

        Raises:
            ValueError: a count is missing.
        """

    def take(self, counts: Counts, names: Sequence[str]) -> tuple[Any, ...]:
        """Take counts by name.

        Raises:
            ValueError: one is missing.
        """
        missing = [name for name in names if name not in counts]
        if missing:
            model = f"{type(self).__module__.partition('.')[0]}.{type(self).__name__}"
            raise ValueError(
                f"counts holds {', '.join(counts) or 'nothing'}, and no {missing[0]}; run `program` with record={model}.OF_ENERGY "
                "(OF_TIME for the time), or pass the stats of the solution, which hold all counts."
            )
        return tuple(real_array(counts[name], None, name) for name in names)

    def quantities(self) -> tuple[Quantity, Quantity]:
        """Time and energy as quantities of their own, for `program(record=...)` and
        plots.
        """
        return (
            Quantity("time", "s", "model time (s)", self._time_at),
            Quantity("energy", "J", "energy (J)", self._energy_at),
        )

    # Bound methods, unlike lambdas, are equal from call to call: a run that records
    # them is compiled once.
    def _time_at(self, view: View) -> Scalar:
        return self.time(measure(map(QUANTITIES.__getitem__, self.OF_TIME), view))

    def _energy_at(self, view: View) -> Scalar:
        return self.energy(measure(map(QUANTITIES.__getitem__, self.OF_ENERGY), view), view.tile)
