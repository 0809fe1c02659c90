"""The contract of a model of half-selection.

To add one: subclass `AbstractHalfSelect` and write `bursts` and `gain`. Which cells are
half selected, how often and with which polarity is bookkeeping of lines and phases
(`phases`), the same for every model. A model whose cells differ extends `init`; one
that remembers pulses extends `start` and `remembers`.
"""

import abc
from typing import Any, Literal

import equinox as eqx
from jaxtyping import Array, Num, PyTree

from .._random import Draws
from .._types import Key, Scalar
from ..device import Burst
from ..fields import Checked
from .phases import Exposure

__all__ = ["AbstractHalfSelect"]


class AbstractHalfSelect(Checked):
    """A model of what half-selected cells suffer.

    Two schemes of bias. "V/2": lines that pulse carry half of the write voltage each,
    the others none. A cell with one line that pulses sees V/2; a cell with none sees
    nothing. "V/3": all lines are biased. A cell with one line that pulses sees V/3 of
    the polarity of the phase. A cell with none sees V/3 of the *opposite* polarity, in
    every slot.

    Attributes:
        scheme: "V/2" or "V/3".
        phases: "all" drives all four sub-phases; "active" skips those in which no row
            or no column has the signs.
    """

    scheme: eqx.AbstractVar[Literal["V/2", "V/3"]]
    phases: eqx.AbstractVar[Literal["all", "active"]]

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> PyTree[Array]:
        """Draw what tells one cell from the next (None: nothing does); without a key
        all are nominal.
        """
        return None

    def start(self, shape: tuple[int, int]) -> PyTree[Array]:
        """Memory of half pulses before the first; None: the model has no memory."""
        return None

    @property
    def remembers(self) -> bool:
        """True if it has a memory, so that vectors must be sent one after another."""
        return False

    @abc.abstractmethod
    def bursts(self, cells: Any, memory: Any, exposure: Exposure, noise: Draws | None) -> tuple[tuple[Burst, ...], Any]:
        """Bursts of pulses for the half-selected cells.

        Args:
            cells: what `fabricate` drew.
            memory: what the cells remember.
            exposure: what they see.
            noise: the cycle noise; None: of expected pulses, without noise.

        Returns:
            bursts of pulses, and what the cells remember now.
        """

    @abc.abstractmethod
    def gain(self) -> Scalar | None:
        """Expected net change of a cell relative to that without half-selection: all
        phases driven, symmetric steps.

        None where it is not the same for all vectors and cells.
        """

    def ratio(self) -> Scalar | None:
        """Kappa, a full step over that of a half pulse under V/2, of nominal cells.

        None where it is not the same for all half pulses.
        """
        return None

    def weak(self, exposure: Exposure) -> tuple[Num[Array, "out in"], Num[Array, "out in"]]:
        """Pulses of less than the full voltage that each cell sees, up and down."""
        up, down = exposure.up, exposure.down
        return (up.half, down.half) if self.scheme == "V/2" else (up.half + down.idle, down.half + up.idle)

    @property
    def parts(self) -> int:
        """A half-selected cell sees one over this of the write voltage."""
        return {"V/2": 2, "V/3": 3}[self.scheme]
