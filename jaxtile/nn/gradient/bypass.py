"""Uses of the weights of tiles that no pair accounts for."""

from collections.abc import Sequence
from typing import Any

from jax.extend.core import Jaxpr, JaxprEqn, Literal

from ..layers.reads import mark_p
from .pairs import INLINED, parts_of_loop, programs_in

__all__ = ["sources"]

Names = frozenset[str]
NONE: Names = frozenset()


def sources(jaxpr: Jaxpr, given: Sequence[Names]) -> list[Names]:
    """The layers that each result of a program depends on in another way than by their
    reads.

    Args:
        jaxpr: the program.
        given: the layers that each argument belongs to.
    """
    known = {var: names for var, names in zip(jaxpr.invars, given, strict=True) if names}

    def of(var: Any) -> Names:
        return NONE if isinstance(var, Literal) else known.get(var, NONE)

    for eqn in jaxpr.eqns:
        results = _results(eqn, [of(var) for var in eqn.invars])
        known |= {var: names for var, names in zip(eqn.outvars, results, strict=True) if names}
    return [of(var) for var in jaxpr.outvars]


def _results(eqn: JaxprEqn, given: list[Names]) -> list[Names]:
    name = eqn.primitive.name
    if eqn.primitive is mark_p:
        return given[:1]  # the vectors; the hardware is what the pair is for
    if name == "stop_gradient":
        return [NONE]
    if name in INLINED:
        return sources(programs_in(eqn)[0], given)
    if name == "scan":
        return _steps(eqn, given)
    return [NONE.union(*given)] * len(eqn.outvars)


def _steps(eqn: JaxprEqn, given: list[Names]) -> list[Names]:
    """The results of a loop: on what one step carries, the next one depends."""
    first, carried = parts_of_loop(eqn)
    while True:
        results = sources(programs_in(eqn)[0], given)
        later = [*given[:first], *results[:carried], *given[first + carried :]]
        later = [one | other for one, other in zip(given, later, strict=True)]
        if later == given:
            return results
        given = later
