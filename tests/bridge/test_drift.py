"""Drift of the same weights in both engines, and what becomes of it when weights are written in between."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.simulator.configs.devices import ConstantStepDevice
from aihwkit.simulator.parameters.inference import DriftParameter
from chips import analog_tile, weights_of

import jaxtile as jt

SHAPE = (40, 50)
EXACT = {"nu": 0.05, "nu_dtod": 0.3, "t_0": 2.0, "wg_ratio": 0.5, "g_offset": 1.5, "w_offset": -0.1, "nu_k": 0.02, "log_g0": 0.3}


def a_pair(**numbers):
    theirs = analog_tile(*SHAPE, ConstantStepDevice(drift=DriftParameter(**numbers), w_max_dtod=0.0, w_min_dtod=0.0))
    device = jt.device.Drifting(jt.device.ConstantStep(w_max_dtod=0.0, w_min_dtod=0.0), **numbers)
    ours = jt.init(jt.TileConfig(device=device), SHAPE, key=jr.key(0))
    nu = theirs.get_hidden_parameters()["drift_nu"].numpy()
    ours = eqx.tree_at(lambda tile: tile.cells.nu, ours, jnp.asarray(nu))
    return theirs, put(theirs, ours, np.random.default_rng(0).uniform(-0.5, 0.5, SHAPE))


def put(theirs, ours, weight):
    theirs.tile.set_weights(torch.tensor(weight, dtype=torch.float32))
    return jt.set_weights(ours, weight)


def test_a_history_of_drifts_and_writes():
    """First call, calls that add up, half of the weights written anew, weights that meet a bound."""
    theirs, ours = a_pair(**EXACT)
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
    theirs, ours = a_pair(nu=0.1, nu_std=0.3, w_noise_std=0.01)
    start = np.asarray(ours.weight)
    for step in range(2):
        theirs.tile.drift_weights(50.0)
        ours = jt.drift(ours, 50.0, key=jr.key(step))
    a, b = (np.asarray(w, float) - start * 100.0**-0.1 for w in (weights_of(theirs), ours.weight))
    assert abs(a.mean() - b.mean()) < 5 * np.sqrt((a.var() + b.var()) / a.size + a.var() / 32768)
    assert abs(a.var() / b.var() - 1) < 5 * np.sqrt(4 * np.mean(b**4) / np.mean(b**2) ** 2 / a.size)


def test_fabrication():
    cells = jt.device.Drifting(jt.device.ConstantStep(), nu=0.05, nu_dtod=0.2).init((300, 300), key=jr.key(0))
    assert abs(float(cells.nu.mean()) - 0.05) < 4.5 * 0.01 / 300
    assert float(cells.nu.std()) == pytest.approx(0.01, rel=4.5 / np.sqrt(2) / 300)
