"""What is done to every tile of a sweep, unless it is a function of the user: programming."""

from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Array, Float

from .._types import Key, Scalar, Weight
from ..compensation import AbstractCompensation
from ..fields import Checked, number, part, whole
from ..programming import RESULTS, AbstractMethod, Chain, program
from ..programming.program import check_record
from ..tile import Tile

__all__ = ["Programming"]


def _hashable(record: Any) -> Any:
    """A list as a tuple; anything else as it came."""
    return tuple(record) if isinstance(record, list) else record


class Programming(Checked):
    """Program a tile; a function (tile, target, key) that `sweep` runs for every point.

    Its numbers can be swept: "method.learning_rate", "tolerance", "method.inputs.values" ... by path.

    Attributes:
        method: the programming method.
        max_steps, tolerance, compensation: see `jaxtile.program`.
        record: which quantities to keep step by step, as `<name>_history`.
    """

    method: AbstractMethod | Chain = part((AbstractMethod, Chain), "is no method; pass one such as jaxtile.SVD()", kw_only=False)
    max_steps: int = whole(100, low=1)
    tolerance: Scalar = number(1e-2, low=0.0)
    compensation: AbstractCompensation | None = part(
        AbstractCompensation, "is no compensation; pass None, or one such as jaxtile.compensation.Gain()", optional=True
    )
    record: tuple[str, ...] = eqx.field(default=(), static=True, converter=_hashable, kw_only=True)

    UNITS: ClassVar[dict[str, str]] = {
        "steps": "pulse steps",
        "read_error": "1",
        "frobenius_error": "weight",
        "spectral_error": "weight",
        "full_pulses": "pulses per cell",
        "half_pulses": "pulses per cell",
        "row_pulses": "pulses per row",
        "column_pulses": "pulses per column",
        "phases": "sub-phases",
        "reads": "vectors",
        "unreachable": "1",
    }

    def __check_init__(self) -> None:
        check_record("Programming.record", self.record)

    def __call__(self, tile: Tile, target: Weight, key: Key) -> dict[str, Float[Array, "..."]]:
        sol = program(
            tile,
            target,
            self.method,
            key=key,
            max_steps=self.max_steps,
            tolerance=self.tolerance,
            compensation=self.compensation,
            record=self.record,
            throw=False,
        )
        ended = {"converged": sol.result == RESULTS.converged, "finite": sol.result != RESULTS.nonfinite}
        return sol.stats | ended | {f"{name}_history": values for name, values in sol.history.items()}

    def dims(self, name: str) -> tuple[str, ...]:
        """What the axes of a result are called."""
        return ("step",) if name.endswith("_history") else ()

    def units(self, name: str) -> str:
        """What a result is measured in."""
        return self.UNITS.get(name.removesuffix("_history"), "1")
