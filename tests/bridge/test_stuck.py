"""Devices that are stuck stand where aihwkit's stand, from fabrication on: alone, in cells, and as references."""

from functools import partial

import numpy as np
import pytest
import torch
from aihwkit.simulator.configs import SingleRPUConfig, UnitCellRPUConfig
from aihwkit.simulator.configs.devices import (
    ConstantStepDevice,
    OneSidedUnitCell,
    ReferenceUnitCell,
    SoftBoundsDevice,
    VectorUnitCell,
)
from aihwkit.simulator.tiles.analog import AnalogTile
from helpers import mostly_slow

import bridge

STUCK = {"corrupt_devices_prob": 1.0, "corrupt_devices_range": 0.5}
CONSTANT, SOFT = ConstantStepDevice(**STUCK), SoftBoundsDevice(**STUCK)
CONFIGS = {
    "alone": partial(SingleRPUConfig, device=CONSTANT),
    "a device and its reference": partial(UnitCellRPUConfig, device=ReferenceUnitCell([SOFT, CONSTANT])),
    "one-sided": partial(UnitCellRPUConfig, device=OneSidedUnitCell([CONSTANT])),
    "a vector of devices": partial(UnitCellRPUConfig, device=VectorUnitCell([CONSTANT, SOFT], gamma_vec=[1.0, 0.5])),
}


@pytest.mark.parametrize("name", mostly_slow(CONFIGS, "alone", "one-sided"))
def test_stuck_devices_start_and_stay_where_aihwkits_do(name):
    analog = AnalogTile(3, 4, CONFIGS[name](), bias=False)
    stand = analog.tile.get_weights().numpy()
    tile = bridge.from_analog_tile(analog)
    fresh = tile.device.settle(tile.cells, tile.device.start(tile.shape))
    np.testing.assert_allclose(tile.device.weight(fresh), stand, atol=1e-6)
    assert np.abs(stand).max() > 0.05
    analog.tile.set_weights(torch.zeros(3, 4))
    np.testing.assert_allclose(analog.tile.get_weights(), stand, atol=1e-6)
