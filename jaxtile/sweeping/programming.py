"""Programming: the run of a sweep, unless it is a function of the user."""

from jaxtyping import Array, Float

from .._types import Key, Weight
from ..compensation import AbstractCompensation
from ..fields import Checked, Field, Number, field, number, part, whole
from ..programming import RESULTS, AbstractMethod, Chain, program
from ..quantities import QUANTITIES, Quantity, Record, as_quantities
from ..tile import Tile

__all__ = ["Programming"]


class Programming(Checked):
    """Program a tile; a function (tile, target, key) that `sweep` runs for every point.

    Its numbers can be swept: "method.learning_rate", "tolerance",
    "method.inputs.values" ... by path.

    Attributes:
        method: the programming method.
        max_steps, tolerance, compensation: see `jaxtile.program`.
        record: quantities to keep step by step, as `<name>_history`: names,
            `jaxtile.Quantity` objects or functions, as in `jaxtile.program`.
    """

    method: AbstractMethod | Chain = part((AbstractMethod, Chain), "is no method; pass one such as jaxtile.SVD()", kw_only=False)
    max_steps: int = whole(100, low=1)
    tolerance: Number = number(1e-2, low=0.0)
    compensation: AbstractCompensation | None = part(
        AbstractCompensation, "is no compensation; pass None, or one such as jaxtile.compensation.Gain()", optional=True
    )
    record: Field[Record, tuple[Quantity, ...]] = field(as_quantities, default=())

    def __check_init__(self) -> None:
        taken = [one.name for one in self.record if one.name in ("converged", "finite") or one.name.endswith("_history")]
        if taken:
            raise ValueError(f"Programming.record holds {', '.join(taken)}, a name that its results use otherwise; choose another.")

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
        """Names of the axes of a result."""
        return ("step",) if name.endswith("_history") else ()

    def units(self, name: str) -> str:
        """Unit of a result."""
        quantity = self._quantity(name)
        return "1" if quantity is None else quantity.unit

    def label(self, name: str) -> str:
        """Label of a result, with its unit."""
        quantity = self._quantity(name)
        return name if quantity is None else quantity.label

    def _quantity(self, name: str) -> Quantity | None:
        known = QUANTITIES | {one.name: one for one in self.record}
        return known.get(name.removesuffix("_history"))
