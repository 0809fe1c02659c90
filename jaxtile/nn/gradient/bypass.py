"""Uses of the weights of tiles that no pair accounts for."""

from collections.abc import Sequence

from jax.extend.core import Jaxpr, JaxprEqn, Literal

from ..layers.reads import mark_p
from .pairs import INLINED, programs_in

__all__ = ["depends"]


def depends(jaxpr: Jaxpr, given: Sequence[bool]) -> list[bool]:
    """True for each result of a program that depends on some of its arguments in
    another way than by the reads of layers.

    Args:
        jaxpr: the program.
        given: True for these arguments.
    """
    known = {var for var, one in zip(jaxpr.invars, given, strict=True) if one}

    def is_known(var: object) -> bool:
        return not isinstance(var, Literal) and var in known

    for eqn in jaxpr.eqns:
        results = _results(eqn, [is_known(var) for var in eqn.invars])
        known |= {var for var, one in zip(eqn.outvars, results, strict=True) if one}
    return [is_known(var) for var in jaxpr.outvars]


def _results(eqn: JaxprEqn, given: list[bool]) -> list[bool]:
    name = eqn.primitive.name
    if eqn.primitive is mark_p:
        return given[:1]  # the vectors; the hardware is what the pair is for
    if name == "stop_gradient":
        return [False]
    if name in INLINED:
        return depends(programs_in(eqn)[0], given)
    if name == "scan":
        return _steps(eqn, given)
    return [any(given)] * len(eqn.outvars)


def _steps(eqn: JaxprEqn, given: list[bool]) -> list[bool]:
    """The results of a loop: on what one step carries, the next one depends."""
    first, carried = eqn.params["num_consts"], eqn.params["num_carry"]
    while True:
        results = depends(programs_in(eqn)[0], given)
        later = [*given[:first], *results[:carried], *given[first + carried :]]
        later = [one or other for one, other in zip(given, later, strict=True)]
        if later == given:
            return results
        given = later
