"""The measurements of `docs/explanation/reading.md`, on smaller samples."""

import dataclasses
import pathlib
import runpy

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.simulator.configs.devices import IdealDevice
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType
from aihwkit.simulator.parameters.io import IOParameters
from chips import analog_tile
from helpers import mostly_slow

import jaxtile as jt
from bridge import RealisticTile, RPUConfigWithProgram, from_analog_tile, to_analog_tile

parity = runpy.run_path(str(pathlib.Path(__file__).parents[2] / "docs" / "scripts" / "parity_reading.py"))
ALONE, NOISY = parity["ALONE"], parity["NOISY"]
SOME = (  # of either of those that the tests of the default periphery leave out
    *("is_perfect", "mv_type POS_NEG_SEPARATE_DIGITAL_SUM, narrow", "noise_management ABS_MAX, nm_thres"),
    *("noise_management AVERAGE_ABS_MAX", "bound_management ITERATIVE_WORST_CASE", "bm_test_negative_bound"),
)


@pytest.mark.parametrize("name", SOME)
def test_an_option_alone(name):
    found = parity["without_noise"](ALONE[name], 300)
    assert parity["passes"](found), found


@pytest.mark.parametrize("number", mostly_slow([3, 21, 34], 21))  # number 8 is the one that the table shows to fail
def test_random_combinations(number):
    fields = parity["combination"](number)
    found = parity["without_noise"](fields, 300)
    assert parity["passes"](found), (fields, found)


@pytest.mark.parametrize("name", ["out_noise_std", "w_noise PCM_READ, by sign"])
def test_noise(name):
    found = parity["with_noise"](NOISY[name], chips=3, repeats=1000)
    assert parity["passes"](found), found


@pytest.mark.parametrize("name", parity["DRAWN"])
def test_what_is_drawn_once(name):
    found = parity["drawn"](name, 5000)
    assert parity["passes"](found), found


EVERYTHING = {
    **{"out_noise_std": 0.5, "v_offset_std": 0.1, "r_series": 0.01, "out_nonlinearity": 0.2, "out_nonlinearity_std": 0.4},
    **{"w_read_asymmetry_dtod": 0.1, **parity["SIGNS"], "noise_management": NoiseManagementType.AVERAGE_ABS_MAX},
    **{"bound_management": BoundManagementType.NONE, "slope_calibration": 0.5},
}


def test_a_periphery_goes_over_and_back():
    """Draws that are made once are the chip's, in either engine."""
    io = IOParameters(**EVERYTHING)
    theirs = analog_tile(4, 3, IdealDevice(), forward=io, backward=io)
    ours = from_analog_tile(theirs)
    again = from_analog_tile(to_analog_tile(ours))
    config = RPUConfigWithProgram(device=IdealDevice(), forward=io, backward=io)
    simulated = to_analog_tile(ours, config)
    fresh = RealisticTile(4, 3, config, bias=False)
    fresh.tile.load_extra(simulated.tile.dump_extra())
    for tile in (again, simulated.tile.jax_tile, fresh.tile.jax_tile):
        for channels in ("forward", "backward"):
            for name, value in vars(getattr(ours.chip, channels)).items():
                np.testing.assert_allclose(getattr(getattr(tile.chip, channels), name), value, rtol=1e-6)


def test_an_average_is_remembered_by_each_direction_for_itself():
    io = IOParameters(**{"out_noise": 0.0, "noise_management": NoiseManagementType.AVERAGE_ABS_MAX})
    theirs = analog_tile(4, 3, IdealDevice(), forward=io, backward=io)
    simulated = to_analog_tile(from_analog_tile(theirs), RPUConfigWithProgram(device=IdealDevice(), forward=io, backward=io))
    for tile in (theirs.tile, simulated.tile):
        tile.set_weights(torch.ones(4, 3) * 0.3)
        for scale in (1.0, 5.0):
            y = tile.forward(torch.full((20, 3), scale), False)
    np.testing.assert_allclose(simulated.tile.forward(torch.ones(2, 3)), theirs.tile.forward(torch.ones(2, 3), False), atol=1e-5)
    assert float(simulated.tile.jax_tile.now.forward) > 1
    assert float(simulated.tile.jax_tile.now.backward) < 0
    assert y.shape == (20, 4)


def test_a_clip_at_the_lower_bound_forgets_no_other():
    """Without `bm_test_negative_bound`; in aihwkit, one that comes later does."""
    io = IOParameters(out_noise=0.0, bm_test_negative_bound=False, inp_res=-1, out_res=-1)
    weight = np.array([[50.0], [-50.0]], np.float32)
    for rows, iterated in ((weight, False), (weight[::-1].copy(), True)):
        theirs = analog_tile(2, 1, IdealDevice(), forward=io)
        theirs.tile.set_weights(torch.tensor(rows))
        ours = jt.forward(from_analog_tile(theirs), jnp.ones(1), key=jr.key(0))
        np.testing.assert_allclose(ours, rows[:, 0], rtol=1e-5)
        np.testing.assert_allclose(
            theirs.tile.forward(torch.ones(1), False), rows[:, 0] if iterated else rows[:, 0] * 0.24, rtol=1e-5
        )


def test_what_aihwkit_leaves_out():
    """A negative asymmetry of the outputs; and noise on the inputs of a vector of zeros, backward."""
    io = IOParameters(
        out_noise=0.0, out_asymmetry=-0.5, inp_noise=0.1, inp_res=-1, out_res=-1, bound_management=BoundManagementType.NONE
    )
    theirs = analog_tile(2, 2, IdealDevice(), forward=io, backward=io)
    theirs.tile.set_weights(torch.tensor([[8.0, 0.0], [0.0, -8.0]]))
    ours = from_analog_tile(theirs)
    assert not theirs.tile.backward(torch.zeros(3, 2), False).any()
    assert np.asarray(jt.backward(ours, jnp.zeros((3, 2)), key=jr.key(0))).all()
    quiet = dataclasses.replace(ours.config.forward, inp_noise=None)
    ours = dataclasses.replace(ours, config=dataclasses.replace(ours.config, forward=quiet))
    np.testing.assert_allclose(jt.forward(ours, jnp.ones(2), key=jr.key(0)), [8.0, -12.0], rtol=1e-6)
    assert theirs.tile.forward(torch.ones(500, 2), False)[:, 1].mean() == pytest.approx(-8.0, abs=0.3)


def test_offsets_are_a_folded_half():
    """Zero or positive; aihwkit draws anew where the first draw was positive, so a quarter of all are negative."""
    io = IOParameters(v_offset_std=0.1)
    theirs = analog_tile(20000, 1, IdealDevice(), forward=io)
    there = np.asarray(from_analog_tile(theirs).chip.forward.v_offset)
    ours = np.asarray(jt.init(from_analog_tile(theirs).config, (20000, 1), key=jr.key(0)).chip.forward.v_offset)
    for sample, negative in ((there, 0.25), (ours, 0.0)):
        assert np.mean(sample == 0) == pytest.approx(0.5, abs=0.02)
        assert np.mean(sample < 0) == pytest.approx(negative, abs=0.02)
        assert np.std(sample[sample != 0] * np.sign(sample[sample != 0])) == pytest.approx(0.0603, rel=0.05)
