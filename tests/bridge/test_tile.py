"""The protocol of a simulator tile."""

import numpy as np
import pytest
import torch
from aihwkit.exceptions import AnalogBiasConfigError, ConfigError, TileError
from aihwkit.simulator.configs.devices import IdealDevice
from aihwkit.simulator.parameters.enums import PulseType, WeightModifierType
from aihwkit.simulator.parameters.inference import WeightModifierParameter
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.parameters.mapping import MappingParameter
from aihwkit.simulator.parameters.training import UpdateParameters

import jaxtile as jt
from bridge import HalfSelectedSimulatorTile, RealisticTile, RPUConfigWithProgram

OUT, WIDTH = 3, 4


def make(**fields) -> HalfSelectedSimulatorTile:
    return HalfSelectedSimulatorTile(x_size=WIDTH, d_size=OUT, rpu_config=RPUConfigWithProgram(**fields))


def ideal() -> HalfSelectedSimulatorTile:
    perfect = IOParameters(is_perfect=True)
    tile = make(device=IdealDevice(), forward=perfect, backward=perfect)
    tile.set_weights(torch.rand(OUT, WIDTH))
    return tile


@pytest.mark.parametrize("shape", [(), (5,), (2, 5), (1, 2, 5)])
def test_any_leading_dimensions(shape):
    tile = ideal()
    w, x, d = tile.get_weights(), torch.rand(*shape, WIDTH), torch.rand(*shape, OUT)
    torch.testing.assert_close(tile.forward(x, False, False, False, True, False), x @ w.T)
    torch.testing.assert_close(tile.backward(d, False, False, False, False), d @ w)
    tile.set_learning_rate(0.5)
    tile.update(x, d, False, False, False, False)
    torch.testing.assert_close(tile.get_weights(), w - 0.5 * d.reshape(-1, OUT).T @ x.reshape(-1, WIDTH))


def test_inputs_that_are_not_contiguous():
    tile = ideal()
    x, d = torch.rand(WIDTH, 6).T, torch.rand(6, 2 * OUT)[:, ::2]
    w = tile.get_weights()
    torch.testing.assert_close(tile.forward(x), x @ w.T)
    torch.testing.assert_close(tile.backward(d), d @ w)
    tile.update(x, d)
    torch.testing.assert_close(tile.get_weights(), w - 0.1 * d.T @ x)
    tile.set_weights(torch.rand(WIDTH, OUT).T)


def test_type_and_gradient_of_the_input():
    tile = ideal()
    x = torch.rand(2, WIDTH, dtype=torch.float64, requires_grad=True)
    y = tile.forward(x)
    assert y.dtype == torch.float64
    assert not y.requires_grad
    assert tile.forward(torch.rand(0, WIDTH)).shape == (0, OUT)
    before = tile.get_weights()
    tile.update(torch.rand(0, WIDTH), torch.rand(0, OUT))
    assert torch.equal(tile.get_weights(), before)


def test_outputs_are_fresh_and_reads_are_copies():
    tile = ideal()
    w = torch.rand(OUT, WIDTH)
    tile.set_weights(w)
    w.zero_()
    before = tile.get_weights().clone()
    assert before.abs().sum() > 0
    tile.get_weights().zero_()
    tile.get_weights(as_ref=True).zero_()
    x = torch.rand(2, WIDTH)
    kept = x.clone()
    tile.forward(x).zero_()
    tile.update(x, torch.zeros(2, OUT))
    tile.get_hidden_parameters().zero_()
    assert torch.equal(tile.get_weights(), before)
    assert torch.equal(x, kept)


def test_update_is_half_selected():
    """It is jaxtile's update: half-selected cells move."""
    spared, disturbed = make(), make(half_select=jt.half_select.ConstantRatio(kappa=3.0))
    for tile in (spared, disturbed):
        tile.set_learning_rate(0.1)
        tile.update(torch.eye(WIDTH)[:1], torch.ones(1, OUT))
    assert torch.count_nonzero(spared.get_weights()[:, 1:]) == 0
    assert torch.count_nonzero(disturbed.get_weights()) == OUT * WIDTH
    assert float(disturbed.jax_tile.half_pulses) > 0


def test_a_fresh_tile_is_at_zero():
    assert torch.count_nonzero(make().get_weights()) == 0


def test_weights_that_are_not_numbers_are_taken():
    """Mapped convolutions of aihwkit write memory that is not initialised before they write weights."""
    tile = make()
    tile.set_weights(torch.full((OUT, WIDTH), torch.nan))
    tile.set_weights(torch.zeros(OUT, WIDTH))
    assert torch.all(tile.get_weights() == 0)


def test_vectors_that_are_not_numbers():
    tile = make()
    assert tile.forward(torch.full((WIDTH,), torch.nan)).isnan().all()
    with pytest.raises(ValueError, match="d holds 1 of 3 entries"):
        tile.update(torch.ones(WIDTH), torch.tensor([1.0, torch.inf, 1.0]))


def test_hidden_parameters_do_not_change_the_planned_step():
    tile = make()
    tile.set_hidden_parameters(tile.get_hidden_parameters() * torch.tensor([1, 1, 3, 3, 1, 1, 1, 1])[:, None, None])
    assert float(tile.jax_tile.device.granularity()) == pytest.approx(0.001)


def test_every_call_draws_anew_and_a_seed_makes_it_again():
    def run():
        torch.manual_seed(7)
        tile = make()
        x = torch.ones(WIDTH)
        reads = torch.stack([tile.forward(x), tile.forward(x), tile.forward(x)])
        tile.update(x, torch.ones(OUT))
        return reads, tile.get_weights(), tile.get_hidden_parameters()

    first, again = run(), run()
    assert len({tuple(read.tolist()) for read in first[0]}) == 3
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a, b)


def test_construction_seed_makes_the_chip_and_nothing_else():
    config = RPUConfigWithProgram()
    config.device.construction_seed = 5
    a, b = (HalfSelectedSimulatorTile(WIDTH, OUT, config) for _ in range(2))
    assert torch.equal(a.get_hidden_parameters(), b.get_hidden_parameters())
    assert not torch.equal(a.forward(torch.ones(WIDTH)), b.forward(torch.ones(WIDTH)))


def test_uniform_random_weights():
    tile = HalfSelectedSimulatorTile(300, 200, RPUConfigWithProgram(device=IdealDevice()))
    tile.set_weights_uniform_random(-0.02, 0.03)
    w = tile.get_weights().double()
    assert w.min() >= -0.02
    assert w.max() <= 0.03
    error = 0.05 / np.sqrt(12 * w.numel())
    assert abs(w.mean() - 0.005) < 4 * error
    assert abs(w.var() - 0.05**2 / 12) < 4 * 0.05**2 * np.sqrt(1 / 180 / w.numel())
    tile.set_weights_uniform_random(0.0, -0.0)
    assert torch.count_nonzero(tile.get_weights()) == 0


def test_configuration_can_change_where_hardware_can():
    config = RPUConfigWithProgram(forward=IOParameters(is_perfect=True))
    tile = HalfSelectedSimulatorTile(WIDTH, OUT, config)
    chip = tile.get_hidden_parameters()
    w = torch.rand(OUT, WIDTH) * 0.1
    tile.set_weights(w)
    assert torch.equal(tile.forward(torch.eye(WIDTH)), tile.forward(torch.eye(WIDTH)))
    config.forward.is_perfect = False
    config.update.pulse_type = PulseType.MEAN_COUNT
    tile.set_config(config)
    assert not torch.equal(tile.forward(torch.eye(WIDTH)), tile.forward(torch.eye(WIDTH)))
    assert isinstance(tile.jax_tile.config.pulse, jt.pulse.MeanCount)
    assert torch.equal(tile.get_hidden_parameters(), chip)
    config.update.pulse_type = PulseType.NONE
    with pytest.raises(ConfigError, match="pulse_type"):
        tile.set_config(config)
    config.update.pulse_type = PulseType.MEAN_COUNT
    config.device.dw_min = 0.002
    with pytest.raises(ConfigError, match="device=ConstantStep.*replace_with"):
        tile.set_config(config)
    config.device.dw_min = 0.001
    config.half_select = jt.half_select.ConstantRatio(kappa=10.0)
    with pytest.raises(ConfigError, match="half_select=ConstantRatio"):
        tile.set_config(config)


def test_what_a_tile_says_of_itself():
    tile = make(update=UpdateParameters(desired_bl=9))
    assert (tile.get_x_size(), tile.get_d_size()) == (WIDTH, OUT)
    assert "ConstantStep" in tile.get_brief_info()
    assert tile.get_meta_parameters().update.desired_bl == 9
    tile.set_learning_rate(0.3)
    tile.set_learning_rate(None)
    assert tile.get_learning_rate() == 0.3
    assert tile.get_hidden_parameter_names()[:2] == ["max_bound", "min_bound"]


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda tile: tile.forward(torch.rand(2, WIDTH + 1)), ValueError, r"x has shape \(2, 5\); its last dimension must be 4"),
        (lambda tile: tile.backward(torch.rand(2, OUT + 1)), ValueError, "d has shape"),
        (lambda tile: tile.update(torch.rand(2, WIDTH), torch.rand(3, OUT)), ValueError, "x holds 2 vectors"),
        (lambda tile: tile.set_weights(torch.rand(WIDTH, OUT)), TileError, r"weights have shape \(4, 3\)"),
        (lambda tile: tile.set_learning_rate(-0.1), TileError, "learning_rate=-0.1"),
        (lambda tile: tile.forward(torch.rand(WIDTH), True), TileError, "bias"),
        (lambda tile: tile.update(torch.rand(WIDTH), torch.rand(OUT), False, True), TileError, "transposed"),
        (lambda tile: tile.set_hidden_parameters(torch.rand(3, OUT, WIDTH)), ConfigError, "hidden parameters have shape"),
        (lambda tile: tile.load_extra({}, strict=True), RuntimeError, "bridge.random_key"),
        (lambda tile: tile.modify_weights(WeightModifierParameter(per_batch_sample=True)), ConfigError, "per_batch_sample"),
        (
            lambda tile: tile.modify_weights(WeightModifierParameter(type=WeightModifierType.ADD_NORMAL, per_batch_sample=True)),
            ConfigError,
            "per_batch_sample=True",
        ),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_what_is_wrong_is_said(call, error, said):
    with pytest.raises(error, match=said):
        call(make())


def test_modules_refuse_what_the_tile_cannot():
    with pytest.raises(TileError, match="Transposed"):
        RealisticTile(OUT, WIDTH, in_trans=True)
    with pytest.raises(AnalogBiasConfigError, match="digital_bias"):
        RealisticTile(OUT, WIDTH, RPUConfigWithProgram(mapping=MappingParameter(digital_bias=False)), bias=True)
    with pytest.raises(AnalogBiasConfigError, match="digital_bias"):
        HalfSelectedSimulatorTile(WIDTH, OUT, RPUConfigWithProgram(), bias=True)
    tile = RealisticTile(OUT, WIDTH, RPUConfigWithProgram(program_weights=None))
    with pytest.raises(ConfigError, match="program_weights is None"):
        tile.program_weights()
    with pytest.raises(ConfigError, match="noise_model"):
        tile.program_weights(noise_model=object())
    with pytest.raises(ConfigError, match="since the last call"):
        tile.drift_weights(10.0)
