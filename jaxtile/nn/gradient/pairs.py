"""The program of a loss, run with a probe at each read."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from ..layers.reads import Mark, make, mark_p
from .factors import Factors
from .scan import THREADED

__all__ = [
    "INLINED",
    "Loop",
    "Read",
    "evaluate",
    "factors",
    "find",
    "layers_of",
    "marks_of",
    "parts_of_loop",
    "probes",
    "programs_in",
]

INLINED = ("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2")


@dataclasses.dataclass(frozen=True)
class Read:
    """One read of a program, of so many vectors."""

    mark: Mark
    vectors: int
    dtype: Any


@dataclasses.dataclass(frozen=True)
class Loop:
    """The reads of one step of a loop over time."""

    step: "Reads"
    length: int
    reverse: bool


# In the order of the calls. Probes and records are lists of the same structure.
Reads = list[Read | Loop]


def find(jaxpr: Jaxpr, *, threaded: bool = False) -> Reads:
    """The reads of a program; `threaded` allows for loops.

    Raises:
        TypeError: a layer is called where its calls cannot be told apart; the message
            names it.
    """
    reads: Reads = []
    for eqn in jaxpr.eqns:
        name, inner = eqn.primitive.name, programs_in(eqn)
        if eqn.primitive is mark_p:
            x: Any = eqn.invars[0].aval
            reads.append(Read(eqn.params["mark"], x.size // x.shape[-1], x.dtype))
        elif name in INLINED:
            reads += find(inner[0], threaded=eqn.params.get("name") == THREADED)
        elif name == "scan" and threaded:
            step = find(inner[0])
            reads += [Loop(step, eqn.params["length"], eqn.params["reverse"])] if step else []
        else:
            for layer in layers_of([read for each in inner for read in find(each)]):
                raise TypeError(
                    f"{layer} is called inside of `{name}`, where the pairs of its calls cannot be told apart. Use jaxtile.nn.scan "
                    "for a loop over time, and jax.numpy.where in place of a branch."
                )
    return reads


def programs_in(eqn: JaxprEqn) -> list[Jaxpr]:
    """The programs that an equation runs."""
    values = [each for value in eqn.params.values() for each in (value if isinstance(value, tuple | list) else [value])]
    return [value.jaxpr if isinstance(value, ClosedJaxpr) else value for value in values if isinstance(value, ClosedJaxpr | Jaxpr)]


def parts_of_loop(eqn: JaxprEqn) -> tuple[int, int]:
    """How many arguments of a `lax.scan` are constants, and how many it carries.

    Of the others each step gets a slice, which has one axis less. JAX 0.10 gives the
    numbers by name, and JAX 0.12 does not.
    """
    (step,) = programs_in(eqn)

    def whole(outside: Sequence[Any], inside: Sequence[Any]) -> int:
        return sum(a.aval.ndim == b.aval.ndim for a, b in zip(outside, inside, strict=True))

    carried = whole(eqn.outvars, step.outvars)
    return whole(eqn.invars, step.invars) - carried, carried


def marks_of(reads: Reads) -> Iterator[Mark]:
    """The marks of reads, in the order of the calls."""
    for read in reads:
        yield from marks_of(read.step) if isinstance(read, Loop) else [read.mark]


def layers_of(reads: Reads) -> list[str]:
    """The paths of the layers that reads are of, each once."""
    return list(dict.fromkeys(mark.name for mark in marks_of(reads)))


def probes(reads: Reads) -> list[Any]:
    """A probe of zeros for each read."""

    def probe(read: Read | Loop) -> Any:
        if isinstance(read, Read):
            return jnp.zeros((read.vectors, read.mark.out), read.dtype)
        return jax.tree.map(lambda step: jnp.zeros((read.length, *step.shape), step.dtype), probes(read.step))

    return [probe(read) for read in reads]


def evaluate(jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Any], probes: Iterator[Any]) -> tuple[list[Any], list[Any]]:
    """The outcome of a program with its reads made, and the vectors of each read."""
    known: dict[Any, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))
    records: list[Any] = []
    for eqn in jaxpr.eqns:
        values = [var.val if isinstance(var, Literal) else known[var] for var in eqn.invars]
        outs, made = _equation(jaxpr, eqn, values, probes)
        records += made
        known.update(zip(eqn.outvars, outs, strict=True))
    return [var.val if isinstance(var, Literal) else known[var] for var in jaxpr.outvars], records


def _equation(jaxpr: Jaxpr, eqn: JaxprEqn, values: list[Any], probes: Iterator[Any]) -> tuple[Sequence[Any], list[Any]]:
    if eqn.primitive is mark_p:
        y, record = make(eqn.params["mark"], values, next(probes))
        return [y], [record]
    inner = [] if eqn.primitive.name.startswith("custom") else programs_in(eqn)
    if inner and find(inner[0], threaded=True):
        run = _steps if eqn.primitive.name == "scan" else _rematerialised if "policy" in eqn.params else _inlined
        return run(eqn, values, probes)
    return jax.core.eval_jaxpr(*_alone(jaxpr, eqn, values)), []


def _alone(jaxpr: Jaxpr, eqn: JaxprEqn, values: list[Any]) -> tuple[Any, ...]:
    """The program of one equation, its constants and its arguments."""
    free = [(var, value) for var, value in zip(eqn.invars, values, strict=True) if not isinstance(var, Literal)]
    alone = jaxpr.replace(constvars=[], invars=[var for var, _ in free], outvars=eqn.outvars, eqns=[eqn])
    return alone, (), *(value for _, value in free)


def _closed(eqn: JaxprEqn) -> tuple[Jaxpr, Sequence[Any]]:
    program = eqn.params["jaxpr"] if "jaxpr" in eqn.params else eqn.params["call_jaxpr"]
    return (program.jaxpr, program.consts) if isinstance(program, ClosedJaxpr) else (program, ())


def _inlined(eqn: JaxprEqn, values: list[Any], probes: Iterator[Any]) -> tuple[list[Any], list[Any]]:
    return evaluate(*_closed(eqn), values, probes)


def _rematerialised(eqn: JaxprEqn, values: list[Any], probes: Iterator[Any]) -> tuple[list[Any], list[Any]]:
    program, consts = _closed(eqn)
    own = [next(probes) for _ in find(program)]

    def run(values: list[Any], own: list[Any]) -> tuple[list[Any], list[Any]]:
        return evaluate(program, consts, values, iter(own))

    return jax.checkpoint(run, policy=eqn.params["policy"], prevent_cse=eqn.params["prevent_cse"])(values, own)


def _steps(eqn: JaxprEqn, values: list[Any], probes: Iterator[Any]) -> tuple[list[Any], list[Any]]:
    """A loop over time: the probes go in, and the vectors come out, step by step."""
    params, (program, consts) = eqn.params, _closed(eqn)
    first, carried = parts_of_loop(eqn)
    n = first + carried

    def step(carry: list[Any], given: tuple[list[Any], list[Any]]) -> tuple[list[Any], tuple[list[Any], list[Any]]]:
        xs, own = given
        outs, records = evaluate(program, consts, [*values[:first], *carry, *xs], iter(own))
        return outs[:carried], (outs[carried:], records)

    options = {name: params[name] for name in ("length", "reverse", "unroll")}
    carry, (ys, records) = jax.lax.scan(step, values[first:n], (values[n:], next(probes)), **options)
    return [*carry, *ys], [records]


def factors(reads: Reads, records: list[Any], ds: list[Any], layer: str) -> Factors:
    """The pairs of a layer, in the order of the calls.

    Args:
        reads: the reads of the program.
        records: their vectors.
        ds: the gradients of their probes.
        layer: path of the layer.
    """
    parts: list[Factors] = []
    for read, record, d in zip(reads, records, ds, strict=True):
        if isinstance(read, Read):
            parts += [Factors(record[0], d, record[1])] if read.mark.name == layer else []
        elif layer in layers_of([read]):
            steps = jax.vmap(lambda record, d, read=read: factors(read.step, record, d, layer))(record, d)
            in_order = jax.tree.map(lambda each: each[::-1], steps) if read.reverse else steps
            parts.append(jax.tree.map(lambda each: each.reshape(-1, each.shape[-1]), in_order))
    return jax.tree.map(lambda *each: jnp.concatenate(each), *parts)
