"""Mean count and deterministic implicit: whole counts exactly as aihwkit rounds them; mean field: their expectation."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import COUNT_PULSES, FLOAT, assert_mean, lines_of
from pulse.test_scales import random_configuration, rule
from pulse.test_trains import G, counts

import jaxtile as jt


def on_grid(p, res):
    return p if res <= 0 else np.rint(p / FLOAT(res)) * FLOAT(res)


@pytest.mark.parametrize("res", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("name", COUNT_PULSES)
def test_counts(name, res):
    busy = 0
    for seed in range(20):
        fields, x, d, lr, g = random_configuration(seed)
        x[2] = 0
        grids = {"res": res} if name == "mean count" else {"x_res_implicit": res, "d_res_implicit": res / 2}
        lines = lines_of.__wrapped__(COUNT_PULSES[name](**fields, **grids), g, jnp.asarray(x), jnp.asarray(d), lr, jr.key(0))
        ublm, um = fields["update_bl_management"], fields["update_management"]
        bl, a, b = rule(x, d, lr, g, desired_bl=fields["desired_bl"], ublm=ublm, um=um, um_grad_scale=fields["um_grad_scale"])
        bl = FLOAT(bl)
        if name == "mean count":
            x_count, d_count = (np.clip(np.rint(bl * on_grid(np.abs(v) * s, res)), 0, bl) for v, s in ((x, b), (d, a)))
            both = np.rint((d_count / bl)[:, None] * x_count[None, :])
        else:
            x_p = np.clip(on_grid(np.abs(x) * b, res), 0, 1)
            d_p = np.clip(on_grid(np.abs(d) * a, res / 2), 0, 1)
            both = np.rint((d_p * bl)[:, None] * x_p[None, :])
            x_count, d_count = np.rint(bl * x_p), np.rint(bl * d_p)
        assert np.array_equal(lines.coincidence, both)
        assert np.array_equal(lines.x_count, x_count)
        assert np.array_equal(lines.d_count, d_count)
        assert np.array_equal(lines.directions(), np.sign(np.outer(d, x)))
        assert (both <= np.minimum(d_count[:, None], x_count[None, :])).all()  # or half pulses would be negative
        busy += both.max() > 2
    assert busy > 5 or res == 1.0


@pytest.mark.parametrize("name", COUNT_PULSES)
def test_ties_go_to_even(name):
    """With BL = 10 and p_x = 1, p_d = 0.25 is 2.5 pulses: 2."""
    pulse = COUNT_PULSES[name](desired_bl=10, update_bl_management=False, update_management=False)
    lines = lines_of(pulse, jnp.asarray(0.125), jnp.ones(1), jnp.array([0.25, 0.75]), 1.25, jr.key(0))
    assert np.asarray(lines.coincidence).ravel().tolist() == [2, 8]


@pytest.mark.parametrize("name", COUNT_PULSES)
def test_stochastic_rounding_keeps_the_mean(name):
    pulse_type = COUNT_PULSES[name]
    grids = ("res",) if name == "mean count" else ("x_res_implicit", "d_res_implicit")
    rate = 0.01 * 0.09 * 10
    size = jnp.full(3, 0.3 / np.sqrt(rate / 0.1), FLOAT)
    pulse = pulse_type(
        desired_bl=10, update_bl_management=False, update_management=False, sto_round=True, **dict.fromkeys(grids, 0.1)
    )
    off_grid = size * 0.9  # p = 0.27, between 0.2 and 0.3

    def sent(key):
        return lines_of.__wrapped__(pulse, G, off_grid, off_grid, rate, key).line_counts()

    rows, columns = jax.jit(jax.vmap(sent))(jr.split(jr.key(1), 4000))
    assert_mean(rows, np.full(3, 2.7))
    assert_mean(columns, np.full(3, 2.7))
    assert set(np.unique(rows)) == {2, 3}


@pytest.mark.parametrize("rate", [0.004, 0.05, 0.8])
def test_mean_field_is_the_expectation_of_the_trains(rate):
    """For trains of a fixed length; with length management the mean field does not round k up, which changes lines, not cells."""
    x, d = np.array([1.0, -0.5, 0.0, 0.25]), np.array([0.8, -0.4, 0.1])
    fields = {"desired_bl": 10, "update_bl_management": False}
    both, rows, columns = counts(jt.pulse.StochasticCompressed(**fields), x, d, rate, samples=8000)
    mean = lines_of(jt.pulse.MeanField(**fields), G, x.astype(FLOAT), d.astype(FLOAT), rate, jr.key(0))
    assert_mean(both, np.asarray(mean.coincidence))
    assert_mean(rows, np.asarray(mean.d_count))
    assert_mean(columns, np.asarray(mean.x_count))


@pytest.mark.parametrize("k", [0.3, 2.4, 8.5])
def test_mean_field_with_length_management(k):
    """Coincidences agree where nothing saturates; the lines send sqrt(BL / ceil(BL)) as much as those of the trains."""
    x, d = np.array([1.0, -0.5, 0.0, 0.25]), np.array([0.8, -0.4, 0.1])
    rate = k * 0.01 / 0.8
    both, rows, _ = counts(jt.pulse.StochasticCompressed(), x, d, rate, samples=8000)
    mean = lines_of(jt.pulse.MeanField(), G, x.astype(FLOAT), d.astype(FLOAT), rate, jr.key(0))
    assert_mean(both, np.asarray(mean.coincidence))
    np.testing.assert_allclose(mean.coincidence, rate * np.abs(np.outer(d, x)) / 0.01, rtol=1e-5)
    assert_mean(rows * np.sqrt(max(k, 1) / np.ceil(k)), np.asarray(mean.d_count))
