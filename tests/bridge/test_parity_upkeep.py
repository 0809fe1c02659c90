"""Decay, diffusion and reset of the same chip in both engines."""

import numpy as np
import pytest
from aihwkit.exceptions import ConfigError
from aihwkit.simulator.configs.devices import ConstantStepDevice, IdealDevice
from chips import analog_tile, weights_of

from bridge import RealisticTile, RPUConfigWithProgram, from_analog_tile, tile_config, to_analog_tile

OUT, WIDTH = 150, 160
NUMBERS = {"lifetime": 20.0, "lifetime_dtod": 0.2, "reset": 0.1, "reset_dtod": 0.02, "reset_std": 0.05, "w_max": 3.0, "w_min": -3.0}


def a_pair(**numbers):
    device = ConstantStepDevice(**NUMBERS, **numbers)
    theirs = analog_tile(OUT, WIDTH, device)
    return theirs, to_analog_tile(from_analog_tile(theirs), RPUConfigWithProgram(device=device))


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_decay(alpha):
    theirs, ours = a_pair()
    for tile in (theirs, ours):
        for _ in range(5):
            tile.decay_weights(alpha)
    np.testing.assert_allclose(weights_of(ours), weights_of(theirs), atol=1e-6, rtol=0)


def test_decay_and_diffusion_follow_an_optimizer_step():
    theirs, ours = a_pair()
    for tile in (theirs, ours):
        tile.post_update_step()
    np.testing.assert_allclose(weights_of(ours), weights_of(theirs), atol=1e-6, rtol=0)
    theirs, ours = a_pair(diffusion=0.02)
    start = weights_of(theirs)
    same_moments(*(changed(tile.post_update_step, tile, start) for tile in (theirs, ours)))


def test_diffusion():
    theirs, ours = a_pair(diffusion=0.02, diffusion_dtod=0.3)
    rate, start = theirs.get_hidden_parameters()["diffusion_rates"].numpy(), weights_of(theirs)
    same_moments(*(changed(tile.diffuse_weights, tile, start) / rate for tile in (theirs, ours)))


def changed(call, tile, start):
    call()
    return weights_of(tile) - start


def same_moments(a, b):
    """aihwkit's normals come from a list of 32768, so its mean is off by its own amount."""
    n = a.size
    assert abs(a.mean() - b.mean()) < 5 * np.sqrt((a.var() + b.var()) / n + a.var() / 32768)
    assert abs(a.var() / b.var() - 1) < 5 * np.sqrt(4 / n + 2 / 32768)


def test_a_negative_reset_is_taken_as_it_is():
    tile = RealisticTile(OUT, WIDTH, RPUConfigWithProgram(device=ConstantStepDevice(reset=-0.2)))
    tile.reset_columns(0, WIDTH, 1.0)
    assert weights_of(tile).mean() == pytest.approx(-0.2, abs=1e-3)  # seven standard errors


def test_reset_of_columns_goes_around_the_end():
    theirs, ours = a_pair()
    bias = theirs.get_hidden_parameters()["reset_bias"].numpy()
    columns = [*range(WIDTH - 30, WIDTH), *range(50)]
    others = np.setdiff1d(np.arange(WIDTH), columns)
    resets = []
    for tile in (theirs, ours):
        before = weights_of(tile)
        tile.reset_columns(WIDTH - 30, 80, 0.6)
        after = weights_of(tile)
        np.testing.assert_array_equal(after[:, others], before[:, others])
        hit = (after != before)[:, columns]
        assert abs(hit.mean() - 0.6) < 5 * np.sqrt(0.24 / hit.size)
        resets.append((after - bias)[:, columns][hit][:6000])
    same_moments(*resets)
    ours.reset()
    assert np.all(weights_of(ours) != 0)
    assert abs(weights_of(ours).mean() - 0.1) < 0.01


def test_ideal_devices_neither_decay_nor_diffuse():
    with pytest.raises(ConfigError, match="lifetime"):
        tile_config(RPUConfigWithProgram(device=IdealDevice(lifetime=10.0)))
    with pytest.raises(ConfigError, match="diffusion"):
        tile_config(RPUConfigWithProgram(device=IdealDevice(diffusion=0.1)))
