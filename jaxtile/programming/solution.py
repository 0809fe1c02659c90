"""What a programming run returns."""

import equinox as eqx
from jaxtyping import Array, Float

from .._types import Scalar, Weight, is_concrete
from ..tile import Tile
from .result import RESULTS

__all__ = ["Solution"]


class Solution(eqx.Module):
    """The outcome of `program`.

    Attributes:
        tile: the tile after the last pulse.
        result: code of how the run ended; `RESULTS[result]` is its message.
        stats: numbers of the whole run: `steps` (pulse steps taken), `read_error`, `frobenius_error` and `spectral_error` at the
            end, the counts of `history` (of this run), `unreachable` (fraction of the target beyond the bounds of its own device).
        history: arrays of length max_steps + 1; entry s is the state after s pulse steps, NaN after the end. `read_error` is what
            the method saw: mean |reading - wanted| / max |wanted| (the mean itself where only zeros are wanted).
            `spectral_error` and `frobenius_error` are norms of W - target, which the simulator knows. Cumulative counts:
            `full_pulses` and `half_pulses` (mean per cell), `row_pulses` and `column_pulses` (mean per line, in every sub-phase
            anew), `phases` (sub-phases driven, in every slot anew) and `reads` (vectors; weights read as they are count as one for
            each column). `jaxtile.Costs` makes time and energy of them.
    """

    tile: Tile
    result: RESULTS
    stats: dict[str, Scalar]
    history: dict[str, Float[Array, " step"]]

    @property
    def weight(self) -> Weight:
        """The programmed weights, without read noise."""
        return self.tile.weight

    def __repr__(self) -> str:
        steps = self.stats["steps"]
        if not is_concrete(steps):
            return f"Solution({self.tile!r})"
        if steps.ndim:
            return f"Solution({' x '.join(map(str, steps.shape))} runs, {self.tile!r})"
        ended = RESULTS[self.result].partition(".")[0]
        return f"Solution({int(steps)} steps, read_error={float(self.stats['read_error']):.3g}, {ended!r}, {self.tile!r})"
