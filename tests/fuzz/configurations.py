"""What is drawn: hardware of every structure, with any numbers that its fields take.

Each structure is compiled once for each shape. Numbers are leaves, and cost nothing more.
"""

import dataclasses
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
    "reference cell": lambda device: ReferenceCell((device, device)),
    "one-sided": OneSided,
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
    """What is compiled, by the names of its parts."""

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
    """Numbers of an interval, its ends, and large and small ones; now and then one that it does not take."""
    low, high = max(domain.low, -1e6), min(domain.high, 1e6)
    usual = st.floats(max(low, -1.0), min(high, 1.0)) if max(low, -1.0) <= min(high, 1.0) else st.just(low)
    extreme = st.sampled_from([low, high, 0.0, 1e-6, 1.0, -1.0, 24.0, 88.0, 1e4]).filter(lambda value: low <= value <= high)
    refused = st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e39])
    return st.integers(0, 199).flatmap(lambda at: refused if at == 199 else extreme if at > 140 else usual)


@st.composite
def with_other_numbers(draw, node: Any) -> Any:
    """The same structure, with some of its numbers drawn anew."""
    if isinstance(node, tuple):
        return tuple(draw(with_other_numbers(part)) for part in node)
    if not isinstance(node, Checked):
        return node
    changes = {}
    for field in dataclasses.fields(node):
        value, domain = getattr(node, field.name), field.metadata.get("domain")
        if domain is None:
            changes[field.name] = draw(with_other_numbers(value))
        elif value is not None and draw(st.integers(0, 4)) == 4:
            changes[field.name] = draw(numbers_of(domain))
    return dataclasses.replace(node, **changes)


ENTRIES = st.sampled_from([0.0, 1.0, -1.0, 1e-6, 1e4]) | st.floats(-1, 1, width=32, allow_subnormal=False)


def matrices(shape: tuple[int, int]) -> st.SearchStrategy[np.ndarray]:
    """Of entries of either sign, zeros among them."""
    size = shape[0] * shape[1]
    return st.lists(ENTRIES, min_size=size, max_size=size).map(lambda values: np.reshape(values, shape).astype(np.float32))
