"""Configurations to draw: hardware of every structure, with any numbers that its fields take.

Each structure is compiled once for each shape. Numbers are leaves, and cost nothing more.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import jaxtile as jt
from jaxtile.device import Drifting, OneSided, ReferenceCell, VectorCell, WriteNoise
from jaxtile.fields import Checked
from tests.helpers import DEVICES, PULSES

SHAPES = ((1, 1), (1, 5), (4, 1), (4, 6))
AROUND = {
    "alone": lambda device: device,
    "write noise": lambda device: WriteNoise(device, write_noise_std=1.0),
    "drifting": lambda device: Drifting(device, nu=0.1),
    "vector cell": lambda device: VectorCell((device, jt.device.SoftBounds())),
    "reference cell": lambda device: ReferenceCell((device, dataclasses.replace(device))),
    "one-sided": OneSided,
    "transfer": lambda device: jt.learning.Transfer((device, dataclasses.replace(device))),
    "chopped transfer": lambda device: jt.learning.ChoppedTransfer((device, dataclasses.replace(device)), in_chop_prob=0.2),
    "mixed precision": jt.learning.MixedPrecision,
}
HALF_SELECT = {
    "none": None,
    "ratio": jt.half_select.ConstantRatio(kappa=20.0),
    "active": jt.half_select.ConstantRatio(kappa=20.0, phases="active"),
    "accumulation": jt.half_select.Accumulation(kappa=20.0, dead_band=2.0),
    "sinh": jt.half_select.Sinh(),
    "stochastic": jt.half_select.Stochastic(kappa=20.0),
    "threshold": jt.half_select.Threshold(),
}
PERIPHERY = {
    "plain": jt.IOParameters(),
    "perfect": jt.IOParameters(is_perfect=True),
    "two passes": jt.IOParameters(mv_type=jt.periphery.PosNegSeparate(), bound_management=jt.periphery.Iterative()),
}
METHODS = {"none": None, "svd": jt.SVD(), "gdp": jt.GDP(), "verify": jt.ProgramVerify()}


class Structure(NamedTuple):
    """A structure that is compiled, by the names of its parts."""

    device: str
    around: str
    pulse: str
    half_select: str
    periphery: str
    method: str
    shape: tuple[int, int]

    def config(self) -> jt.TileConfig:
        """With the numbers of the parts as they are."""
        io = PERIPHERY[self.periphery]
        device = AROUND[self.around](DEVICES[self.device]())
        return jt.TileConfig(device, PULSES[self.pulse](), half_select=HALF_SELECT[self.half_select], forward=io, backward=io)


PARTS = {
    "device": tuple(DEVICES),
    "around": tuple(AROUND),
    "pulse": tuple(PULSES),
    "half_select": tuple(HALF_SELECT),
    "periphery": tuple(PERIPHERY),
    "method": tuple(METHODS),
    "shape": SHAPES,
}


def numbers_of(domain) -> st.SearchStrategy[float]:
    """Numbers of an interval: usual ones, its ends, and large and small ones."""
    low, high = max(domain.low, -1e6), min(domain.high, 1e6)
    usual = st.floats(max(low, -1.0), min(high, 1.0)) if max(low, -1.0) <= min(high, 1.0) else st.just(high)
    extreme = st.sampled_from([low, high, 0.0, 1e-6, 1.0, -1.0, 24.0, 88.0, 1e4])
    return st.one_of(usual, usual, usual, extreme).map(np.ceil if domain.whole else float).filter(partial(is_of, domain))


def is_of(domain, value: float) -> bool:
    """True if a field takes the number, as it is in single precision."""
    with np.errstate(over="ignore"):
        return float(np.float32(value)) in domain


ONE_OF_FIVE = st.sampled_from([False, False, False, False, True])
FOREIGN = st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e39, -1e39])


def numbers_in(node: Any) -> list[tuple[Any, dataclasses.Field]]:
    """The numbers of hardware or of a method that may be drawn: whose they are, and their fields."""
    if isinstance(node, tuple):
        return [number for part in node for number in numbers_in(part)]
    if not isinstance(node, Checked):
        return []
    fields = [(field, getattr(node, field.name)) for field in dataclasses.fields(node)]
    own = [(node, field) for field, value in fields if "domain" in field.metadata and value is not None]
    return own + [number for _, value in fields for number in numbers_in(value)]


def with_numbers(node: Any, drawn: dict[tuple[int, str], float]) -> Any:
    """The same structure with other numbers."""
    if isinstance(node, tuple):
        return tuple(with_numbers(part, drawn) for part in node)
    if not isinstance(node, Checked):
        return node
    changes = {}
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        changes[field.name] = drawn.get((id(node), field.name), value) if "domain" in field.metadata else with_numbers(value, drawn)
    return dataclasses.replace(node, **changes)


@st.composite
def with_other_numbers(draw, node: Any) -> tuple[Callable[[], Any], str | None]:
    """The same structure with a fifth of its numbers drawn anew; of one in sixteen, one is a number that its field must refuse.

    Returns:
        A function that builds it, and the name of that field or None.
    """
    numbers = numbers_in(node)
    drawn = {(id(owner), field.name): draw(numbers_of(field.metadata["domain"])) for owner, field in numbers if draw(ONE_OF_FIVE)}
    foreign = None
    if numbers and draw(st.integers(0, 15)) == 15:
        owner, field = draw(st.sampled_from(numbers))
        drawn[id(owner), field.name] = draw(FOREIGN.filter(lambda value: not is_of(field.metadata["domain"], value)))
        foreign = f"{type(owner).__name__}.{field.name}"
    return partial(with_numbers, node, drawn), foreign


ENTRIES = st.sampled_from([0.0, 1.0, -1.0, 1e-6, 1e4]) | st.floats(-1, 1, width=32, allow_subnormal=False)


def matrices(shape: tuple[int, int]) -> st.SearchStrategy[np.ndarray]:
    """Matrices of entries of either sign, zeros among them."""
    size = shape[0] * shape[1]
    return st.lists(ENTRIES, min_size=size, max_size=size).map(lambda values: np.reshape(values, shape).astype(np.float32))
