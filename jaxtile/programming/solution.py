"""The outcome of a programming run."""

from dataclasses import replace
from functools import partial
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, Num

from .._types import Weights, is_concrete
from ..tile import Tile
from .checkpoint import Checkpoint
from .result import RESULTS

__all__ = ["Solution"]


class Solution(eqx.Module):
    """The outcome of `program`.

    Attributes:
        tile: the tile after the last pulse.
        result: code of how the run ended; `RESULTS[result]` is its message.
        stats: the quantities of `jaxtile.quantities.QUANTITIES`, which says what they
            are, and all that were recorded, at the end of the run.
        history: what `record=` asked for, in arrays of length max_steps + 1. Entry s is
            the state after s pulse steps, NaN after the end. `jaxtile.Costs` makes time
            and energy of the counts.
        checkpoint: what else a run needs to go on from here.
    """

    tile: Tile
    result: RESULTS
    stats: dict[str, Num[Array, "*runs"]]
    history: dict[str, Float[Array, "*runs step"]]
    checkpoint: Checkpoint | None = None

    @property
    def weight(self) -> Weights:
        """The programmed weights, without read noise."""
        return self.tile.weight

    @property
    def method_state(self) -> Any:
        """The state of the method before its last reading; of a chain, a tuple of them."""
        states = tuple(at.method for at in self.left().stages)
        return states[0] if len(states) == 1 else states

    def cut(self, max_steps: int) -> "Solution":
        """The solution with histories of `max_steps + 1` entries."""
        return replace(self, history=_beginning(self.history, max_steps + 1))

    def left(self) -> Checkpoint:
        """The checkpoint.

        Raises:
            ValueError: it has none.
        """
        if self.checkpoint is None:
            raise ValueError(f"tile={self!r} has no checkpoint to go on from; pass its tile, or a solution of `program`.")
        absent = [name for name in Checkpoint.__dataclass_fields__ if not hasattr(self.checkpoint, name)]
        if absent:
            raise ValueError(
                f"tile={self!r} is of an older jaxtile, whose checkpoint says nothing of {', '.join(absent)}; pass its tile to "
                "begin anew."
            )
        return self.checkpoint

    def __repr__(self) -> str:
        steps = self.stats["steps"]
        if not is_concrete(steps):
            return f"Solution({self.tile!r})"
        if steps.ndim:
            return f"Solution({' x '.join(map(str, steps.shape))} runs, {self.tile!r})"
        ended = RESULTS[self.result].partition(".")[0]
        return f"Solution({int(steps)} steps, read_error={float(self.stats['read_error']):.3g}, {ended!r}, {self.tile!r})"


@partial(jax.jit, static_argnums=1)
def _beginning(histories: dict[str, Float[Array, "*runs step"]], entries: int) -> dict[str, Float[Array, "*runs entry"]]:
    """The first entries of histories, in one call for all of them."""
    return {name: values[..., :entries] for name, values in histories.items()}
