"""Drift of the same weights in both engines, and what becomes of it when weights are written in between."""

import jax
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.configs.compounds import OneSidedUnitCell, VectorUnitCell
from aihwkit.simulator.configs.devices import ConstantStepDevice, SoftBoundsDevice
from aihwkit.simulator.parameters.inference import DriftParameter, SimpleDriftParameter
from chips import analog_tile, weights_of
from helpers import mostly_slow

import jaxtile as jt
from bridge import RealisticTile, RPUConfigWithProgram, from_analog_tile, tile_config, to_analog_tile

SHAPE = (40, 50)
EXACT = {"nu": 0.05, "nu_dtod": 0.3, "t_0": 2.0, "wg_ratio": 0.5, "g_offset": 1.5, "w_offset": -0.1, "nu_k": 0.02, "log_g0": 0.3}


STILL = {"w_max_dtod": 0.0, "w_min_dtod": 0.0}


def a_pair(device):
    theirs = analog_tile(*SHAPE, device)
    return theirs, put(theirs, from_analog_tile(theirs), np.random.default_rng(0).uniform(-0.5, 0.5, SHAPE))


def put(theirs, ours, weight):
    theirs.tile.set_weights(torch.tensor(weight, dtype=torch.float32))
    return jt.set_weights(ours, weight)


def persistent(tile):
    """What drifts: of every device, without write noise."""
    parts = zip(getattr(tile.device, "parts", [tile.device]), getattr(tile.state, "devices", [tile.state]), strict=True)
    return np.stack([part.held(state) for part, state in parts])


def test_a_history_of_drifts_and_writes():
    """First call, calls that add up, half of the weights written anew, weights that meet a bound."""
    theirs, ours = a_pair(ConstantStepDevice(drift=DriftParameter(**EXACT), **STILL))
    for step, time in enumerate((1.0, 30.0, 500.0, 7.0, 1e4, 1e6)):
        theirs.tile.drift_weights(time)
        ours = jt.drift(ours, time, key=jr.key(step))
        np.testing.assert_allclose(ours.weight, weights_of(theirs), atol=2e-6, rtol=0)
        if step == 2:
            # Each engine its own weights: a last bit of difference would count as a write.
            written = np.zeros(SHAPE, np.float32)
            written[::2] = 0.05
            theirs.tile.set_weights(torch.tensor(weights_of(theirs) + written))
            ours = jt.set_weights(ours, np.asarray(ours.weight) + written)
    assert np.any(np.asarray(ours.weight) == np.float32(-0.6))


def test_noise():
    """From call to call, and of the exponent: moments; noise does not pile up."""
    theirs, ours = a_pair(ConstantStepDevice(drift=DriftParameter(nu=0.1, nu_std=0.3, w_noise_std=0.01), **STILL))
    start = np.asarray(ours.weight)
    for step in range(2):
        theirs.tile.drift_weights(50.0)
        ours = jt.drift(ours, 50.0, key=jr.key(step))
    a, b = (np.asarray(w, float) - start * 100.0**-0.1 for w in (weights_of(theirs), ours.weight))
    assert abs(a.mean() - b.mean()) < 5 * np.sqrt((a.var() + b.var()) / a.size + a.var() / 32768)
    assert abs(a.var() / b.var() - 1) < 5 * np.sqrt(4 * np.mean(b**4) / np.mean(b**2) ** 2 / a.size)


def test_fabrication():
    cells = jt.device.Drifting(jt.device.ConstantStep(), nu=0.05, nu_dtod=0.2).fabricate((300, 300), key=jr.key(0))
    assert abs(float(cells.nu.mean()) - 0.05) < 4.5 * 0.01 / 300
    assert float(cells.nu.std()) == pytest.approx(0.01, rel=4.5 / np.sqrt(2) / 300)


DRIFT = DriftParameter(nu=0.1, nu_dtod=0.3)
COMPOSED = {
    "write noise": lambda: SoftBoundsDevice(dw_min=0.01, write_noise_std=2.0, drift=DRIFT),
    "vector": lambda: VectorUnitCell([SoftBoundsDevice(drift=DRIFT), ConstantStepDevice()], gamma_vec=[1.0, 0.5]),
    "one-sided": lambda: OneSidedUnitCell([SoftBoundsDevice(drift=DRIFT)]),
}


@pytest.mark.parametrize("name", mostly_slow(COMPOSED, "one-sided"))
def test_what_holds_devices_lets_them_drift(name):
    """Around write noise and in unit cells: every device, also of a chip whose drift has begun, and on the way back."""
    theirs, ours = a_pair(COMPOSED[name]())
    for step, time in enumerate((1.0, 99.0)):
        theirs.tile.drift_weights(time)
        ours = jt.drift(ours, time, key=jr.key(step))
    begun = from_analog_tile(theirs)
    np.testing.assert_allclose(persistent(ours), persistent(begun), atol=2e-7, rtol=0)
    if name == "write noise":
        for tile in (ours, begun):
            noise = np.asarray(tile.weight - tile.state.device.persistent)
            assert noise.std() == pytest.approx(0.02, rel=4.5 / np.sqrt(2 * noise.size))
    back = to_analog_tile(begun) if name != "write noise" else theirs
    back.tile.drift_weights(400.0)
    np.testing.assert_allclose(
        persistent(jt.drift(begun, 400.0, key=jr.key(2))), persistent(from_analog_tile(back)), atol=2e-7, rtol=0
    )


def test_drift_goes_over_and_back():
    simple = SoftBoundsDevice(drift=SimpleDriftParameter(nu=0.2, t_0=3.0))
    assert tile_config(SingleRPUConfig(device=simple)).device.t_0 == 3.0
    assert not tile_config(SingleRPUConfig(device=SoftBoundsDevice(drift=DriftParameter(nu_dtod=0.3)))).device.drifts
    chip = jt.init(jt.TileConfig(device=jt.device.Drifting(jt.presets.ecram(), nu=0.05, nu_dtod=0.2)), (3, 4), key=jr.key(0))
    again = from_analog_tile(to_analog_tile(chip))
    assert jax.tree.structure(again) == jax.tree.structure(chip)
    jax.tree.map(np.testing.assert_array_equal, again, chip)


def test_a_bridge_tile_drifts():
    torch.manual_seed(0)
    tile = RealisticTile(3, 4, RPUConfigWithProgram(device=SoftBoundsDevice(drift=DriftParameter(nu=0.1)))).tile
    tile.set_weights(torch.full((3, 4), 0.1))
    for time in (1.0, 99.0):
        tile.drift_weights(time)
    np.testing.assert_allclose(tile.get_weights(), 0.1 * 100**-0.1, rtol=1e-5)
    still = RealisticTile(3, 4).tile
    still.drift_weights(1e6)
    assert not still.get_weights().any()
