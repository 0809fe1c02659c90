"""Clip, remap and modify, against aihwkit's C++ inference tile where that is deterministic, and in moments."""

import numpy as np
import pytest
import torch
from aihwkit.simulator.configs import InferenceRPUConfig
from aihwkit.simulator.configs.devices import ConstantStepDevice, IdealDevice
from aihwkit.simulator.parameters.enums import WeightClipType, WeightModifierType, WeightRemapType
from aihwkit.simulator.parameters.inference import WeightClipParameter, WeightModifierParameter, WeightRemapParameter
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.parameters.mapping import MappingParameter
from aihwkit.simulator.tiles.inference import InferenceTile

from bridge import RealisticTile, RPUConfigWithProgram

OUT, WIDTH = 20, 30


def a_pair(weight, **fields):
    """The same weights in aihwkit's inference tile and in the bridge's, with ideal devices and perfect reads."""
    perfect = IOParameters(is_perfect=True)
    theirs = InferenceTile(*weight.shape, InferenceRPUConfig(forward=perfect, **fields), bias=False)
    ours = RealisticTile(*weight.shape, RPUConfigWithProgram(device=IdealDevice(), forward=perfect, backward=perfect, **fields))
    for tile in (theirs, ours):
        tile.tile.set_weights(weight)
    return theirs, ours


@pytest.mark.parametrize("fixed_value", [-1.0, 0.4])
@pytest.mark.parametrize("clip_type", WeightClipType)
def test_clip(clip_type, fixed_value):
    weight = torch.randn(OUT, WIDTH) * 0.5
    theirs, ours = a_pair(weight, clip=WeightClipParameter(type=clip_type, fixed_value=fixed_value, sigma=1.5))
    for tile in (theirs, ours):
        tile.post_update_step()
    torch.testing.assert_close(ours.tile.get_weights(), theirs.tile.get_weights())
    moves = clip_type != WeightClipType.NONE and (fixed_value > 0 or clip_type != WeightClipType.FIXED_VALUE)
    assert torch.equal(ours.tile.get_weights(), weight) != moves


@pytest.mark.parametrize(
    "numbers", [{}, {"remapped_wmax": 0.5}, {"max_scale_range": 1.5}, {"max_scale_range": 3.0, "max_scale_ref": 0.2}]
)
@pytest.mark.parametrize("remap_type", WeightRemapType)
def test_remap(remap_type, numbers):
    weight = torch.randn(OUT, WIDTH) * 0.5
    weight[2] = 0
    mapping = MappingParameter(weight_scaling_omega=1.0, weight_scaling_columnwise=True)
    theirs, ours = a_pair(weight, remap=WeightRemapParameter(type=remap_type, **numbers), mapping=mapping)
    for tile in (theirs, ours):
        tile.set_weights(weight * 3)
        tile.tile.set_weights(tile.tile.get_weights() * 0.7)
        tile.post_update_step()
    torch.testing.assert_close(ours.tile.get_weights(), theirs.tile.get_weights())
    torch.testing.assert_close(ours.get_scales(), theirs.get_scales())


def test_operations_respect_the_bounds_of_devices():
    tile = RealisticTile(OUT, WIDTH, RPUConfigWithProgram(device=ConstantStepDevice(), remap=remap_to_one()))
    tile.tile.set_weights(torch.randn(OUT, WIDTH) * 0.1)
    tile.post_update_step()
    hidden = tile.get_hidden_parameters()
    assert torch.all(tile.tile.get_weights() <= hidden["max_bound"])
    assert torch.all(tile.tile.get_weights() >= hidden["min_bound"])


def remap_to_one():
    return WeightRemapParameter(type=WeightRemapType.LAYERWISE_SYMMETRIC)


def seen(tile, *, training=True):
    """The weights that a read sees."""
    tile.train(training)
    return tile(torch.eye(tile.in_size)).detach().T


DETERMINISTIC = {
    "discretize": {"type": WeightModifierType.DISCRETIZE, "res": 0.1},
    "discretize, assumed": {"type": WeightModifierType.DISCRETIZE, "res": 0.1, "rel_to_actual_wmax": False, "assumed_wmax": 0.7},
    "dorefa": {"type": WeightModifierType.DOREFA, "res": 0.1},
    "discretize, no noise": {"type": WeightModifierType.DISCRETIZE_ADD_NORMAL, "res": 0.2},
    "last column kept": {"type": WeightModifierType.DISCRETIZE, "res": 0.5, "copy_last_column": True},
    "no steps": {"type": WeightModifierType.DISCRETIZE, "res": 0.0},
    "copy": {"type": WeightModifierType.COPY},
}


@pytest.mark.parametrize("modifier", DETERMINISTIC)
def test_modifiers_without_chance(modifier):
    weight = torch.randn(OUT, WIDTH) * 0.5
    theirs, ours = a_pair(weight, modifier=WeightModifierParameter(**DETERMINISTIC[modifier]))
    for tile in (theirs, ours):
        torch.testing.assert_close(seen(tile), weight)  # the first batch sees the weights as they are
        tile.post_update_step()
    torch.testing.assert_close(seen(ours), seen(theirs))
    torch.testing.assert_close(seen(ours, training=False), weight)
    torch.testing.assert_close(ours.tile.get_weights(), weight)


NOISY = {
    "add": {"type": WeightModifierType.ADD_NORMAL, "std_dev": 0.1},
    "mult": {"type": WeightModifierType.MULT_NORMAL, "std_dev": 0.1},
    "discretize, add": {"type": WeightModifierType.DISCRETIZE_ADD_NORMAL, "std_dev": 0.1, "res": 0.2},
    "poly": {"type": WeightModifierType.POLY, "std_dev": 2.0, "coeffs": [0.01, 0.3, -0.2]},
    "prog": {"type": WeightModifierType.PROG_NOISE, "std_dev": 60.0, "coeffs": [0.2, 0.3, -0.2]},
    "stochastic rounding": {"type": WeightModifierType.DISCRETIZE, "res": 0.25, "sto_round": True},
    "drop": {"type": WeightModifierType.DROP_CONNECT, "pdrop": 0.3},
}


@pytest.mark.parametrize("modifier", NOISY)
def test_modifiers_in_moments(modifier):
    """Each row holds many devices of one weight."""
    levels, copies = torch.tensor([-0.8, -0.1, 0.0, 0.33, 0.8]), 20000
    theirs, ours = a_pair(levels[:, None].repeat(1, copies), modifier=WeightModifierParameter(**NOISY[modifier]))
    samples = []
    for tile in (theirs, ours):
        tile.post_update_step()
        # A matrix this wide is read one block of columns at a time.
        x = torch.zeros(1, copies)
        samples.append(columns_seen(tile, x))
    for a, b in zip(*samples, strict=True):
        se = np.sqrt((a.var() + b.var()) / copies) + 1e-7
        assert abs(a.mean() - b.mean()) < 5 * se
        fourth = np.sqrt(sum(((s - s.mean()) ** 4).mean() - s.var() ** 2 for s in (a, b)) / copies) + 1e-7
        assert abs(a.var() - b.var()) < 5 * fourth


def columns_seen(tile, x):
    tile.train()
    d = torch.eye(tile.out_size)
    return tile.tile.backward(d, False).detach().numpy().astype(np.float64)


def test_modified_weights_during_tests():
    weight = torch.randn(OUT, WIDTH) * 0.5
    noisy = WeightModifierParameter(type=WeightModifierType.ADD_NORMAL, std_dev=0.1, enable_during_test=True)
    _, tile = a_pair(weight, modifier=noisy)
    tile.post_update_step()
    assert not torch.equal(seen(tile, training=False), weight)
    torch.testing.assert_close(seen(tile, training=False), seen(tile))
    d = torch.eye(OUT)
    torch.testing.assert_close(tile.tile.backward(d), seen(tile))  # and it is the same draw, until the next step


def test_a_modifier_that_is_switched_off():
    """The true weights are read again, and nothing is dropped."""
    weight = torch.randn(OUT, WIDTH) * 0.5
    _, tile = a_pair(weight, modifier=WeightModifierParameter(type=WeightModifierType.ADD_NORMAL, std_dev=0.1))
    tile.post_update_step()
    assert not torch.equal(seen(tile), weight)
    tile.rpu_config.modifier = WeightModifierParameter(type=WeightModifierType.NONE, pdrop=0.9)
    tile.post_update_step()
    torch.testing.assert_close(seen(tile), weight)
