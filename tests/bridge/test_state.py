"""A tile that is saved, pickled, copied or moved is the same chip and goes on with the same random numbers, bit by bit."""

import copy
import io
import pickle

import equinox as eqx
import jax
import numpy as np
import pytest
import torch
from aihwkit.exceptions import TileError
from aihwkit.inference.calibration import InputRangeCalibrationType, calibrate_input_ranges
from aihwkit.nn import AnalogLinear, AnalogSequential
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.parameters.enums import WeightModifierType
from aihwkit.simulator.parameters.inference import WeightModifierParameter
from aihwkit.simulator.parameters.io import IOParameters

import jaxtile as jt
from bridge import RPUConfigWithProgram, program_weights_svd, to_analog_tile

X, Y = torch.linspace(0, 1, 24).reshape(6, 4), torch.linspace(1, 0, 12).reshape(6, 2)


def layer_of(**fields):
    modifier = WeightModifierParameter(type=WeightModifierType.ADD_NORMAL, std_dev=0.1)
    half_select = jt.half_select.ConstantRatio(kappa=20.0)
    return AnalogLinear(4, 2, rpu_config=RPUConfigWithProgram(half_select=half_select, modifier=modifier, **fields))


def train(layer, steps):
    optimizer = AnalogSGD(layer.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.mean((layer(X) - Y) ** 2)
        loss.backward()
        optimizer.step()
    return loss.item()


def everything(layer):
    tile = layer.analog_module.tile
    extra = {name: torch.as_tensor(value.astype("float64")) for name, value in tile.dump_extra().items()}
    return [tile.get_weights(), tile.get_hidden_parameters(), layer.analog_module.bias.detach(), *extra.values()]


def through_state_dict(layer):
    other = layer_of()
    other.load_state_dict(layer.state_dict())
    return other


def through_file(layer):
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def through_file_of_state(layer):
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = layer_of()
    other.load_state_dict(torch.load(file, weights_only=False))
    return other


def recreated(layer):
    layer.analog_module.replace_with(layer.analog_module.rpu_config)
    return layer


WAYS = {
    "state_dict": through_state_dict,
    "state_dict in a file": through_file_of_state,
    "pickle": lambda layer: pickle.loads(pickle.dumps(layer)),
    "deepcopy": copy.deepcopy,
    "torch.save": through_file,
    "moved": lambda layer: layer.to(torch.device("cpu")),
    "replace_with": recreated,
}


@pytest.mark.parametrize("way", WAYS)
def test_the_continued_run_equals_the_unbroken_one(way):
    layer = layer_of()
    train(layer, 3)
    other = WAYS[way](layer)
    if other is layer:
        layer = copy.deepcopy(other)
    loss = train(layer, 3)
    assert train(other, 3) == loss
    for a, b in zip(everything(layer), everything(other), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("half_select", [
    jt.half_select.Threshold(voltage=2.0, scheme="V/3"),
    jt.half_select.Accumulation(dead_band=2.0),
])  # fmt: skip
def test_what_tells_half_selected_cells_apart_goes_with_the_state(half_select):
    """Margins that were drawn, and counters."""

    def layer():
        return AnalogLinear(4, 2, rpu_config=RPUConfigWithProgram(half_select=half_select))

    trained, other = layer(), layer()
    train(trained, 2)
    other.load_state_dict(trained.state_dict())
    one, two = (one.analog_module.tile.jax_tile for one in (trained, other))
    assert eqx.tree_equal(
        (one.chip.half_cells, one.now.half_memory, one.tally), (two.chip.half_cells, two.now.half_memory, two.tally)
    )
    assert any(np.any(np.asarray(leaf) != 0) for leaf in jax.tree.leaves((one.chip.half_cells, one.now.half_memory)))
    moved = to_analog_tile(one, RPUConfigWithProgram(half_select=half_select)).tile.jax_tile
    assert eqx.tree_equal((one.chip.half_cells, one.now.half_memory), (moved.chip.half_cells, moved.now.half_memory))
    assert train(trained, 1) == train(other, 1)


def test_a_copy_is_independent():
    layer = layer_of()
    other = copy.deepcopy(layer)
    before = other.analog_module.tile.get_weights()
    train(layer, 2)
    assert torch.equal(other.analog_module.tile.get_weights(), before)
    assert not torch.equal(layer.analog_module.tile.get_weights(), before)


def test_loading_does_not_disturb_torchs_random_numbers():
    layer = layer_of()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    copy.deepcopy(layer)
    assert torch.equal(torch.rand(4), expected)


def test_a_state_of_another_kind_of_tile_is_ignored():
    tile = layer_of().analog_module.tile
    before = tile.dump_extra()
    tile.load_extra({"rpu.learning_rate": [0.1]})
    assert all((before[name] == value).all() for name, value in tile.dump_extra().items())


def test_a_part_of_a_state_is_taken_up():
    tile, other = layer_of().analog_module.tile, layer_of().analog_module.tile
    state = tile.dump_extra()
    del state["bridge.tally.full"]
    other.load_extra(state)
    assert all((other.dump_extra()[name] == value).all() for name, value in state.items())
    with pytest.raises(RuntimeError, match="bridge.tally.full"):
        other.load_extra(state, strict=True)
    with pytest.raises(TileError, match=r"\(3, 3\)"):
        other.load_extra({"bridge.modified_weight": np.zeros((3, 3))})


def test_an_attached_method_is_copied_but_not_pickled():
    tile = layer_of().analog_module
    tile.program_weights = program_weights_svd.__get__(tile)
    other = copy.deepcopy(tile)
    assert other.program_weights.__self__ is other
    with pytest.raises(AttributeError, match="program_weights_svd"):
        pickle.loads(pickle.dumps(tile))


def test_input_ranges_are_calibrated():
    """aihwkit builds each tile anew for it."""
    layers = AnalogSequential(layer_of())
    before = everything(layers[0])
    batches = [torch.randn(5, 4) for _ in range(3)]
    calibrate_input_ranges(layers, InputRangeCalibrationType.MAX, iter([((x,), {}) for x in batches]))
    assert float(layers[0].analog_module.input_range) == float(torch.cat(batches).abs().max())
    for old, new in zip(before[:3], everything(layers[0])[:3], strict=True):
        torch.testing.assert_close(new, old, rtol=0, atol=0)


def test_the_configuration_can_be_pickled():
    config = RPUConfigWithProgram(half_select=jt.half_select.ConstantRatio(kappa=20.0))
    again = pickle.loads(pickle.dumps(config))
    assert again.program_weights is config.program_weights
    assert float(again.half_select.kappa) == 20.0
    assert "half_select" in str(config)


def reading(half_select=None, **forward):
    return AnalogLinear(4, 3, False, rpu_config=RPUConfigWithProgram(forward=IOParameters(**forward), half_select=half_select))


def chip_of(layer):
    return layer.analog_module.tile.jax_tile.chip


def test_numbers_of_another_stage_are_not_taken():
    source, other = reading(out_noise_std=0.3), reading(v_offset_std=0.02)
    drawn = np.asarray(chip_of(other).forward.v_offset)
    other.load_state_dict(source.state_dict(), load_rpu_config=False)
    assert np.asarray(chip_of(other).forward.v_offset).shape == drawn.shape
    assert np.max(chip_of(other).forward.v_offset) < 0.1, "five of its own sigma"


def test_drawn_numbers_go_along_where_both_draw_alike():
    source, alike, wider = reading(v_offset_std=0.02), reading(v_offset_std=0.02, out_noise=0.1), reading(v_offset_std=0.05)
    own = np.asarray(chip_of(wider).forward.v_offset)
    for other in (alike, wider):
        other.load_state_dict(source.state_dict(), load_rpu_config=False)
    assert np.array_equal(chip_of(alike).forward.v_offset, chip_of(source).forward.v_offset)
    assert chip_of(wider).forward.v_offset.shape == own.shape
    shown = np.asarray(chip_of(wider).forward.v_offset)
    assert not np.array_equal(shown, chip_of(source).forward.v_offset) or not np.any(shown), "drawn by its own spread"


def test_replace_with_builds_other_half_selection():
    layer = reading(jt.half_select.Threshold(threshold=1.0))
    thresholds = chip_of(layer).half_cells

    def replaced(half_select):
        layer.analog_module.replace_with(RPUConfigWithProgram(half_select=half_select))
        return chip_of(layer).half_cells

    assert np.array_equal(replaced(jt.half_select.Threshold(threshold=1.0, voltage=2.0)), thresholds)
    np.testing.assert_allclose(replaced(jt.half_select.Threshold(threshold=0.3, threshold_dtod=0.0)), 0.3)
    assert np.all(np.abs(np.log(replaced(jt.half_select.ConstantRatio(kappa_dtod=0.01)))) < 0.06), "factors, not volts"
    np.testing.assert_allclose(replaced(jt.half_select.ConstantRatio(kappa_dtod=0.0)), 1)
    replaced(jt.half_select.Accumulation(dead_band=2.0))
    np.testing.assert_allclose(replaced(jt.half_select.Threshold(threshold=1.0, threshold_dtod=0.0)), 1)
    assert replaced(None) is None


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"bridge.channels.0": np.zeros(3), "bridge.half_select.0": np.zeros(3)}, r"channels\.0, bridge\.half_select\.0: an early"),
        ({"bridge.version": np.array([3])}, "bridge.version=3: a later jaxtile"),
        ({"bridge.forward.v_offset": np.zeros(5)}, r"bridge.forward.v_offset has shape \(5,\); this tile's has \(3,\)"),
    ],
)
def test_a_refused_state_leaves_the_layer_as_it_was(entries, said):
    layer = reading(v_offset_std=0.02)
    tile, state = layer.analog_module.tile, layer.state_dict()  # made anew by each call
    (saved,) = (value for name, value in state.items() if name.endswith("analog_tile_state"))
    if "bridge.version" not in entries and "bridge.forward.v_offset" not in entries:
        saved["state_extra"].clear()
    saved["state_extra"] |= entries
    with pytest.raises(TileError, match=said):
        layer.load_state_dict(state)
    assert layer.analog_module.tile is tile
    assert layer(torch.rand(2, 4)).shape == (2, 3)
