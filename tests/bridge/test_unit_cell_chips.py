"""Unit cells and write noise in aihwkit and in jaxtile: the same chips, the same pulses, the same laws."""

import copy

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.exceptions import ConfigError
from aihwkit.simulator.configs import UnitCellRPUConfig
from aihwkit.simulator.configs.compounds import OneSidedUnitCell, ReferenceUnitCell, VectorUnitCell
from aihwkit.simulator.configs.devices import ConstantStepDevice, ExpStepDevice, LinearStepDevice, SoftBoundsDevice
from aihwkit.simulator.parameters.enums import PulseType, VectorUnitCellUpdatePolicy
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.parameters.training import UpdateParameters
from aihwkit.simulator.presets.compounds import PCMPresetUnitCell
from aihwkit.simulator.tiles.analog import AnalogTile
from chips import analog_tile, update, weights_of
from helpers import mostly_slow
from scipy.stats import ks_2samp

import jaxtile as jt
from bridge import RealisticTile, RPUConfigWithProgram, from_analog_tile, tile_config, to_analog_tile

KEY = jr.key(0)
QUIET = {"dw_min": 0.005, "dw_min_std": 0.0}
STEP, SOFT, EXP = ConstantStepDevice(**QUIET), SoftBoundsDevice(**QUIET), ExpStepDevice(**QUIET)
POLICY = VectorUnitCellUpdatePolicy
CELLS = {
    "all": lambda: VectorUnitCell([STEP, SOFT, EXP], gamma_vec=[0.5, 0.25, 0.25]),
    "fixed": lambda: VectorUnitCell([STEP, SOFT], update_policy=POLICY.SINGLE_FIXED, first_update_idx=1),
    "in turn": lambda: VectorUnitCell([STEP, SOFT, STEP], update_policy=POLICY.SINGLE_SEQUENTIAL, first_update_idx=1),
    "reference": lambda: ReferenceUnitCell([SOFT, STEP]),
    "one-sided": lambda: OneSidedUnitCell([SOFT]),
}


def tile_of(cell, out=4, width=6, pulse_type=PulseType.DETERMINISTIC_IMPLICIT, **numbers):
    config = UnitCellRPUConfig(device=cell, update=UpdateParameters(pulse_type=pulse_type, **numbers))
    tile = AnalogTile(out, width, config, bias=False)
    tile.tile.set_weights(torch.from_numpy(np.random.default_rng(0).uniform(-0.2, 0.2, (out, width)).astype(np.float32)))
    return tile


def vectors(number, out=4, width=6):
    rng = np.random.default_rng(1)
    return rng.normal(size=(number, width)).astype(np.float32), rng.normal(size=(number, out)).astype(np.float32)


@pytest.mark.parametrize("name", mostly_slow(CELLS, "in turn"))
def test_without_chance_unit_cells_agree(name):
    """A hundred vectors in batches of five, and every device of every cell."""
    theirs = tile_of(CELLS[name]())
    ours = from_analog_tile(theirs)
    theirs.tile.set_learning_rate(0.1)
    for x, d in zip(*(v.reshape(20, 5, -1) for v in vectors(100)), strict=True):
        theirs.tile.update(torch.from_numpy(x), torch.from_numpy(d), False)
        ours = update(ours, jnp.asarray(x), jnp.asarray(d), 0.1, KEY)
    np.testing.assert_allclose(ours.weight, weights_of(theirs), atol=2e-5, rtol=0)
    back = from_analog_tile(theirs)
    for one, other in zip(ours.state.devices, back.state.devices, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5, rtol=0)
    assert same_turn(ours.state.turn, back.state.turn)


def same_turn(a, b):
    return a is b is None or int(a) == int(b)


@pytest.mark.parametrize("name", mostly_slow(CELLS, "reference"))
def test_unit_cells_go_over_and_back(name):
    chip = from_analog_tile(tile_of(CELLS[name]()))
    again = from_analog_tile(to_analog_tile(chip))
    assert jax.tree.structure(again) == jax.tree.structure(chip)
    jax.tree.map(np.testing.assert_array_equal, again, chip)


def test_a_connection_that_was_changed_goes_over():
    theirs = tile_of(CELLS["reference"]())
    theirs.set_hidden_update_index(1)
    theirs.tile.set_weights(torch.full((4, 6), 0.05))
    chip = from_analog_tile(theirs)
    assert chip.device.update_policy.index == 1
    held = np.minimum(0.05, chip.cells.devices[1].w_max)  # a rare device holds less
    np.testing.assert_allclose(chip.state.devices[1], held, atol=1e-7)


def test_the_law_of_a_refresh():
    """With stochastic pulses, where aihwkit writes what it means to: which pairs are reset, and what they read afterwards."""
    nominal = {"dw_min_dtod": 0.0, "up_down_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0, "reset_std": 0.0, "w_max": 1.0}
    device = ConstantStepDevice(dw_min=0.01, dw_min_std=0.3, **nominal)
    cell = OneSidedUnitCell(
        [device], refresh_every=1, refresh_forward=IOParameters(is_perfect=True), refresh_update=UpdateParameters(desired_bl=60)
    )
    shape, rng = (32, 32), np.random.default_rng(3)
    minus, plus = rng.uniform(0.0, 0.7, shape).astype(np.float32), rng.uniform(0.3, 1.0, shape).astype(np.float32)
    theirs = tile_of(cell, *shape)
    hidden = theirs.get_hidden_parameters()
    hidden["hidden_weights_0"], hidden["hidden_weights_1"] = torch.from_numpy(minus), torch.from_numpy(plus)
    theirs.set_hidden_parameters(hidden)
    ours = from_analog_tile(theirs)
    x, d = np.zeros((1, 32), np.float32), np.zeros((1, 32), np.float32)
    theirs.tile.set_learning_rate(0.1)
    theirs.tile.update(torch.from_numpy(x), torch.from_numpy(d), False)
    after = update(ours, jnp.asarray(x), jnp.asarray(d), 0.1, KEY)
    full = (np.maximum(minus, plus) > 0.75) & (np.minimum(minus, plus) > 0.25)
    assert 100 < full.sum() < 900
    for tile in (np.asarray(after.weight), weights_of(theirs)):
        np.testing.assert_allclose(tile[~full], (plus - minus)[~full], atol=1e-6)
    errors = [(tile - (plus - minus))[full] for tile in (np.asarray(after.weight), weights_of(theirs))]
    for error in errors:
        assert abs(error.mean()) < 5 * error.std() / np.sqrt(error.size)
    assert ks_2samp(*errors).pvalue > 1e-3


@pytest.mark.slow
def test_a_refresh_with_deterministic_pulses_is_lost_in_aihwkit_only():
    nominal = {"dw_min_dtod": 0.0, "up_down_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0, "reset_std": 0.0, "w_max": 1.0}
    implicit = UpdateParameters(pulse_type=PulseType.DETERMINISTIC_IMPLICIT, desired_bl=60)
    device = ConstantStepDevice(**(QUIET | {"dw_min": 0.01} | nominal))
    cell = OneSidedUnitCell([device], refresh_every=1, refresh_forward=IOParameters(is_perfect=True), refresh_update=implicit)
    theirs = tile_of(cell)
    hidden = theirs.get_hidden_parameters()
    hidden["hidden_weights_0"][:], hidden["hidden_weights_1"][:] = 0.6, 0.9
    theirs.set_hidden_parameters(hidden)
    ours = update(from_analog_tile(theirs), jnp.zeros(6), jnp.zeros(4), 0.1, KEY)
    theirs.tile.set_learning_rate(0.1)
    theirs.tile.update(torch.zeros(6), torch.zeros(4), False)
    np.testing.assert_allclose(weights_of(theirs), -0.3, atol=1e-6)  # down, and so from zero to the other side
    np.testing.assert_allclose(ours.weight, 0.3, atol=1e-5)


WRITTEN = {
    "linear": LinearStepDevice(gamma_up=0.4, gamma_down=0.2, write_noise_std=2.0, **QUIET),
    "soft bounds": SoftBoundsDevice(write_noise_std=2.0, **QUIET),
    "exp": ExpStepDevice(write_noise_std=2.0, **QUIET),
}


@pytest.mark.parametrize("name", mostly_slow(WRITTEN, "linear"))
def test_write_noise_agrees(name):
    """The persistent weights exactly; the noise in law, and only where a pulse was."""
    theirs = analog_tile(32, 32, WRITTEN[name], pulse_type=PulseType.DETERMINISTIC_IMPLICIT)
    theirs.tile.set_weights(torch.zeros(32, 32))
    ours = from_analog_tile(theirs)
    np.testing.assert_allclose(ours.weight, weights_of(theirs), atol=1e-7)
    x, d = vectors(5, 32, 32)
    d[:, 16:] = 0
    before = weights_of(theirs)
    theirs.tile.set_learning_rate(0.1)
    theirs.tile.update(torch.from_numpy(x), torch.from_numpy(d), False)
    after = update(ours, jnp.asarray(x), jnp.asarray(d), 0.1, KEY)
    assert np.array_equal(weights_of(theirs)[16:], before[16:])
    assert np.array_equal(after.weight[16:], ours.weight[16:])
    back = from_analog_tile(theirs)
    np.testing.assert_allclose(after.state.persistent, back.state.persistent, atol=1e-5, rtol=0)
    assert ks_2samp(*(np.ravel(state.noise[:16]) for state in (after.state, back.state))).pvalue > 1e-3
    back = from_analog_tile(to_analog_tile(after))
    np.testing.assert_array_equal(back.state.persistent, after.state.persistent)


def test_without_pulses_aihwkit_loses_the_update():
    """Of unit cells and of devices with write noise; here it goes to the devices."""
    x, d = torch.ones(6), -torch.ones(4)
    for device in (CELLS["all"](), WRITTEN["soft bounds"]):
        theirs = tile_of(device, pulse_type=PulseType.NONE_WITH_DEVICE)
        theirs.tile.set_weights(torch.zeros(4, 6))
        ours = from_analog_tile(theirs)
        before = persistent(ours)
        theirs.tile.set_learning_rate(0.01)
        theirs.tile.update(x, d, False)
        np.testing.assert_allclose(persistent(from_analog_tile(theirs)), before, atol=1e-7)
        moved = persistent(update(ours, jnp.asarray(x.numpy()), jnp.asarray(d.numpy()), 0.01, KEY))
        np.testing.assert_allclose(moved - before, 0.01, atol=1e-6)


def persistent(tile):
    return np.asarray(getattr(tile.state, "persistent", tile.weight))


@pytest.mark.parametrize(
    "device",
    [pytest.param(CELLS["in turn"], marks=pytest.mark.slow), lambda: WRITTEN["soft bounds"]],
    ids=["in turn", "write noise"],
)
def test_a_bridge_tile_saves_its_hidden_state(device):
    tile = RealisticTile(4, 6, RPUConfigWithProgram(device=device()))
    tile.tile.update(torch.rand(3, 6), torch.rand(3, 4))
    other = copy.deepcopy(tile)
    one, two = tile.tile.jax_tile, other.tile.jax_tile
    jax.tree.map(np.testing.assert_array_equal, (one.cells, one.state), (two.cells, two.state))
    for t in (tile, other):
        t.tile.decay_weights()
        t.tile.update(torch.ones(6), torch.ones(4))
    assert torch.equal(tile.tile.get_weights(), other.tile.get_weights())


def test_configurations_of_unit_cells():
    cell = tile_config(UnitCellRPUConfig(device=PCMPresetUnitCell())).device
    assert isinstance(cell, jt.device.OneSided)
    assert (cell.refresh.every, cell.refresh.units_in_mbatch) == (1, True)
    assert tile_config(UnitCellRPUConfig(device=OneSidedUnitCell([STEP]))).device.refresh is None
    single = tile_config(UnitCellRPUConfig(device=ReferenceUnitCell([STEP]))).device
    assert len(single.devices) == 2


@pytest.mark.parametrize(
    ("device", "named"),
    [
        (OneSidedUnitCell([STEP], copy_inverted=True), r"device\.copy_inverted=True"),
        (OneSidedUnitCell([STEP, SOFT]), "unit_cell_devices"),
        (VectorUnitCell([VectorUnitCell([STEP])]), "not one pulsed device"),
    ],
    ids=["inverted", "two kinds", "nested"],
)
def test_unit_cells_that_jaxtile_does_not_have_are_refused(device, named):
    with pytest.raises((ConfigError, TypeError, ValueError), match=named):
        tile_config(UnitCellRPUConfig(device=device))


def test_what_aihwkit_cannot_hold_is_refused():
    config = jt.TileConfig(device=jt.device.VectorCell((jt.device.WriteNoise(jt.device.SoftBounds(), write_noise_std=1.0),) * 2))
    with pytest.raises(ConfigError, match="persistent"):
        to_analog_tile(jt.init(config, (3, 4), key=KEY))
    config = jt.TileConfig(device=jt.device.WriteNoise(jt.device.ConstantStep(), write_noise_std=1.0))
    with pytest.raises(ConfigError, match="ConstantStepDevice has no write noise"):
        to_analog_tile(jt.init(config, (3, 4), key=KEY))
