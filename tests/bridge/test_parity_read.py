"""The same chip in aihwkit and in jaxtile: reads agree, to rounding without noise, in moments with it."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.simulator.configs.devices import IdealDevice
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType
from aihwkit.simulator.parameters.io import IOParameters
from chips import analog_tile

import jaxtile as jt
from bridge import from_analog_tile

KEY = jr.key(0)
OUT, WIDTH, NUMBER = 40, 30, 2000

IO = {
    "defaults": {},
    "perfect": {"is_perfect": True},
    "no steps": {"inp_res": -1, "out_res": -1},
    "numbers of steps": {"inp_res": 30, "out_res": 60.0},
    "no management": {"noise_management": NoiseManagementType.NONE, "bound_management": BoundManagementType.NONE},
    "no bound": {"out_bound": 0.0, "inp_bound": -1.0, "noise_management": NoiseManagementType.NONE},
    "narrow": {"out_bound": 2.0, "max_bm_factor": 4},
    "narrow, coarse": {"out_bound": 2.0, "inp_res": 1 / 20},
}


def a_pair(io, scale=1.0):
    theirs = analog_tile(OUT, WIDTH, IdealDevice(), forward=io, backward=io)
    theirs.tile.set_weights(torch.randn(OUT, WIDTH) * scale)
    return theirs, from_analog_tile(theirs)


@pytest.mark.parametrize("scale", [0.3, 3.0])
@pytest.mark.parametrize("io", IO)
def test_without_noise_outputs_agree(io, scale):
    """But for one step of the ADC, in at most one output of 10^4: sums round differently, and now and then that crosses a tie."""
    settings = IOParameters(out_noise=0.0, **IO[io])
    theirs, ours = a_pair(settings, scale)
    for read, by, width in ((jt.forward, theirs.tile.forward, WIDTH), (jt.backward, theirs.tile.backward, OUT)):
        vectors = torch.rand(NUMBER, width) * 2 - 1
        vectors[:, 0] = 0
        vectors[3] = 0
        expected, got = by(vectors, False).numpy(), np.asarray(read(ours, jnp.asarray(vectors.numpy()), key=KEY))
        off = np.abs(got - expected) > 1e-5 * np.maximum(np.abs(expected).max(), 1)
        assert off.mean() <= 1e-4
        largest = np.abs(vectors.numpy()).max(axis=1, keepdims=True)
        out_step = 2 * max(settings.out_bound, 0) * (settings.out_res if settings.out_res <= 1 else 1 / settings.out_res)
        assert np.all((np.abs(got - expected) <= 1.01 * out_step * largest * 16)[off])  # at most 16 after bound management
        np.testing.assert_array_equal(got[3], 0)


@pytest.mark.parametrize("out_res", [-1, 1 / 510])
def test_with_noise_outputs_agree_in_moments(out_res):
    """Where bound management reads again and again, too: noise grows with the reduction.

    aihwkit's normals come from a list of 32768, which shifts all outputs of a tile alike: so the gate of the mean square is wide.
    """
    theirs, ours = a_pair(IOParameters(out_res=out_res), scale=1.0)
    repeats = 5000
    for row in (torch.rand(WIDTH) - 0.5, torch.ones(WIDTH) * 2):
        x = row.repeat(repeats, 1)
        a, b = theirs.tile.forward(x, False).numpy(), np.asarray(jt.forward(ours, jnp.asarray(x.numpy()), key=KEY))
        z_mean = (a.mean(0) - b.mean(0)) / np.sqrt((a.var(0) + b.var(0)) / repeats + a.var(0) / 32768)
        var_of_var = [((s - s.mean(0)) ** 4).mean(0) - s.var(0) ** 2 for s in (a, b)]
        z_var = (a.var(0) - b.var(0)) / np.sqrt(sum(var_of_var) / repeats + 2 * a.var(0) ** 2 / 32768)
        for z in (z_mean, z_var):
            assert np.max(np.abs(z)) < 5
            assert np.mean(z**2) < 3
        assert np.all(b.std(0) > 0.9 * 0.06 * float(row.abs().max()))


def test_ties_of_the_converters_fall_on_the_same_side():
    """Half of a full-scale input is 31.5 steps of the DAC."""
    theirs, ours = a_pair(IOParameters(out_noise=0.0, out_res=-1))
    x = torch.eye(WIDTH)
    x[:, 0] = 1.0
    x[:, 1:] += 0.5
    got = jt.forward(ours, jnp.asarray(x.numpy()), key=KEY)
    np.testing.assert_allclose(got, theirs.tile.forward(x, False).numpy(), atol=2e-5)
