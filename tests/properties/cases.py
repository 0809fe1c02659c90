"""Cases that the property tests draw from: hardware of every kind without spread, the numbers that it takes, and pairs of vectors.

A structure is compiled once; numbers are leaves, so that examples vary them for nothing.
"""

from functools import partial

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from helpers import DEVICES, without_spread
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from jaxtyping import Array

import jaxtile as jt
from jaxtile.device import Drifting, OneSided, ReferenceCell, SingleSequential, VectorCell, WriteNoise
from jaxtile.device.cells import Cells

SHAPE, K = (4, 5), 3


PARTS = (0.5, 0.3, 0.2)


class GrainCells(Cells):
    """Several numbers for each cell: what each of its grains adds to a step."""

    grains: Array  # [out, in, grain]


class Grains(jt.device.AbstractPulsedDevice):
    """A device of a user's own: a step is the sum over grains, which slow down one after another on the way to a bound."""

    def fabricate(self, shape, *, key):
        shared = super().fabricate(shape, key=key)
        grains = jnp.broadcast_to(jnp.asarray(PARTS), (*shape, len(PARTS)))
        return GrainCells(**vars(shared), grains=grains)

    def step(self, cells, weight, *, up):
        stops = (cells.w_max if up else -cells.w_min)[..., None] * jnp.sqrt(2 * cells.grains)
        share = jnp.sum(cells.grains * jnp.clip(1 - (weight if up else -weight)[..., None] / stops, 0.1, 1.5), axis=-1)
        size = (cells.step_up if up else cells.step_down) * share
        return size, self.dw_min_std * size


def _grains(**numbers):
    return Grains(**{"dw_min_dtod": 0.0, "up_down_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0} | numbers)


def _cell(kind, *names, **options):
    return lambda **numbers: kind(tuple(without_spread(name, **numbers) for name in names), **options)


DEVICES_OF_ALL_KINDS = {name: partial(without_spread, name) for name in DEVICES} | {
    "write noise": lambda **numbers: WriteNoise(without_spread("soft bounds", **numbers), write_noise_std=1.0),
    "drifting": lambda **numbers: Drifting(without_spread("constant", **numbers)),
    "vector cell": _cell(VectorCell, "constant", "soft bounds"),
    "vector cell, in turn": _cell(VectorCell, "constant", "linear", update_policy=SingleSequential()),
    "reference cell": _cell(ReferenceCell, "soft bounds", "constant"),
    "one-sided": lambda **numbers: OneSided(without_spread("soft bounds", **numbers)),
    "a user's own": _grains,
}
COUNTS = (jt.pulse.MeanCount(), jt.pulse.DeterministicImplicit(), jt.pulse.MeanField())
HALF_SELECT = (
    lambda kappa: None,
    lambda kappa: jt.half_select.ConstantRatio(kappa=kappa),
    lambda kappa: jt.half_select.ConstantRatio(kappa=kappa, phases="active", row=2.0),
    lambda kappa: jt.half_select.Accumulation(kappa=kappa, dead_band=2.0),
)


def hardware(name: str, *, kappa=20.0, half_select: int | None = None, **numbers) -> jt.TileConfig:
    """A kind of device with a pulse type that draws nothing.

    Pulse types, and models of half-selection if none is chosen, change from one kind to the next.
    """
    place = list(DEVICES_OF_ALL_KINDS).index(name)
    model = HALF_SELECT[place % len(HALF_SELECT) if half_select is None else half_select]
    device = DEVICES_OF_ALL_KINDS[name](**{"dw_min": 0.01, "dw_min_std": 0.0} | numbers)
    return jt.TileConfig(device=device, pulse=COUNTS[place % len(COUNTS)], half_select=model(kappa))


def tile_of(config: jt.TileConfig, weight) -> jt.Tile:
    return jt.set_weights(jt.init(config, SHAPE, key=jr.key(0)), weight)


# What is drawn.

KAPPA = st.floats(1.0, 1e4)
DW_MIN = st.floats(1e-3, 0.05)
RATE = st.floats(1e-3, 1.0)
ENTRIES = st.just(0.0) | st.floats(-1, 1, width=32, allow_subnormal=False)


@st.composite
def pairs(draw, k: int = K, shape: tuple[int, int] = SHAPE):
    """A batch of x [k, in] and d [k, out]."""
    out, width = shape
    return draw(arrays.arrays(np.float32, (k, width), elements=ENTRIES)), draw(
        arrays.arrays(np.float32, (k, out), elements=ENTRIES)
    )


WEIGHTS = arrays.arrays(np.float32, SHAPE, elements=st.floats(-0.5, 0.5, width=32, allow_subnormal=False))
