"""aihwkit's layers, converters and optimizer drive the bridge."""

import pytest
import torch
from aihwkit.nn import AnalogConv2d, AnalogLinear, AnalogLinearMapped, AnalogRNN
from aihwkit.nn.conversion import convert_to_analog, convert_to_digital
from aihwkit.nn.modules.rnn.cells import AnalogVanillaRNNCell
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs.devices import ConstantStepDevice, IdealDevice
from aihwkit.simulator.parameters.enums import WeightClipType
from aihwkit.simulator.parameters.inference import WeightClipParameter
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.parameters.mapping import MappingParameter
from aihwkit.simulator.parameters.pre_post import InputRangeParameter, PrePostProcessingParameter
from aihwkit.simulator.tiles.custom import CustomRPUConfig, CustomTile

import jaxtile as jt
from bridge import HalfSelectedSimulatorTile, RealisticTile, RPUConfigWithProgram


def train(model, x, y, steps, lr=0.1):
    optimizer = AnalogSGD(model.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.mean((model(x) - y) ** 2)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_the_default_configuration_trains():
    layer = AnalogLinear(4, 2, rpu_config=RPUConfigWithProgram())
    x = torch.randn(10, 4)
    losses = train(layer, x, x @ torch.rand(4, 2) * 0.2, 60)
    assert sum(losses[-10:]) < 0.1 * sum(losses[:10])


PERFECT = {"forward": IOParameters(is_perfect=True), "backward": IOParameters(is_perfect=True), "device": IdealDevice()}


@pytest.mark.parametrize(
    "around",
    [
        {},
        {"mapping": MappingParameter(weight_scaling_omega=0.6, weight_scaling_columnwise=True)},
        {"mapping": MappingParameter(weight_scaling_omega=0.6, weight_scaling_lr_compensation=True)},
        {"mapping": MappingParameter(max_input_size=3, max_output_size=1)},
    ],
    ids=["plain", "mapped to the range", "learning rate compensated", "split over tiles"],
)
def test_ideal_devices_train_as_torch_does(around):
    digital = torch.nn.Linear(4, 2)
    layer = AnalogLinear(4, 2, rpu_config=RPUConfigWithProgram(**PERFECT, **around))
    layer.set_weights(digital.weight.detach(), digital.bias.detach().clone())  # an array of tiles keeps the very tensor
    x, y = torch.randn(10, 4), torch.randn(10, 2)
    optimizer = torch.optim.SGD(digital.parameters(), lr=0.1)
    for loss in train(layer, x, y, 5):
        optimizer.zero_grad()
        expected = torch.mean((digital(x) - y) ** 2)
        assert loss == pytest.approx(expected.item(), rel=1e-5)
        expected.backward()
        optimizer.step()
    weight, bias = layer.get_weights()
    torch.testing.assert_close(weight, digital.weight.detach())
    torch.testing.assert_close(bias, digital.bias.detach())


def test_conversion_of_a_model():
    digital = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(8, 2))
    model = convert_to_analog(digital, RPUConfigWithProgram(**PERFECT))
    assert isinstance(model[0], AnalogConv2d)
    assert all(isinstance(tile, RealisticTile) for tile in model.analog_tiles())
    x = torch.randn(3, 1, 4, 4)
    torch.testing.assert_close(model(x), digital(x))
    losses = train(model, x, torch.zeros(3, 2), 5)
    assert losses[-1] < losses[0]
    torch.testing.assert_close(convert_to_digital(model)(x), model(x))


def test_recurrent_and_mapped_layers():
    config = RPUConfigWithProgram(**PERFECT)
    rnn = AnalogRNN(AnalogVanillaRNNCell, 2, 3, bias=True, rpu_config=config)
    x = torch.randn(4, 5, 2)
    optimizer = AnalogSGD(rnn.parameters(), lr=0.1)
    before = [tile.tile.get_weights() for tile in rnn.analog_tiles()]
    rnn(x)[0].pow(2).mean().backward()
    optimizer.step()
    assert not any(torch.equal(a, tile.tile.get_weights()) for a, tile in zip(before, rnn.analog_tiles(), strict=True))
    config.mapping.max_input_size = 3
    layer = AnalogLinearMapped(4, 2, rpu_config=config)
    assert len(list(layer.analog_tiles())) == 2
    losses = train(layer, torch.randn(10, 4), torch.zeros(10, 2), 5)
    assert losses[-1] < losses[0]


def test_half_selection_reaches_training():
    """With few, poorly selected cells the weights of idle lines move."""
    half_select = jt.half_select.ConstantRatio(kappa=3.0)
    config = RPUConfigWithProgram(
        half_select=half_select, device=ConstantStepDevice(dw_min_std=0.0), update=RPUConfigWithProgram().update
    )
    layer = AnalogLinear(4, 2, bias=False, rpu_config=config)
    before, _ = layer.get_weights()
    x = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    train(layer, x, torch.ones(1, 2), 1)
    after, _ = layer.get_weights()
    assert torch.all(before[:, 1:] != after[:, 1:])


def test_input_range_and_clip_are_honoured():
    config = RPUConfigWithProgram(
        **PERFECT,
        pre_post=PrePostProcessingParameter(input_range=InputRangeParameter(enable=True, init_from_data=0, init_value=0.5)),
        clip=WeightClipParameter(type=WeightClipType.FIXED_VALUE, fixed_value=0.1),
    )
    layer = AnalogLinear(4, 2, bias=False, rpu_config=config)
    layer.set_weights(torch.ones(2, 4))
    torch.testing.assert_close(layer(torch.ones(1, 4)), torch.full((1, 2), 2.0))
    train(layer, torch.ones(1, 4), torch.zeros(1, 2), 1)
    assert layer.get_weights()[0].abs().max() <= 0.1


def test_aihwkits_custom_tile_takes_the_simulator_tile_as_well():
    class Config(CustomRPUConfig):
        device = IdealDevice()
        half_select = None

    config = Config(simulator_tile_class=HalfSelectedSimulatorTile, update=RPUConfigWithProgram().update)
    config.forward.is_perfect = True
    tile = CustomTile(2, 4, config)
    tile.set_weights(torch.ones(2, 4))
    torch.testing.assert_close(tile(torch.ones(1, 4)), torch.full((1, 2), 4.0))


def test_a_default_module():
    tile = RealisticTile(2, 4)
    assert isinstance(tile.tile, HalfSelectedSimulatorTile)
    assert tile.rpu_config.clip.type == WeightClipType.NONE
    assert "RealisticTile" in repr(AnalogLinear(4, 2, rpu_config=RPUConfigWithProgram()))


def test_a_refused_batch_is_dropped_by_all_layers():
    model = torch.nn.Sequential(*(AnalogLinear(3, 3, False, rpu_config=RPUConfigWithProgram()) for _ in range(3)))
    good, bad = torch.ones(2, 3), torch.full((2, 3), torch.nan)
    for _ in range(2):
        with pytest.raises(ValueError, match="holds 2 of 2 entries|holds 6 of 6 entries"):
            train(model, bad, good, 1)
        assert not any(layer.analog_module.analog_ctx.has_gradient() for layer in model)
        train(model, good, good, 1)
    assert all(torch.isfinite(layer.get_weights()[0]).all() for layer in model)
