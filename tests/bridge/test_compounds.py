"""Algorithms of several arrays in aihwkit and in jaxtile: the same chips, the same pulses, the same arrays."""

import dataclasses

import jax
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.exceptions import ConfigError
from aihwkit.simulator.configs import UnitCellRPUConfig
from aihwkit.simulator.configs.compounds import TransferCompound
from aihwkit.simulator.configs.devices import ConstantStepDevice, SoftBoundsDevice
from aihwkit.simulator.parameters.enums import PulseType
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.parameters.training import UpdateParameters
from aihwkit.simulator.tiles.analog import AnalogTile
from chips import update
from helpers import mostly_slow

import jaxtile as jt
from bridge import from_analog_tile, tile_config, to_analog_tile

KEY, OUT, WIDTH, VECTORS = jr.key(0), 4, 3, 200
COUNTS = {"pulse_type": PulseType.DETERMINISTIC_IMPLICIT}
STEP, OTHER = ConstantStepDevice(dw_min=0.0137, dw_min_std=0.0), ConstantStepDevice(dw_min=0.0291, dw_min_std=0.0)
SOFT = SoftBoundsDevice(dw_min=0.0137, dw_min_std=0.0)
ABSOLUTE = {"scale_fast_lr": False} if "scale_fast_lr" in {f.name for f in dataclasses.fields(TransferCompound)} else {}


def transfer(*devices, **numbers):
    own = {"fast_lr": 0.0513, "transfer_lr": 11.713, "transfer_update": UpdateParameters(**COUNTS)}
    return TransferCompound(list(devices), transfer_forward=IOParameters(is_perfect=True), **ABSOLUTE | own | numbers)


# Name: the compound, and the vectors in a batch. Rates are incommensurate, so that no product falls on a threshold.
COMPOUNDS = {
    "transfer": (lambda: transfer(STEP, STEP), 2),
    "transfer, vectors": (lambda: transfer(STEP, OTHER, transfer_every=2.0, units_in_mbatch=False), 3),
    "transfer, rows": (lambda: transfer(STEP, OTHER, transfer_columns=False, units_in_mbatch=False), 1),
    "transfer, three arrays": (lambda: transfer(STEP, OTHER, OTHER, gamma=0.31, n_reads_per_transfer=2), 2),
    "transfer, more reads than rows": (
        lambda: transfer(STEP, STEP, STEP, transfer_columns=False, n_reads_per_transfer=5, fast_lr=0.0, transfer_every=2.0),
        4,
    ),
    "transfer, vectors of numbers": (
        lambda: transfer(STEP, STEP, STEP, transfer_every_vec=[1.3, 2.7, 3.1], transfer_lr_vec=[1.713, 3.71, 0.3]),
        3,
    ),
    "transfer, to itself": (lambda: transfer(SOFT, SOFT, no_self_transfer=False, transfer_lr=1.713, transfer_every=2.0), 2),
}


def tile_of(compound) -> AnalogTile:
    tile = AnalogTile(OUT, WIDTH, UnitCellRPUConfig(device=compound, update=UpdateParameters(**COUNTS)), bias=False)
    tile.tile.set_weights(torch.zeros(OUT, WIDTH))
    return tile


def trained(name, learning_rate=0.0173):
    """A tile of aihwkit and jaxtile's after the same vectors."""
    compound, batch = COMPOUNDS[name]
    theirs = tile_of(compound())
    ours = from_analog_tile(theirs)
    theirs.tile.set_learning_rate(learning_rate)
    rng = np.random.default_rng(3)
    for _ in range(VECTORS // batch):
        x, d = rng.uniform(-1, 1, (batch, WIDTH)).astype("f4"), rng.uniform(-0.8, 1.2, (batch, OUT)).astype("f4")
        theirs.tile.update(torch.from_numpy(x), torch.from_numpy(d), False)
        ours = update(ours, x, d, learning_rate, KEY)
    return theirs, ours


@pytest.mark.parametrize("name", mostly_slow(COMPOUNDS, "transfer", "transfer, three arrays"))
def test_without_chance_algorithms_agree(name):
    theirs, ours = trained(name)
    back = from_analog_tile(theirs)
    for k, (one, other) in enumerate(zip(ours.state.devices, back.state.devices, strict=True)):
        np.testing.assert_allclose(one, other, atol=1e-6 if k else 3e-6, rtol=0)
    np.testing.assert_allclose(ours.weight, theirs.tile.get_weights().numpy(), atol=1e-6, rtol=0)
    assert np.count_nonzero(ours.weight) > 5
    counters = [(int(tile.state.turn), *tile.state.line.tolist()) for tile in (ours, back)]
    assert counters[0] == counters[1]


@pytest.mark.parametrize("name", mostly_slow(COMPOUNDS, "transfer, three arrays"))
def test_algorithms_go_over_and_back(name):
    _, chip = trained(name)
    again = from_analog_tile(to_analog_tile(chip))
    one, other = ((tile.config.device, tile.cells, tile.state) for tile in (again, chip))
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_what_aihwkit_cannot_hold_is_refused():
    step = jt.device.ConstantStep()
    algorithm = jt.learning.Transfer((step, step, jt.device.SoftBounds()), scale_fast_lr=False)
    with pytest.raises(ConfigError, match="all arrays but the first are of one kind"):
        to_analog_tile(jt.init(jt.TileConfig(algorithm), (3, 4), key=KEY))
    if not ABSOLUTE:
        with pytest.raises(ConfigError, match="scale_fast_lr=True needs aihwkit 1.2"):
            to_analog_tile(jt.init(jt.TileConfig(jt.learning.Transfer()), (3, 4), key=KEY))


def test_defaults_are_those_of_aihwkit():
    ours = tile_config(UnitCellRPUConfig(device=TransferCompound([ConstantStepDevice(), ConstantStepDevice()]))).device
    assert repr(dataclasses.replace(ours, scale_fast_lr=True)) == repr(jt.learning.Transfer())
