"""The quantities of a programming run: one table for records, results, plots, sweeps and
costs. Those of training are in a table of `nn/training/`.

To add one, add an entry to the table. A quantity of your own needs no entry: pass it to
`program(record=...)`.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Num

from ._linalg import safe_norm, spectral_norm
from ._numerics import divisor
from ._types import Scalar, Weight
from .fields import Checked, field, function
from .tile import Tile

__all__ = ["QUANTITIES", "RECORD", "Quantity", "Record", "View", "as_quantities", "measure"]


class View(NamedTuple):
    """A run where it stands, which is all that a quantity is measured from.

    Attributes:
        tile: the tile; its tally counts this run alone.
        target: the weights wanted, [out, in].
        read_error: error of the last reading, see `Solution`.
        steps: pulse steps made.
    """

    tile: Tile
    target: Weight
    read_error: Scalar
    steps: Int[Array, ""]


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}={value!r} is not a string.")
    return value


class Quantity(Checked):
    """One number of a run, step by step or at its end.

    Attributes:
        name: key of the history, of the stats and of a sweep's data set.
        unit: unit in a data set; "1" where it has none.
        label: label of an axis, with the unit.
        measure: function of a view that returns one number: of a `View` in programming,
            of an `Epoch` in training. It is traced, so it is pure.
    """

    name: str = field(_text, static=True, kw_only=False)
    unit: str = field(_text, static=True, kw_only=False)
    label: str = field(_text, static=True, kw_only=False)
    measure: Callable[[Any], Num[Array, ""]] = function(
        "is no function; pass one of a View that returns a number", optional=False, kw_only=False
    )

    def __check_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"Quantity.name={self.name!r} must be an identifier, such as 'worst_cell'.")


def measure(quantities: Iterable[Quantity], view: Any) -> dict[str, Num[Array, ""]]:
    """Measure quantities, and return the numbers by name.

    Raises:
        TypeError: one is not one real number.
    """
    found = {}
    for one in quantities:
        value = one.measure(view)
        if not eqx.is_array_like(value) or jnp.ndim(value) != 0 or jnp.iscomplexobj(value):
            raise TypeError(f"the quantity {one.name!r} is {value!r:.80}; return one real number, a scalar array.")
        found[one.name] = jnp.asarray(value)
    return found


def _residual(view: View) -> Weight:
    return view.tile.weight - view.target


def _spectral(view: View) -> Scalar:
    # Eigenvalues of a degenerate residual have no gradient: this is a diagnostic, not
    # an objective.
    return spectral_norm(jax.lax.stop_gradient(_residual(view)))


def _relative(view: View) -> Scalar:
    return safe_norm(_residual(view)) / divisor(safe_norm(view.target))


def _unreachable(view: View) -> Scalar:
    tile = view.tile
    return jnp.mean(tile.device.clip(tile.cells, view.target) != view.target)


_TABLE = (
    Quantity("read_error", "1", "read error (relative to largest)", attrgetter("read_error")),
    Quantity("frobenius_error", "weight", "Frobenius error (weight units)", lambda view: safe_norm(_residual(view))),
    Quantity("relative_error", "1", "error (relative to the target)", _relative),
    Quantity("spectral_error", "weight", "spectral error (weight units)", _spectral),
    Quantity("full_pulses", "pulses per cell", "full pulses per cell", attrgetter("tile.now.tally.full")),
    Quantity("half_pulses", "pulses per cell", "half pulses per cell", attrgetter("tile.now.tally.half")),
    Quantity("row_pulses", "pulses per row", "pulses per row", attrgetter("tile.now.tally.row")),
    Quantity("column_pulses", "pulses per column", "pulses per column", attrgetter("tile.now.tally.column")),
    Quantity("phases", "sub-phases", "sub-phases driven", attrgetter("tile.now.tally.phases")),
    Quantity("reads", "vectors", "vectors read", attrgetter("tile.now.tally.reads")),
    Quantity("steps", "pulse steps", "pulse steps", attrgetter("steps")),
    Quantity("unreachable", "1", "fraction of the target out of reach", _unreachable),
)

QUANTITIES = {quantity.name: quantity for quantity in _TABLE}
"""The quantities by name. The stats of a `Solution` hold all of them at the end of a run.

`read_error` is the error that the method saw: mean |reading - wanted| / max |wanted|, or
the mean itself where only zeros are wanted. `frobenius_error` and `spectral_error` are
norms of W - target, which the simulator knows. `relative_error` is the Frobenius error
over the Frobenius norm of the target, or the error itself where only zeros are wanted.

Counts are cumulative, and of the run alone. `full_pulses` and `half_pulses` are means
per cell. `row_pulses` and `column_pulses` are means per line, which pulses in every
sub-phase anew. `phases` are the sub-phases driven, in every slot anew. `reads` are
vectors; weights read as they are count as one for each column.

`unreachable` is the fraction of the target beyond the bounds of its own device.
"""

RECORD = tuple(name for name in QUANTITIES if name not in ("relative_error", "spectral_error", "steps", "unreachable"))
"""The default of `record=`: quantities that cost little and change on the way."""

Record = Sequence[str | Quantity | Callable[[View], Scalar]]


def as_quantities(name: str, record: Any) -> tuple[Quantity, ...]:
    """Look up names in the table, make quantities of functions, and take quantities as
    they are.

    A function `view -> number` goes by its own name, and has no unit.

    Args:
        name: name of the argument, for errors.
        record: a tuple of names, of `Quantity` objects and of functions.

    Raises:
        TypeError, ValueError: it is none, an entry is unknown or has no name, or two
            have the same.
    """
    if not isinstance(record, tuple | list):
        raise TypeError(f"{name}={record!r} must be a tuple of names, such as ('read_error',).")
    quantities: dict[str, Quantity] = {}
    for one in record:
        one = QUANTITIES.get(one, one) if isinstance(one, str) else one
        one = one if isinstance(one, Quantity) else _of_function(name, one)
        known = QUANTITIES.get(one.name, one)
        if one is not known and one != known:
            raise ValueError(f"{name} gives {one.name!r} another meaning; choose a name that is none of {', '.join(QUANTITIES)}.")
        if one.name in quantities:
            raise ValueError(f"{name} holds {one.name} more than once.")
        quantities[one.name] = one
    return tuple(quantities.values())


def _of_function(name: str, measure: Any) -> Quantity:
    if not callable(measure):
        raise ValueError(f"{name} names {[measure]}, which is unknown; choose from {', '.join(QUANTITIES)}.")
    called = getattr(measure, "__name__", "")
    if not called.isidentifier():
        raise ValueError(f"{name} holds {measure!r}, which has no name; pass jaxtile.Quantity(name, unit, label, measure).")
    return Quantity(called, "1", called.replace("_", " "), measure)  # pyright: ignore[reportArgumentType]
