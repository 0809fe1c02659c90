"""A device that aihwkit does not know, in aihwkit's layers."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from aihwkit.exceptions import ConfigError
from aihwkit.nn import AnalogLinear
from aihwkit.optim import AnalogSGD
from filaments import Filaments

import jaxtile as jt
from bridge import OwnDevice, RealisticTile, RPUConfigWithProgram, from_analog_tile, program_weights_svd, to_analog_tile


class SpreadCells(jt.device.Cells):
    """With a number of its own for each device."""

    width: jax.Array


class SpreadStep(jt.device.AbstractPulsedDevice):
    """Steps that fall off as a Gaussian of the weight."""

    width: jax.Array = jt.device.number(0.5, low=0.0, open=True)

    def fabricate(self, shape, *, key):
        width = self.width * jnp.exp(0.2 * jt.device.spread(shape, key, "width"))
        return SpreadCells(**vars(super().fabricate(shape, key=key)), width=width)

    def step(self, cells, weight, *, up):
        size = (cells.step_up if up else cells.step_down) * jnp.exp(-((weight / cells.width) ** 2))
        return size, self.dw_min_std * size


def configuration(**numbers):
    device = OwnDevice(SpreadStep(dw_min=0.005, **numbers), construction_seed=3)
    return RPUConfigWithProgram(
        device=device, half_select=jt.half_select.ConstantRatio(kappa=100.0), program_weights=program_weights_svd
    )


def test_a_layer_trains_as_the_tile_does():
    layer = AnalogLinear(5, 3, bias=False, rpu_config=configuration())
    optimizer = AnalogSGD(layer.parameters(), lr=0.1)
    tile = next(layer.analog_tiles()).tile
    x, before = torch.rand(4, 5), tile.jax_tile
    layer(x).sum().backward()
    optimizer.step()
    assert isinstance(tile.jax_tile.device, SpreadStep)
    assert float(tile.jax_tile.full_pulses) > 0 < float(tile.jax_tile.half_pulses)
    assert not np.array_equal(tile.jax_tile.weight, before.weight)


def test_a_copied_layer_goes_on_with_the_same_devices_and_bits():
    tile = RealisticTile(4, 6, configuration())
    tile.set_weights(0.1 * torch.randn(4, 6))
    twin, saved = copy.deepcopy(tile), pickle.loads(pickle.dumps(tile))
    x, d = torch.randn(2, 6), torch.randn(2, 4)
    for each in (tile, twin, saved):
        each.tile.update(x, d, False, False, False, False)
    for other in (twin, saved):
        assert np.array_equal(other.tile.jax_tile.cells.width, tile.tile.jax_tile.cells.width)
        assert torch.equal(other.tile.get_weights(), tile.tile.get_weights())
    assert "width" in tile.tile.get_hidden_parameter_names()


@pytest.mark.slow
def test_it_is_programmed_and_goes_over():
    key = jax.random.key(0)
    target = jt.targets.low_rank((6, 8), rank=1, spectral_norm=0.8, key=key)
    chip = jt.init(jt.TileConfig(device=SpreadStep(dw_min=0.002)), (6, 8), key=key)
    tile = to_analog_tile(chip, RPUConfigWithProgram(device=OwnDevice(chip.device), program_weights=program_weights_svd))
    back = from_analog_tile(tile)
    assert jax.tree.all(jax.tree.map(np.array_equal, back.cells, chip.cells))
    tile.set_weights(torch.tensor(np.asarray(target)))
    done = tile.program_weights(max_iter=50)
    assert done.read_error[-1] < 0.05


def test_it_decays_if_the_device_does():
    assert not OwnDevice(SpreadStep()).requires_decay()
    assert OwnDevice(jt.device.VectorCell(devices=(SpreadStep(), SpreadStep(lifetime=10.0)))).requires_decay()
    assert OwnDevice(jt.device.Drifting(SpreadStep(diffusion=0.01), nu=0.1)).requires_diffusion()


def test_what_cannot_be():
    with pytest.raises(TypeError, match="device='soft' is not a device of jaxtile"):
        OwnDevice("soft")
    with pytest.raises(ConfigError, match=r"pass bridge.OwnDevice"):
        RealisticTile(4, 6, RPUConfigWithProgram(device=SpreadStep()))
    chip = jt.init(jt.TileConfig(device=SpreadStep()), (4, 6), key=jax.random.key(0))
    with pytest.raises(ConfigError, match=r"no counterpart in aihwkit: pass rpu_config=.*OwnDevice"):
        to_analog_tile(chip)


@pytest.mark.parametrize(
    "device",
    [pytest.param(Filaments(), marks=pytest.mark.slow), jt.device.VectorCell(devices=(Filaments(), SpreadStep()))],
    ids=["one", "in a cell"],
)
def test_cells_and_states_of_several_numbers_go_along(device):
    tiles = [RealisticTile(4, 6, RPUConfigWithProgram(device=OwnDevice(device, construction_seed=seed))) for seed in (1, 2)]
    first, second = tiles
    first.tile.update(torch.randn(2, 6), torch.randn(2, 4), False, False, False, False)
    assert any(name.startswith("share[2]") for name in first.tile.get_hidden_parameter_names())
    state = {}
    first.state_dict(destination=state)
    second.load_state_dict(state)
    ours, theirs = ((tile.tile.jax_tile.cells, tile.tile.jax_tile.state) for tile in tiles)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), ours, theirs)
