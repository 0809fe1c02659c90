"""aihwkit draws from the seed of the test, not from the time of day."""

import clock
import numpy as np
import pytest
import torch
from aihwkit.simulator.parameters.enums import PulseType
from chips import analog_tile, weights_of


def drawn(number, pulse_type):
    """Devices, trains or noise of a C++ tile: weights after ten updates, and a read of them."""
    clock.seed(number)
    tile = analog_tile(6, 9, pulse_type=pulse_type)
    for _ in range(10):
        tile.tile.update(torch.ones(9), torch.ones(6), False)
    return np.concatenate([weights_of(tile).ravel(), tile.tile.forward(torch.ones(9)).numpy()])


@pytest.mark.parametrize("pulse_type", [PulseType.STOCHASTIC_COMPRESSED, PulseType.MEAN_COUNT])
def test_a_seed_makes_aihwkits_draws_again(pulse_type):
    first, other = drawn(1, pulse_type), drawn(2, pulse_type)
    np.testing.assert_array_equal(first, drawn(1, pulse_type))
    assert np.mean(first == other) < 0.2  # reads have steps
