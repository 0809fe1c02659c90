"""The spread of devices, against an independent sampler in NumPy, and in closed form where there is one."""

from functools import partial
from math import erf, exp, pi, sqrt

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import DEVICES, assert_mean, assert_same_moments, assert_std, without_spread

import jaxtile as jt
from jaxtile._random import Source

SHAPE = (512, 512)
N = SHAPE[0] * SHAPE[1]


def draw(device, seed=0) -> dict:
    cells = device.fabricate(SHAPE, key=jr.key(seed))
    return {name: np.asarray(value, np.float64).ravel() for name, value in vars(cells).items()}


def sample(rng, **numbers):
    """aihwkit's sampler: bounds in the wrong order are swapped and folded or, without consistency, meet in the middle."""
    device = jt.device.ConstantStep(**numbers)
    p = {name: value if isinstance(value, str) else float(value) for name, value in vars(device).items()}
    xi = rng.standard_normal((7, N))
    gain, r = 1 + p["dw_min_dtod"] * xi[0], p["up_down_dtod"] * xi[1]
    if p["dw_min_dtod_log_normal"]:
        gain = np.exp(p["dw_min_dtod"] * xi[0])
    up, down = (min(p["up_down"], 0) + gain + r) * p["dw_min"], (-max(p["up_down"], 0) + gain - r) * p["dw_min"]
    upper, lower = (p[bound] * (1 + p[f"{bound}_dtod"] * xi[n]) for n, bound in ((2, "w_max"), (3, "w_min")))
    if p["enforce_consistency"]:
        up, down = np.abs(up), np.abs(down)
        lower, upper = -np.abs(np.minimum(lower, upper)), np.abs(np.maximum(lower, upper))
    else:
        middle, crossed = (lower + upper) / 2, lower > upper
        lower, upper = np.where(crossed, middle, lower), np.where(crossed, middle, upper)
    near = p["corrupt_devices_range"]
    low, high = np.maximum(lower, -near), np.minimum(upper, near)
    at = low + (high - low) * rng.random(N)
    stuck = rng.random(N) < p["corrupt_devices_prob"]
    lifetime = p["lifetime"] * (1 + p["lifetime_dtod"] * xi[4])
    return {
        "step_up": np.where(stuck, 0, up),
        "step_down": np.where(stuck, 0, down),
        "w_max": np.where(stuck, at, upper),
        "w_min": np.where(stuck, at, lower),
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
    {"dw_min_dtod": 0.7, "dw_min_dtod_log_normal": True, "up_down": 0.3},
    {"enforce_consistency": False, "dw_min_dtod": 0.8, "w_max_dtod": 0.9, "w_min_dtod": 0.9},  # reversed steps, crossed bounds
    {"corrupt_devices_prob": 0.2, "corrupt_devices_range": 0.3, "w_max_dtod": 0.5},
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
    log_normal = draw(jt.device.ConstantStep(dw_min=1.0, dw_min_dtod=0.7, dw_min_dtod_log_normal=True, up_down_dtod=0.0))
    assert_mean(log_normal["step_up"], exp(0.7**2 / 2))
    folded = draw(jt.device.ConstantStep(w_max=1.0, w_max_dtod=0.5))["w_max"]
    assert_mean(folded, folded_normal_mean(1.0, 0.5))


@pytest.mark.parametrize("device", DEVICES)
def test_without_spread_all_devices_are_nominal(device):
    alike, spread = without_spread(device), DEVICES[device]()
    cells, (low, high), step = alike.fabricate((3, 4), key=jr.key(0)), alike.bounds(), alike.dw_min
    for name, nominal in (("step_up", step), ("step_down", step), ("w_max", high), ("w_min", low)):
        np.testing.assert_allclose(getattr(cells, name), nominal, rtol=1e-6)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), spread.fabricate((3, 4), key=None), cells)


def test_a_spread_of_ones_own():
    """Each name is a stream: of standard normals, the same in any process, and not those of the library's sources."""
    named = {name: np.asarray(jt.device.spread(SHAPE, jr.key(0), name), np.float64).ravel() for name in ("width", "height")}
    taken = {f"source {source}": np.ravel(jt.device.spread(SHAPE, jr.key(0), source)) for source in (Source.GAIN, Source.SLOPE_UP)}
    rng = np.random.default_rng(0)
    assert_same_moments(named | taken, {name: rng.standard_normal(N) for name in named | taken})
    np.testing.assert_allclose(jt.device.spread((1, 2), jr.key(0), "width"), [[0.637518, 0.782632]], rtol=1e-5)
    assert not np.any(jt.device.spread((1, 2), None, "width"))


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


@pytest.mark.parametrize("way", ["up", "down"])
def test_reversed_slopes(way):
    """The step grows from the bound behind, an offset short of zero there."""
    ahead = {"up": 1, "down": -1}[way]
    for gamma, kind in (
        (0.4, partial(jt.device.LinearStep, **{f"gamma_{way}": 0.4, f"gamma_{way}_dtod": 0.0})),
        (1.0, jt.device.SoftBounds),
    ):
        drawn = draw(kind(**{f"reverse_{way}": True}, reverse_offset=0.02))
        behind = 0.6 if kind is not jt.device.SoftBounds else np.abs(drawn["w_min" if way == "up" else "w_max"])
        expected = ahead * gamma * drawn[f"step_{way}"] / (behind + 0.02)
        np.testing.assert_allclose(drawn[f"slope_{way}"], expected, rtol=1e-5, atol=1e-9)


def test_corrupt_devices_are_stuck_and_the_others_as_they_were():
    sound, partly = draw(jt.device.SoftBounds()), draw(jt.device.SoftBounds(corrupt_devices_prob=0.1, corrupt_devices_range=0.05))
    stuck = partly["w_max"] == partly["w_min"]
    assert_mean(stuck, 0.1)
    for name, values in partly.items():
        np.testing.assert_array_equal(values[~stuck], sound[name][~stuck])
    assert not partly["step_up"][stuck].any()
    assert not partly["step_down"][stuck].any()
    at = partly["w_max"][stuck]
    assert np.abs(at).max() < 0.05
    assert_std(at, 0.05 / sqrt(3))


def test_a_perfect_column():
    cells = jt.device.ConstantStep(perfect_bias=True, up_down=0.2, corrupt_devices_prob=0.5).fabricate((30, 20), key=jr.key(0))
    for name, value in (("step_up", 0.001), ("step_down", 0.001), ("w_max", 60), ("w_min", -60)):
        drawn = np.asarray(getattr(cells, name))
        np.testing.assert_allclose(drawn[:, -1], value, rtol=1e-6)
        assert np.unique(drawn[:, :-1]).size > 200


def test_exponents_of_pow_step():
    numbers = {"pow_gamma": 1.5, "pow_gamma_dtod": 0.2, "pow_up_down": 0.3, "pow_up_down_dtod": 0.1}
    drawn, xi = draw(jt.device.PowStep(**numbers)), np.random.default_rng(3).standard_normal((2, N))
    up, down = 1 + 0.2 * xi[0] + 0.1 * xi[1], 1 + 0.2 * xi[0] - 0.1 * xi[1] - 0.3
    assert_same_moments(
        {name: drawn[name] for name in ("gamma_up", "gamma_down")}, {"gamma_up": 1.5 * np.abs(up), "gamma_down": 1.5 * np.abs(down)}
    )


def test_a_reference_shifts_all_weights():
    numbers = {"reset": 0.1, "reset_dtod": 0.02}
    plain, referred = (
        draw(jt.device.SoftBoundsReference(**numbers)),
        draw(jt.device.SoftBoundsReference(**numbers, reference_mean=0.2, reference_std=0.1)),
    )
    assert_mean(referred["reference"], 0.2)
    assert_std(referred["reference"], 0.1)
    for name in ("w_min", "w_max", "reset_bias"):
        np.testing.assert_allclose(referred[name], plain[name] - referred["reference"], atol=1e-6)


def test_slopes_of_soft_bounds_with_a_reference():
    plain, steeper = (
        draw(jt.device.SoftBoundsReference()),
        draw(jt.device.SoftBoundsReference(slope_up_dtod=0.3, slope_down_dtod=0.1)),
    )
    for bound, spread in (("w_max", 0.3), ("w_min", 0.1)):
        ratio = plain[bound] / steeper[bound]
        assert_mean(ratio, folded_normal_mean(1.0, spread))
        assert_std(ratio, spread)


@pytest.mark.parametrize(
    "kind", [jt.device.SoftBoundsReference, partial(jt.device.PowStepReference, pow_gamma=1.6, pow_up_down=0.2)]
)
def test_steps_are_equal_at_the_symmetry_point(kind):
    """Which is weight zero, and where a reset leads, unless the reference is off."""
    device = kind(subtract_symmetry_point=True, up_down=0.3)
    cells = device.fabricate((40, 50), key=jr.key(0))
    up, down = (device.step(cells, jnp.zeros((40, 50)), up=up)[0] for up in (True, False))
    np.testing.assert_allclose(up, down, rtol=1e-4)
    np.testing.assert_allclose(cells.reset_bias, 0, atol=1e-7)
    assert np.std(cells.reference) > 0.02


def test_the_symmetry_point_has_the_slope_of_its_closed_form():
    """Which there is for an exponent of 1: (up v_max + down v_min) / (up + down)."""

    def found(up_down, w_max):
        numbers = {"up_down": up_down, "w_max": w_max, "w_min": -0.5, "pow_gamma": 1.0}
        return jt.device.PowStepReference(**numbers, subtract_symmetry_point=True).fabricate((1, 1), key=None).reference[0, 0]

    def closed(up_down, w_max):
        return (w_max - 0.5 * (1 - up_down)) / (2 - up_down)

    for at in ((0.3, 0.6), (0.1, 0.9)):
        values = [jax.value_and_grad(f, argnums=(0, 1))(*at) for f in (found, closed)]
        np.testing.assert_allclose(*(jax.tree.leaves(value) for value in values), rtol=1e-5)


def test_many_pulses_estimate_the_symmetry_point():
    numbers = {"dw_min": 0.02, "dw_min_dtod": 0.1, "w_max_dtod": 0.1, "w_min_dtod": 0.1, "up_down": 0.3}
    exact, estimated = (
        jt.device.PowStepReference(**numbers, subtract_symmetry_point=True, n_estimation_steps=n).fabricate((20, 30), key=jr.key(0))
        for n in (-1, 2000)
    )
    np.testing.assert_allclose(estimated.reference, exact.reference, atol=1e-5)


def test_soft_bounds_by_a_number_of_pulses():
    """aihwkit's numbers (measured there), with which the pulses overshoot the end that is meant."""
    device = jt.device.SoftBoundsPmax()
    numbers = {"dw_min": 0.00254149, "w_max": 4.08299, "w_min": -1.0, "up_down": 0.606531}
    for name, value in numbers.items():
        assert float(getattr(device, name)) == pytest.approx(value, rel=2e-6)
    cells = jt.device.SoftBoundsPmax(dw_min_dtod=0, up_down_dtod=0, w_max_dtod=0, w_min_dtod=0).fabricate((1, 1), key=jr.key(0))
    pulses = jax.numpy.full((1, 1), 1000)
    end = 4.08299 - 5.08299 * (1 - 0.00254149 / 4.08299) ** 1000
    np.testing.assert_allclose(
        device.pulses(cells, jax.numpy.full((1, 1), -1.0), jt.device.Burst(pulses, 0 * pulses)), end, atol=1e-4
    )
    assert end == pytest.approx(1.36, abs=0.01)


def test_soft_bounds_vanish_at_each_devices_own_bounds():
    drawn = draw(jt.device.SoftBounds())
    np.testing.assert_allclose(drawn["step_up"] + drawn["slope_up"] * drawn["w_max"], 0, atol=1e-9)
    np.testing.assert_allclose(drawn["step_down"] + drawn["slope_down"] * drawn["w_min"], 0, atol=1e-9)


def test_devices_of_a_tile_are_independent():
    cells = jt.device.ConstantStep().fabricate(SHAPE, key=jr.key(3))
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


def test_granularity_of_steps_that_depend_on_the_weight():
    assert float(jt.device.PowStep(pow_gamma=2.0).granularity()) == pytest.approx(0.00025)
    assert float(jt.device.PiecewiseStep(piecewise_up=(3, 2, 1, 4), piecewise_down=(1, 1, 1, 1)).granularity()) == pytest.approx(
        0.001
    )


def test_granularity_of_exp_step():
    device = jt.device.ExpStep(dw_min=0.01, up_down=0.3)
    assert float(device.granularity()) == pytest.approx(0.01 * 0.7 * (1 - 0.36833 * np.exp(-12.78785 * 0.2425)), rel=1e-6)
    assert float(jt.device.ExpStep(A_down=1e6).granularity()) == pytest.approx(0.001)
