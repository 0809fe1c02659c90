"""The spread of devices, against an independent sampler in NumPy, and in closed form where there is one."""

from math import erf, exp, pi, sqrt

import jax.random as jr
import numpy as np
import pytest
from helpers import DEVICES, assert_mean, assert_same_moments, assert_std

import jaxtile as jt

SHAPE = (512, 512)
N = SHAPE[0] * SHAPE[1]


def draw(device, seed=0) -> dict:
    cells = device.init(SHAPE, key=jr.key(seed))
    return {name: np.asarray(value, np.float64).ravel() for name, value in vars(cells).items()}


def sample(rng, **numbers):
    """aihwkit's sampler with consistency enforced: bounds are drawn, swapped if in the wrong order, and folded."""
    device = jt.device.ConstantStep(**numbers)
    p = {name: value if isinstance(value, str) else float(value) for name, value in vars(device).items()}
    xi = rng.standard_normal((7, N))
    gain, r = 1 + p["dw_min_dtod"] * xi[0], p["up_down_dtod"] * xi[1]
    upper, lower = (p[bound] * (1 + p[f"{bound}_dtod"] * xi[n]) for n, bound in ((2, "w_max"), (3, "w_min")))
    lower, upper = np.minimum(lower, upper), np.maximum(lower, upper)
    lifetime = p["lifetime"] * (1 + p["lifetime_dtod"] * xi[4])
    return {
        "step_up": np.abs(min(p["up_down"], 0) + gain + r) * p["dw_min"],
        "step_down": np.abs(-max(p["up_down"], 0) + gain - r) * p["dw_min"],
        "w_max": np.abs(upper),
        "w_min": -np.abs(lower),
        "decay_scale": np.where(lifetime > 1, 1 - 1 / np.maximum(lifetime, 1), 0) if p["lifetime"] > 0 else np.ones(N),
        "diffusion_rate": np.abs(p["diffusion"] * (1 + p["diffusion_dtod"] * xi[5])),
        "reset_bias": p["reset"] + p["reset_dtod"] * xi[6],
    }


def folded_normal_mean(mu, sigma):
    return sigma * sqrt(2 / pi) * exp(-(mu**2) / (2 * sigma**2)) + mu * erf(mu / sigma / sqrt(2))


@pytest.mark.parametrize("numbers", [
    {},
    {"up_down": 0.3, "up_down_dtod": 0.1, "dw_min": 0.02},
    {"up_down": -0.5, "up_down_dtod": 0.05, "dw_min_dtod": 0.5},  # steps fold
    {"w_max": 0.4, "w_max_dtod": 0.7, "w_min": -0.9, "w_min_dtod": 0.6},  # bounds swap and fold
    {"lifetime": 5.0, "lifetime_dtod": 0.3, "diffusion": 0.01, "diffusion_dtod": 0.5, "reset": 0.1, "reset_dtod": 0.2},
])  # fmt: skip
def test_against_a_sampler(numbers):
    """Every mean, variance and covariance; 512 x 512 devices."""
    drawn, expected = draw(jt.device.ConstantStep(**numbers)), sample(np.random.default_rng(1), **numbers)
    assert drawn.keys() == expected.keys()
    assert_same_moments(drawn, expected)


def test_closed_forms():
    drawn = draw(jt.device.ConstantStep(dw_min=0.01, dw_min_dtod=0.1, up_down=0.2, up_down_dtod=0.05))
    assert_mean(drawn["step_up"], 0.01)
    assert_mean(drawn["step_down"], 0.008)
    for way in ("step_up", "step_down"):
        assert_std(drawn[way], 0.01 * np.hypot(0.1, 0.05))
    assert_std(drawn["step_up"] - drawn["step_down"], 0.01 * 2 * 0.05)
    folded = draw(jt.device.ConstantStep(w_max=1.0, w_max_dtod=0.5))["w_max"]
    assert_mean(folded, folded_normal_mean(1.0, 0.5))


@pytest.mark.parametrize("device", DEVICES)
def test_without_spread_all_devices_are_nominal(device):
    none = {"dw_min_dtod": 0, "up_down_dtod": 0, "w_max_dtod": 0, "w_min_dtod": 0}
    cells = DEVICES[device](**none).init((3, 4), key=jr.key(0))
    for name, nominal in (("step_up", 0.001), ("step_down", 0.001), ("w_max", 0.6), ("w_min", -0.6)):
        np.testing.assert_allclose(getattr(cells, name), nominal, rtol=1e-6)


@pytest.mark.parametrize("allow_increasing", [False, True])
@pytest.mark.parametrize("nominal", [False, True])
def test_slopes_of_linear_step(nominal, allow_increasing):
    gamma = {"gamma_up": 0.1, "gamma_up_dtod": 0.1, "gamma_down": 0.4, "gamma_down_dtod": 0.02}
    drawn = draw(jt.device.LinearStep(**gamma, mean_bound_reference=nominal, allow_increasing=allow_increasing, w_max_dtod=0.1))
    top, bottom = (0.6, -0.6) if nominal else (drawn["w_max"], drawn["w_min"])
    up, down = -drawn["slope_up"] * top / drawn["step_up"], -drawn["slope_down"] * bottom / drawn["step_down"]
    rng = np.random.default_rng(2)
    fold = (lambda v: v) if allow_increasing else np.abs
    expected = {"up": fold(0.1 + 0.1 * rng.standard_normal(N)), "down": fold(0.4 + 0.02 * rng.standard_normal(N))}
    assert_same_moments({"up": up, "down": down}, expected)


def test_soft_bounds_vanish_at_each_devices_own_bounds():
    drawn = draw(jt.device.SoftBounds())
    np.testing.assert_allclose(drawn["step_up"] + drawn["slope_up"] * drawn["w_max"], 0, atol=1e-9)
    np.testing.assert_allclose(drawn["step_down"] + drawn["slope_down"] * drawn["w_min"], 0, atol=1e-9)


def test_devices_of_a_tile_are_independent():
    cells = jt.device.ConstantStep().init(SHAPE, key=jr.key(3))
    steps = np.asarray(cells.step_up, np.float64)
    for shift, axis in ((1, 0), (1, 1), (7, 0)):
        product = (steps - steps.mean()) * (np.roll(steps, shift, axis) - steps.mean())
        assert_mean(product.ravel(), 0)


def test_the_key_makes_the_chip():
    same, other = draw(jt.device.SoftBounds(), 4), draw(jt.device.SoftBounds(), 5)
    again = draw(jt.device.SoftBounds(), 4)
    for name in same:
        assert np.array_equal(same[name], again[name])
    for name in ("step_up", "step_down", "w_min", "w_max"):
        assert not np.array_equal(same[name], other[name])


def test_granularity_of_exp_step():
    device = jt.device.ExpStep(dw_min=0.01, up_down=0.3)
    assert float(device.granularity()) == pytest.approx(0.01 * 0.7 * (1 - 0.36833 * np.exp(-12.78785 * 0.2425)), rel=1e-6)
    assert float(jt.device.ExpStep(A_down=1e6).granularity()) == pytest.approx(0.001)
