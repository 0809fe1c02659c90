"""Chips go from one simulator to the other and back."""

import dataclasses
from functools import partial

import jax
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.exceptions import ConfigError
from aihwkit.nn import AnalogLinear
from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.configs.devices import ConstantStepDevice, ExpStepDevice
from aihwkit.simulator.parameters.enums import PulseType
from aihwkit.simulator.parameters.training import UpdateParameters
from chips import DEVICES, PULSED, analog_tile, weights_of
from helpers import mostly_slow

import jaxtile as jt
from bridge import RealisticTile, RPUConfigWithProgram, from_analog_tile, to_analog_tile

WEAK = {"lifetime": 50.0, "lifetime_dtod": 0.2, "diffusion": 0.02, "diffusion_dtod": 0.2, "reset": 0.05, "reset_dtod": 0.02}


@pytest.mark.parametrize("device", mostly_slow(DEVICES, "ideal", "soft bounds, reference", "piecewise"))
def test_from_aihwkit_and_back(device):
    theirs = analog_tile(3, 4, DEVICES[device](**WEAK))
    chip = from_analog_tile(theirs)
    back = to_analog_tile(chip)
    assert torch.equal(back.tile.get_weights(), theirs.tile.get_weights())
    rounding = 1.2e-7 if "reference" in device else 0  # bounds are counted from the reference here
    torch.testing.assert_close(back.tile.get_hidden_parameters(), theirs.tile.get_hidden_parameters(), atol=rounding, rtol=0)
    same_leaves(from_analog_tile(back), chip, atol=rounding)


OURS = [
    *(jt.device.Ideal, jt.device.ConstantStep, jt.device.LinearStep, jt.device.SoftBounds, jt.device.SoftBoundsPmax),
    *(jt.device.SoftBoundsReference, jt.device.ExpStep, jt.device.PowStep, jt.device.PowStepReference, jt.device.PiecewiseStep),
    *(jt.presets.capacitor, jt.presets.reram_array_om, jt.presets.pcm),
]


@pytest.mark.parametrize("device", OURS)
def test_from_jaxtile_and_back(device):
    config = jt.TileConfig(
        device=device(),
        pulse=jt.pulse.DeterministicImplicit(desired_bl=17, x_res_implicit=0.01),
        forward=jt.IOParameters(out_noise=0.012, bound_management=None),
        backward=jt.IOParameters(noise_management=None, inp_res=1 / 254),
    )
    chip = jt.init(config, (3, 4), key=jr.key(1))
    chip = jt.set_weights(chip, jr.uniform(jr.key(2), (3, 4)) * 0.2)
    back = from_analog_tile(to_analog_tile(chip))
    if isinstance(chip.state, jt.device.Written):  # aihwkit draws the noise of a write when weights are put in
        back = back.with_state(dataclasses.replace(back.state, noise=chip.state.noise))
    same_leaves(back, chip, atol=1e-7 if hasattr(chip.cells, "reference") else 0)


def same_leaves(a, b, atol=0.0):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(partial(np.testing.assert_allclose, atol=atol, rtol=0), a, b)


@pytest.mark.parametrize("device", mostly_slow(PULSED, "soft bounds, reference", "piecewise"))
def test_the_planned_step_is_kept(device):
    """aihwkit replaces `dw_min` by the mean of the imported devices if they are far from it; a chip's own planning goes with it."""
    theirs = analog_tile(3, 4, DEVICES[device](dw_min_dtod=0.0))
    hidden = theirs.get_hidden_parameters()
    for name in ("dwmin_up", "dwmin_down"):
        hidden[name] *= 2
    chip = from_analog_tile(theirs)
    planned = float(chip.device.granularity())
    theirs.set_hidden_parameters(hidden)
    replanned = from_analog_tile(theirs)
    assert float(replanned.device.granularity()) != pytest.approx(planned, rel=0.1)
    again = from_analog_tile(to_analog_tile(replanned))
    assert float(again.device.granularity()) == float(replanned.device.granularity())
    chip = dataclasses.replace(chip, chip=dataclasses.replace(chip.chip, cells=replanned.cells))
    assert float(from_analog_tile(to_analog_tile(chip)).device.granularity()) == planned


@pytest.mark.parametrize("engine", [SingleRPUConfig, RPUConfigWithProgram])
def test_a_configuration_of_other_hardware_is_refused(engine):
    chip = jt.init(jt.TileConfig(device=jt.device.ConstantStep(dw_min=0.004)), (3, 4), key=jr.key(0))
    same = to_analog_tile(chip, engine(device=ConstantStepDevice(dw_min=0.004), update=UpdateParameters(desired_bl=7)))
    back = from_analog_tile(same)
    assert float(back.device.granularity()) == float(chip.device.granularity())
    assert back.config.pulse.desired_bl == 7
    with pytest.raises(ConfigError, match=r"device\.dw_min=0\.001"):
        to_analog_tile(chip, engine())
    with pytest.raises(ConfigError, match="device=ExpStep"):
        to_analog_tile(chip, engine(device=ExpStepDevice(dw_min=0.004)))


def test_what_the_bridges_tile_has_seen_goes_with_it():
    tile = RealisticTile(3, 4, RPUConfigWithProgram(half_select=jt.half_select.ConstantRatio(kappa=10.0)))
    tile.tile.update(torch.ones(4), torch.ones(3))
    chip = from_analog_tile(tile)
    assert float(chip.full_pulses) > 0
    assert float(chip.half_pulses) > 0
    assert float(chip.config.half_select.kappa) == 10.0


def test_what_is_no_single_chip_is_refused():
    with pytest.raises(ConfigError, match="layer.analog_module"):
        from_analog_tile(AnalogLinear(4, 3, rpu_config=RPUConfigWithProgram()))
    tiles = jax.vmap(lambda key: jt.init(jt.TileConfig(), (3, 4), key=key))(jr.split(jr.key(0)))
    with pytest.raises(ValueError, match="batch of tiles"):
        to_analog_tile(tiles)


def test_double_precision():
    """Where JAX defaults to double precision, chips come over in it."""
    theirs = analog_tile(3, 4)
    with jax.enable_x64():
        chip = from_analog_tile(theirs)
        assert chip.weight.dtype == chip.cells.w_max.dtype == np.float64
        jt.update(chip, np.ones(4), np.ones(3), learning_rate=0.01, key=jr.key(0))
        tile = RealisticTile(3, 4, RPUConfigWithProgram())
        tile.tile.update(torch.ones(4), torch.ones(3))
        tile.set_weights(torch.zeros(3, 4))
        assert tile.tile.jax_tile.weight.dtype == np.float64


def test_half_selection_needs_a_bridge_tile():
    half_select = jt.half_select.ConstantRatio(kappa=10.0)
    chip = jt.init(jt.TileConfig(half_select=half_select), (3, 4), key=jr.key(0))
    with pytest.raises(ConfigError, match="half_select"):
        to_analog_tile(chip)
    tile = to_analog_tile(chip, RPUConfigWithProgram(half_select=half_select))
    assert isinstance(tile, RealisticTile)
    same_leaves(from_analog_tile(tile), chip)


def test_mean_field_pulses_have_no_counterpart():
    chip = jt.init(jt.TileConfig(pulse=jt.pulse.MeanField()), (3, 4), key=jr.key(0))
    with pytest.raises(ConfigError, match="pulse"):
        to_analog_tile(chip)


def test_devices_that_jaxtile_does_not_have_are_refused():
    tile = RealisticTile(3, 4)
    hidden = tile.get_hidden_parameters()
    hidden["drift_nu"] += 0.1
    with pytest.raises(ConfigError, match="drift_nu"):
        tile.set_hidden_parameters(hidden)
    with pytest.raises(ConfigError, match="hidden parameters"):
        tile.tile.set_hidden_parameters(torch.zeros(3, 3, 4))


def test_pulse_type_none_has_ideal_devices():
    theirs = analog_tile(3, 4, pulse_type=PulseType.NONE)
    chip = from_analog_tile(theirs)
    assert isinstance(chip.device, jt.device.Ideal)
    np.testing.assert_array_equal(chip.weight, weights_of(theirs))
