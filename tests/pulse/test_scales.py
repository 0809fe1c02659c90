"""Train length and scales against a transcription of aihwkit's rule in the precision of the tests, operation by operation."""

import jax
import numpy as np
import pytest
from helpers import FLOAT

import jaxtile as jt


def rule(x, d, lr, g, *, desired_bl, ublm, um, um_grad_scale):
    """(BL, A, B): A multiplies |d|, B multiplies |x|."""
    if lr == 0:
        return 0, FLOAT(0), FLOAT(0)
    bl = FLOAT(desired_bl)
    a = b = np.sqrt(lr / (g * bl))
    if not (um or ublm):
        return int(bl), a, b
    x_max, d_max = np.abs(x).max(), np.abs(d).max()
    if x_max == 0 or d_max == 0:
        return 0, FLOAT(0), FLOAT(0)
    d_max = FLOAT(um_grad_scale) * d_max
    k = lr * x_max * d_max / g
    if ublm:
        bl = min(np.ceil(k), FLOAT(desired_bl))
        a = b = np.sqrt(lr / (g * bl))
    if k > desired_bl:
        d_max = d_max * (FLOAT(desired_bl) / k)
    return int(bl), a * np.sqrt(x_max / d_max), b * np.sqrt(d_max / x_max)


def scales_of(pulse, x, d, lr, g):
    length, d_scale, x_scale = jax.jit(type(pulse).scales)(pulse, x, d, lr, g)
    return float(length), np.asarray(d_scale), np.asarray(x_scale)


def random_configuration(seed: int):
    rng = np.random.default_rng(seed)
    ublm = bool(rng.integers(2))
    fields = {
        "desired_bl": int(rng.choice([1, 7, 40])),  # few: each is compiled anew
        "update_bl_management": ublm,
        "update_management": bool(rng.integers(2)),
        "um_grad_scale": float(rng.choice([1.0, 0.5, 0.25])),
    }
    x = rng.normal(size=6).astype(FLOAT) * FLOAT(10 ** rng.uniform(-2, 1))
    d = rng.normal(size=4).astype(FLOAT) * FLOAT(10 ** rng.uniform(-2, 1))
    lr, g = FLOAT(10 ** rng.uniform(-3, 0)), FLOAT(10 ** rng.uniform(-4, -1))
    return fields, x, d, lr, g


@pytest.mark.parametrize("block", range(4))
def test_forty_configurations(block):
    saturated = 0
    for seed in range(10 * block, 10 * block + 10):
        fields, x, d, lr, g = random_configuration(seed)
        length, d_scale, x_scale = scales_of(jt.pulse.StochasticCompressed(**fields), x, d, lr, g)
        ublm, um = fields["update_bl_management"], fields["update_management"]
        scale = fields["um_grad_scale"]
        bl, a, b = rule(x, d, lr, g, desired_bl=fields["desired_bl"], ublm=ublm, um=um, um_grad_scale=scale)
        assert length == bl
        np.testing.assert_allclose(d_scale, a, rtol=3e-7)
        np.testing.assert_allclose(x_scale, b, rtol=3e-7)
        np.testing.assert_allclose(float(g) * length * float(d_scale) * float(x_scale), lr, rtol=2e-6)  # the mean update
        saturated += float(np.abs(d).max() * d_scale) > 1 + 1e-6
        if ublm or um:
            assert np.abs(x).max() * x_scale <= 1 + 1e-6 or scale < 1  # x never saturates
    assert 0 < saturated < 10


def test_ceil_is_taken_of_the_single_precision_number():
    """lr = 0.01 and g = 0.001 make k = 9.999999 or 10 in single precision, never 10.000001, which would cost a slot."""
    one = np.ones(3, FLOAT)
    assert scales_of(jt.pulse.StochasticCompressed(), one, one, FLOAT(0.01), FLOAT(0.001))[0] == 10


@pytest.mark.parametrize("silent", ["x", "d", "rate"])
@pytest.mark.parametrize("managed", [True, False])
def test_nothing_to_send(silent, managed):
    x, d = np.zeros(3, FLOAT) if silent == "x" else np.ones(3, FLOAT), np.zeros(4, FLOAT) if silent == "d" else np.ones(4, FLOAT)
    pulse = jt.pulse.StochasticCompressed(update_bl_management=managed, update_management=managed)
    length, d_scale, x_scale = scales_of(pulse, x, d, FLOAT(0 if silent == "rate" else 0.1), FLOAT(0.01))
    assert (length, d_scale, x_scale) == (0, 0, 0)
