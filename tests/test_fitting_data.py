"""Fits to data as laboratories have them: in any unit, with gaps, of one direction, with stuck devices, and from files."""

import warnings

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import mostly_slow
from scipy.stats import norm

from jaxtile.device import Conductance, ConstantStep, Curves, ExpStep, LinearStep, PowStep, SoftBounds, fit, measure
from jaxtile.fitting.checks import check_weights

PULSES = np.tile(np.repeat([1.0, -1.0], 40), 2)
SPREAD = {"dw_min_dtod": 0.2, "up_down_dtod": 0.05, "w_max_dtod": 0.1, "w_min_dtod": 0.1}
TRUTH = SoftBounds(dw_min=0.03, up_down=-0.2, w_max=0.8, w_min=-0.7, **SPREAD)
WEIGHTS = np.array(measure(TRUTH, PULSES, n_devices=12, read_std=0.003, key=jr.key(0)), np.float64)
WIDE = {"w_max": 2.0, "w_min": -2.0}
KINDS = {
    "soft bounds": SoftBounds(),
    "pow": PowStep(),
    "linear": LinearStep(**WIDE),
    "constant": ConstantStep(**WIDE),
    "exp": ExpStep(A_up=0.1, A_down=0.1, gamma_up=3.0, gamma_down=3.0, a=2.0, b=0.0, **WIDE),
}


@pytest.fixture(scope="module")
def complete():
    return fit(SoftBounds(), WEIGHTS, PULSES)


@pytest.mark.parametrize("kind", mostly_slow(KINDS, "soft bounds"))
def test_the_answer_is_the_same_in_every_unit(kind):
    """Units that differ by a power of ten: what is in weight units goes with them, everything else stays."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bounds that are held
        for unit in (1.0, 1e-6, 1e3):  # normalised, S for uS, and back beyond
            found[unit] = fit(KINDS[kind], WEIGHTS * unit, PULSES)
    one = found.pop(1.0)
    assert bool(one.converged.all())
    for unit, other in found.items():
        assert float(other.unit) == pytest.approx(unit)
        np.testing.assert_array_equal(other.converged, one.converged)
        np.testing.assert_allclose(np.asarray(other.response) / unit, one.response, atol=2e-3)
        for name, value in one.estimates.items():
            factor = unit if name in ("dw_min", "w_max", "w_min", "read_std") else 1.0
            error = 0.05 * np.asarray(one.standard_errors[name]) + 1e-3 * np.abs(value)
            assert (np.abs(np.asarray(other.estimates[name]) / factor - value) < error + 1e-4).all(), name
        likelihood = np.asarray(other.log_likelihood) + np.asarray(other.counted) * np.log(unit)  # a density, per unit
        np.testing.assert_allclose(likelihood, one.log_likelihood, atol=0.3)


def test_a_guessed_unit_is_said_where_a_bound_is_held():
    with pytest.warns(UserWarning, match=r"a weight of 1 of the device is taken for 1e-06, also in w_max, w_min, which is held"):
        fit(ConstantStep(**WIDE), WEIGHTS * 1e-6, PULSES)


def test_weights_that_may_be_of_another_unit_are_told():
    """A tenth is within what counts as the same unit, and the bounds that are held shape an exponential step."""
    names, weights = (*ExpStep.response, "dw_min_std"), jnp.asarray(WEIGHTS * 0.1)
    with pytest.warns(UserWarning, match=r"weights reach 0.03\d* of the range of device=, whose w_max and w_min.*such as unit=0.1"):
        check_weights(KINDS["exp"], names, weights, jnp.ones(()), told=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_weights(KINDS["exp"], names, weights, jnp.ones(()), told=True)
        check_weights(KINDS["constant"], ("dw_min", "up_down", "dw_min_std"), weights, jnp.ones(()), told=False)


@pytest.mark.slow
def test_a_unit_that_is_told_gives_the_same_answer():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bounds that are held
        one, tenth = fit(KINDS["exp"], WEIGHTS, PULSES), fit(KINDS["exp"], WEIGHTS * 0.1, PULSES, unit=0.1)
    np.testing.assert_allclose(np.asarray(tenth.estimates["dw_min"]) * 10, one.estimates["dw_min"], rtol=0.02)
    np.testing.assert_allclose(tenth.estimates["A_up"], one.estimates["A_up"], rtol=0.05, atol=1e-3)


@pytest.mark.parametrize("kind", mostly_slow([ConstantStep, SoftBounds, LinearStep, PowStep], LinearStep))
def test_held_parameters_without_spread(kind):
    """The mean of the population is that of the estimates, whatever is held at its default."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bounds that are held
        found = fit(kind(), WEIGHTS, PULSES, parameters="dw_min")
    assert float(found.device.dw_min) == pytest.approx(float(np.mean(found.estimates["dw_min"])), rel=1e-3)
    assert float(found.device.dw_min_dtod) > 0.05


def test_a_slope_is_found_from_a_start_of_zero():
    """The modulus has no derivative there: gamma of soft bounds is 1 at the true bounds."""
    start = LinearStep(w_max=0.8, w_min=-0.7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a device may reach farther than the mean bound
        found = fit(start, WEIGHTS, PULSES)
    for name in ("gamma_up", "gamma_down"):
        assert float(getattr(found.device, name)) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("every", [2, 5, 10])
def test_reads_after_every_nth_pulse(every, complete):
    """The estimates agree with those of all reads within their standard errors."""
    seen = np.where(np.arange(PULSES.size + 1) % every == 0, WEIGHTS, np.nan)
    found = fit(SoftBounds(), seen, PULSES)
    assert bool(found.converged.all())
    for name in ("dw_min", "w_max", "w_min"):
        off = np.asarray(found.estimates[name] - complete.estimates[name]) / np.asarray(found.standard_errors[name])
        assert (np.abs(off) < 4.5).all(), name


def test_a_new_start_in_the_middle(complete):
    """A reset after a third of the record: what it did is no step, and the estimates stay within their errors."""
    at = PULSES.size // 3
    pulses, weights = PULSES.copy(), WEIGHTS.copy()
    pulses[at] = np.nan
    weights[:, at + 1 :] = np.array(measure(TRUTH, PULSES[at + 1 :], n_devices=12, start=0.4, read_std=0.003, key=jr.key(0)))
    found = fit(SoftBounds(), weights, pulses)
    assert bool(found.converged.all())
    np.testing.assert_array_equal(np.asarray(found.residuals)[:, at], 0)
    np.testing.assert_allclose(np.asarray(found.response)[:, at + 1], weights[:, at + 1], rtol=1e-6)
    assert (np.asarray(found.counted) == PULSES.size - 1).all()
    for name in ("dw_min", "w_max", "w_min"):
        off = np.asarray(found.estimates[name] - complete.estimates[name]) / np.asarray(found.standard_errors[name])
        assert (np.abs(off) < 4.5).all(), name


def test_one_direction_holds_what_it_says_nothing_of(complete):
    with pytest.warns(UserWarning, match=r"one direction \(up\) say nothing about up_down, w_min, which stays as in device="):
        found = fit(SoftBounds(), WEIGHTS[:, :41], PULSES[:40])
    assert float(found.device.w_min) == pytest.approx(-0.6)
    assert float(found.device.w_max) == pytest.approx(float(complete.device.w_max), rel=0.1)
    assert found.estimates.keys() == {"dw_min", "w_max", "dw_min_std", "read_std"}


def test_stuck_devices_do_not_converge(complete):
    """Neither constant ones nor those that show read noise alone; the others are the population."""
    weights = WEIGHTS.copy()
    weights[:2] = 0.2
    weights[2:5] = 0.2 + 0.003 * np.random.default_rng(0).normal(size=(3, PULSES.size + 1))
    found = fit(SoftBounds(), weights, PULSES)
    np.testing.assert_array_equal(found.converged, np.arange(12) > 4)
    assert float(found.device.w_max) == pytest.approx(float(np.mean(complete.estimates["w_max"][5:])), abs=0.03)
    with pytest.raises(ValueError, match="none of 12 devices converged"):
        fit(SoftBounds(), 0 * WEIGHTS, PULSES)


def test_a_start_at_the_end_of_a_domain(complete):
    found = fit(SoftBounds(up_down=1.0), WEIGHTS, PULSES)
    for name in ("dw_min", "up_down", "w_max", "w_min"):
        assert float(getattr(found.device, name)) == pytest.approx(float(getattr(complete.device, name)), rel=0.02, abs=1e-3)


def test_the_likelihood_tells_kinds_apart_and_is_that_of_normal_residuals(complete):
    """log L is the sum of the log densities of the innovations, e = residual x spread; kinds are told apart by it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bounds that are held
        constant = fit(KINDS["constant"], WEIGHTS, PULSES)
    assert float(np.mean(complete.aic)) < float(np.mean(constant.aic)) - 100
    assert float(np.mean(complete.bic)) < float(np.mean(constant.bic)) - 100
    # Of reads that are noise alone, in closed form: an ideal device that a pulse moves by exactly 0.01.
    rng, read_std = np.random.default_rng(0), 0.05
    pulses = np.repeat([1.0, -1.0], 80)
    weights = np.cumsum(0.01 * np.r_[0.0, pulses]) + read_std * rng.normal(size=(12, 161))
    found = fit(KINDS["constant"], weights, pulses, read_std=read_std)
    errors = weights - np.cumsum(0.01 * np.r_[0.0, pulses])
    # iid normal around a start that is not known, times the chance of the first measurement: see `_stuck`
    at = errors - errors.mean(axis=1, keepdims=True)
    expected = norm.logpdf(at, scale=read_std).sum(axis=1) + 0.5 * np.log(2 * np.pi * read_std**2 / 161)
    gain = np.asarray(found.log_likelihood) - expected  # of the parameters that were estimated: half of chi squared of 3
    assert (gain > -0.5).all()
    assert gain.mean() < 1.5 + 4.5 * np.sqrt(1.5 / 12) + 1
    assert (np.asarray(found.counted) == 160).all()
    assert found.unknowns == 3


def test_conductances_and_back():
    line = Conductance(10.0, 110.0)  # uS
    np.testing.assert_allclose(line.weight([10.0, 60.0, 110.0]), [-1, 0, 1])
    np.testing.assert_allclose(line.conductance(line.weight(np.array([12.0, 90.0]))), [12, 90], rtol=1e-6)
    with pytest.raises(ValueError, match="g_min=5 must be below g_max=1"):
        Conductance(5.0, 1.0)


WIDE_FILE = "pulse;A;B\n;0,0;0,1\n1;0,1;\n1;;0,3\n-1;0,05;0,2\n;-1,0;-0,5\n2;-0,8;\n"
LONG_FILE = "device,pulse,g\n7,,0\n7,1,.1\n9,,.1\n7,1,\n9,2,.3\n7,-1,.05\n9,-1,.2\n9,,-.5\n7,,-1\n7,2,-.8\n9,2,\n"


@pytest.mark.parametrize(("text", "names"), [(WIDE_FILE, ("A", "B")), (LONG_FILE, ("7", "9"))])
def test_curves_from_a_file(tmp_path, text, names):
    """A wide and a long file of the same records: gaps, two pulses before one read, a new start, different lengths."""
    path = tmp_path / "curves.csv"
    path.write_bytes(text.encode("utf-16"))
    found = Curves.from_csv(path)
    nan = np.nan
    assert found.names == names
    np.testing.assert_array_equal(found.weights[0], [0, 0.1, nan, 0.05, -1, nan, -0.8])
    np.testing.assert_array_equal(found.pulses[0], [1, 1, -1, nan, 1, 1])
    np.testing.assert_array_equal(found.weights[1, :5], [0.1, nan, 0.3, 0.2, -0.5])
    np.testing.assert_array_equal(found.pulses[1], [1, 1, -1, nan, 1, 1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'no column "pulse"'),
        ("A,B\n0,1\n", 'no column "pulse"'),
        ("0,1\n1,2\n", 'no column "pulse"'),
        ("pulse\n1\n", "no measurements"),
        ("pulse,A\n", "no measurements"),
        ("pulse,A,a\n,0,1\n", "line 1: 'A' names columns 2, 3"),
        ("pulse,A\n,0\n1e9,1\n", r"line 3: 1e\+09 is no number of pulses"),
        ("pulse,A\n,0\n1.5,1\n", "line 3: 1.5 is no number of pulses"),
        ("pulse,A\n,0\n" + "".join(f"{n},{n}\n" for n in range(1, 9)), "line 3: pulse counts on, 1, 2, 3"),
        ("pulse,A,B\n,0,\n1,.1,\n", "a device was not measured once"),
        ("device,pulse,g,V\n1,,0,1\n", "one column of weight, conductance or g"),
        ("pulse,A\n,0\nup,1\n", "could not convert string 'up' to a number in line 3, column 1"),
    ],
)
def test_curves_that_cannot_be_read(tmp_path, text, message):
    path = tmp_path / "curves.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"^curves .*curves.csv: .*{message}"):
        Curves.from_csv(path)
