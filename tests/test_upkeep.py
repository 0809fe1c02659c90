"""Decay, diffusion and reset: formulas and moments."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jaxtile as jt

KEY = jr.key(5)
SHAPE = (200, 300)
DEVICE = jt.device.SoftBounds(
    **{"lifetime": 20.0, "lifetime_dtod": 0.2, "diffusion": 0.02, "diffusion_dtod": 0.1},
    **{"reset": 0.05, "reset_dtod": 0.01, "reset_std": 0.03, "w_max": 5.0, "w_min": -5.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0},
)
TILE = jt.set_weights(jt.init(jt.TileConfig(device=DEVICE), SHAPE, key=KEY), 0.3 * jr.normal(jr.key(6), SHAPE))


def within(values, mean, std):
    """Mean and spread of independent values, each within four of its own standard errors."""
    values = np.asarray(values, float).ravel()
    assert abs(values.mean() - mean) < 4 * std / np.sqrt(values.size)
    assert abs(values.std() - std) < 4 * std / np.sqrt(2 * values.size)


def test_devices_are_fabricated_with_their_spread():
    cells = TILE.cells
    within(1 / (1 - cells.decay_scale), 20.0, 4.0)
    within(cells.diffusion_rate, 0.02, 0.002)
    within(cells.reset_bias, 0.05, 0.01)


def test_default_devices_keep_their_weights():
    tile = jt.set_weights(jt.init(jt.TileConfig(), (3, 4), key=KEY), jnp.full((3, 4), 0.1))
    np.testing.assert_array_equal(jt.diffuse(jt.decay(tile), key=KEY).weight, tile.weight)


LOSING, SPREADING = jt.device.SoftBounds(lifetime=20.0), jt.device.ConstantStep(diffusion=0.01)


@pytest.mark.parametrize(
    ("device", "decays", "diffuses"),
    [
        (jt.device.Ideal(), False, False),
        (jt.device.SoftBounds(), False, False),
        (LOSING, True, False),
        (jt.device.WriteNoise(SPREADING), False, True),
        (jt.device.Drifting(LOSING, nu=0.1), True, False),
        (jt.device.VectorCell((LOSING, SPREADING)), True, True),
        (jt.device.OneSided(SPREADING), False, True),
        (jt.learning.Transfer((jt.device.SoftBounds(), LOSING)), True, False),
        (jt.learning.MixedPrecision(SPREADING), False, True),
    ],
)
def test_a_device_says_what_time_does_to_it(device, decays, diffuses):
    assert (device.decays, device.diffuses) == (decays, diffuses)


def test_a_lifetime_below_one_loses_everything_at_once():
    device = jt.device.ConstantStep(lifetime=0.5, reset=0.07)
    tile = jt.set_weights(jt.init(jt.TileConfig(device=device), (3, 4), key=KEY), jnp.full((3, 4), 0.2))
    np.testing.assert_allclose(jt.decay(tile).weight, 0.07, atol=1e-7)


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_decay(alpha):
    w, s, b = (np.asarray(a, np.float64) for a in (TILE.weight, TILE.cells.decay_scale, TILE.cells.reset_bias))
    np.testing.assert_allclose(jt.decay(TILE, alpha=alpha).weight, (w - b) * (1 + alpha * (s - 1)) + b, atol=1e-6)


def test_diffusion():
    moved = jt.diffuse(TILE, key=KEY).weight - TILE.weight
    within(moved / TILE.cells.diffusion_rate, 0.0, 1.0)
    assert not np.array_equal(moved, jt.diffuse(TILE, key=jr.key(1)).weight - TILE.weight)


def test_reset_of_some_columns():
    columns = jnp.array([299, 0, 7])
    after = jt.reset(TILE, columns, key=KEY).weight
    others = np.setdiff1d(np.arange(300), columns)
    np.testing.assert_array_equal(after[:, others], TILE.weight[:, others])
    within((after - TILE.cells.reset_bias)[:, columns] / 0.03, 0.0, 1.0)


def test_reset_with_a_probability():
    changed = np.asarray(jt.reset(TILE, jnp.arange(300), probability=0.2, key=KEY).weight != TILE.weight)
    within(changed, 0.2, 0.4)


def test_everything_stays_within_bounds():
    device = jt.device.ConstantStep(diffusion=2.0, reset=3.0)
    tile = jt.init(jt.TileConfig(device=device), (20, 30), key=KEY)
    for moved in (jt.diffuse(tile, key=KEY), jt.reset(tile, jnp.arange(30), key=KEY)):
        assert bool(jnp.all((moved.weight <= tile.cells.w_max) & (moved.weight >= tile.cells.w_min)))


def test_drift():
    """A power law from when a weight was written; nothing before t_0. Pulses between calls start it anew."""
    device = jt.device.Drifting(jt.device.ConstantStep(), nu=0.1, t_0=2.0)
    tile = jt.set_weights(jt.init(jt.TileConfig(device=device), (3, 4), key=KEY), jnp.full((3, 4), 0.1))
    at = [tile]
    for time in (1.0, 19.0, 180.0):
        at.append(jt.drift(at[-1], time, key=KEY))
    for tile, t in zip(at[1:], (1.0, 10.0, 100.0), strict=True):
        np.testing.assert_allclose(tile.weight, 0.1 * t**-0.1, rtol=1e-5)
    pulsed = jt.update(at[-1], jnp.ones(4), -jnp.array([1.0, 0.0, 1.0]), learning_rate=0.01, key=KEY)
    again = jt.drift(jt.drift(pulsed, 50.0, key=KEY), 20.0, key=KEY)
    np.testing.assert_allclose(again.weight[1], 0.1 * 135**-0.1, rtol=1e-5)
    np.testing.assert_allclose(again.weight[::2], pulsed.weight[::2] * 10**-0.1, rtol=1e-5)


def test_ideal_devices_keep_their_weights():
    tile = jt.set_weights(jt.init(jt.TileConfig(device=jt.device.Ideal()), (3, 4), key=KEY), jnp.ones((3, 4)))
    assert all(t.weight is tile.weight for t in (jt.decay(tile), jt.diffuse(tile, key=KEY), jt.reset(tile, jnp.arange(4), key=KEY)))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jt.decay(TILE, alpha=-1), "alpha=-1"),
        (lambda: jt.reset(TILE, jnp.arange(2), probability=1.5, key=KEY), "probability=1.5"),
        (lambda: jt.device.ConstantStep(lifetime=-1), "lifetime=-1"),
        (lambda: jt.device.Drifting(jt.device.ConstantStep(), nu=-1), "nu=-1"),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_reset_writes_anew_and_so_renews_the_write_noise():
    device = jt.device.WriteNoise(jt.device.SoftBounds(dw_min=0.01), write_noise_std=2.0)
    tile = jt.set_weights(jt.init(jt.TileConfig(device), (40, 50), key=jr.key(0)), jnp.zeros((40, 50)))
    noise = jt.reset(tile, jnp.arange(50), key=jr.key(1)).state.noise
    assert abs(float(jnp.std(noise)) / 0.02 - 1) < 4 / (2 * noise.size) ** 0.5  # the spread of a write is write_noise_std dw_min
