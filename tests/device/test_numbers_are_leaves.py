"""Other numbers trace nothing anew, whatever the device; nor do several at once."""

import jax
import jax.numpy as jnp
import jax.random as jr
import pytest
from helpers import DEVICES, mostly_slow

from jaxtile._random import Draws, cell_index
from jaxtile.cli.devices import PRESETS
from jaxtile.device import Burst, Drifting, OneSided, ReferenceCell, Refresh, SingleRandom, SingleSequential, VectorCell, WriteNoise

SHAPE = (2, 3)


def pair(**numbers):
    return DEVICES["constant"](**numbers), DEVICES["pow"](**numbers)


CELLS = {
    "write noise": lambda **numbers: WriteNoise(DEVICES["soft bounds"](**numbers), write_noise_std=2.0),
    "drifting": lambda **numbers: Drifting(DEVICES["soft bounds"](**numbers), nu=0.1),
    "vector": lambda **numbers: VectorCell(pair(**numbers), gamma_vec=[1.0, 0.5]),
    "in turn": lambda **numbers: VectorCell(pair(**numbers), update_policy=SingleSequential()),
    "at random": lambda **numbers: VectorCell(pair(**numbers), update_policy=SingleRandom()),
    "reference": lambda **numbers: ReferenceCell(pair(**numbers)),
    "refreshed": lambda **numbers: OneSided(DEVICES["linear"](**numbers), refresh=Refresh()),
}
MAKERS = DEVICES | CELLS | {f"preset {name}": make for name, make in PRESETS.items()}


@pytest.mark.parametrize("name", mostly_slow(MAKERS, *DEVICES, *CELLS, "preset reram-array-hfo2"))
def test_a_change_of_a_number_traces_nothing(name):
    make, traces = MAKERS[name], []

    def respond(device):
        traces.append(None)
        cells = device.fabricate(SHAPE, key=None)  # draws take long to trace, and see no number
        state = device.start(SHAPE)
        for routine in device.routines:
            state, _ = routine.before(device, cells, state, None, key=jr.key(1))
        up, noise = jnp.ones(SHAPE, jnp.int32), Draws(jr.key(2), cell_index(2, jnp.arange(3), 3))
        return device.weight(device.pulses(cells, state, Burst(up, 0 * up, noise=noise)))

    one = jax.jit(respond)
    for dw_min in (0.01, 0.02):
        one.trace(make(dw_min=dw_min))
    assert len(traces) == 1
    swept = jax.jit(jax.vmap(lambda dw_min: respond(make(dw_min=dw_min))))
    for first in (0.01, 0.02):
        (weights,) = jax.tree.leaves(swept.trace(first + jnp.arange(4.0)).out_info)
    assert weights.shape == (4, *SHAPE)
    assert len(traces) == 2
