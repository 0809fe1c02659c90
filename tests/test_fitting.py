"""Fits to synthetic measurements find the devices that made them, within the errors that they state."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_mean, mostly_slow

import jaxtile as jt
from jaxtile.device import (
    ConstantStep,
    ExpStep,
    LinearStep,
    PiecewiseStep,
    PowStep,
    PowStepReference,
    SoftBounds,
    SoftBoundsPmax,
    SoftBoundsReference,
)
from jaxtile.fitting import checks, innovations, population

UP_DOWN = np.concatenate([np.ones(75), -np.ones(75)])
SPREAD = {"dw_min_dtod": 0.2, "up_down_dtod": 0.05, "w_max_dtod": 0.0, "w_min_dtod": 0.0}
WIDE = {"w_max": 2.0, "w_min": -2.0}  # so that no weight meets a hard bound
EXP = {"a": 2.0, "b": 0.0, **WIDE}

BOUNDED = {"dw_min": 0.03, "up_down": -0.2, "w_max": 0.8, "w_min": -0.7} | SPREAD | {"w_max_dtod": 0.1, "w_min_dtod": 0.1}
POW = BOUNDED | {"dw_min": 0.08, "pow_gamma": 1.5, "pow_gamma_dtod": 0.1, "pow_up_down": 0.2, "pow_up_down_dtod": 0.05}

# name: (the devices, where the search starts, the first weight, read noise, whether it is known)
CASES = {
    "constant": (ConstantStep(dw_min=0.01, up_down=0.1, **SPREAD, **WIDE), ConstantStep(**WIDE), 0.0, 0.0, True),
    "soft bounds": (SoftBounds(**BOUNDED), SoftBoundsPmax(), 0.0, 0.003, False),
    "linear": (
        LinearStep(dw_min=0.03, up_down=0.2, gamma_up=1.0, gamma_down=0.8, **SPREAD, **WIDE),
        *(LinearStep(gamma_up=0.3, gamma_down=0.3, **WIDE), 0.0, 0.003, False),
    ),
    "exp": (
        ExpStep(dw_min=0.025, up_down=0.2, A_up=0.03, A_down=0.04, gamma_up=3.0, gamma_down=3.5, **EXP, **SPREAD),
        *(ExpStep(dw_min=0.01, A_up=0.1, A_down=0.1, gamma_up=3.0, gamma_down=3.5, **EXP), -0.8, 0.003, False),
    ),
}
# A few devices each, and the parameters to estimate if not those of the kind.
FEW = {
    "reference": (SoftBoundsReference(reference_mean=0.1, **BOUNDED), SoftBoundsReference(reference_mean=0.1), None),
    "an unknown reference": (
        SoftBoundsReference(reference_mean=0.1, reference_std=0.05, **BOUNDED | SPREAD),
        SoftBoundsReference(w_max=0.8, w_min=-0.7),
        ("dw_min", "up_down", "reference_mean"),
    ),
    "pow": (PowStep(**POW), PowStep(), None),
    "pow, its symmetry point as reference": (
        PowStepReference(subtract_symmetry_point=True, **POW | {"w_min_dtod": 0.0}),
        PowStepReference(subtract_symmetry_point=True, w_min=-0.7),
        ("dw_min", "up_down", "w_max", "pow_gamma", "pow_up_down"),
    ),
}
# Of few devices a fit compiles for longer than it runs.
fit_few = jax.jit(jt.device.fit, static_argnames=("parameters", "max_steps"))


def measure(device, pulses, **options):
    """Simulated measurements, and the cells that they are of."""
    weights = jt.device.measure(device, pulses, key=jr.key(0), **options)
    return device.fabricate((1, len(weights)), key=jr.key(0)), np.array(weights)


def truths(device, cells):
    """The parameters that describe each cell by itself."""
    cell = {name: np.asarray(value, np.float64)[0] for name, value in vars(cells).items()}
    true = {}
    for pair, (up, down) in (
        (("dw_min", "up_down"), (cell["step_up"], cell["step_down"])),
        (("pow_gamma", "pow_up_down"), (cell.get("gamma_up", 1.0), cell.get("gamma_down", 1.0))),
    ):
        true |= dict(zip(pair, (np.maximum(up, down), np.where(up > down, 1 - down / up, up / down - 1)), strict=True))
    reference = cell.get("reference", 0.0)
    true |= {"w_max": cell["w_max"] + reference, "w_min": cell["w_min"] + reference, "reference_mean": reference}
    if isinstance(device, LinearStep):
        for way, bound in (("up", "w_max"), ("down", "w_min")):
            true[f"gamma_{way}"] = -cell[f"slope_{way}"] * float(getattr(device, bound)) / cell[f"step_{way}"]
    return {name: np.asarray(getattr(device, name)) for name in ("dw_min_std", *device.response)} | true


@pytest.mark.parametrize("name", mostly_slow(CASES, "constant"))
def test_a_thousand_devices(name):
    """Each parameter is within one (two) standard errors as often as a normal would be, and the population comes back.

    The gates: 4.5 standard deviations of a binomial of 1000, and 2.5 percent for what is not normal about finite data. Devices whose
    steps are as large up as down are left out: "dw_min" is the larger of the two, and the larger of two equals is not normal.
    """
    truth, start, first, read_std, known = CASES[name]
    pulses = np.tile(UP_DOWN, 2)
    cells, weights = measure(truth, pulses, n_devices=1000, start=first, read_std=read_std)
    found = jt.device.fit(start, weights, pulses, read_std=read_std if known else None)
    assert found.converged.mean() > 0.98
    true = truths(truth, cells) | {"read_std": np.asarray(read_std)}
    assert found.estimates.keys() == {"dw_min_std", "read_std", *truth.response}
    for parameter in found.estimates.keys() - ({"read_std"} if known else set()):
        estimate = found.estimates[parameter]
        off = np.abs((estimate - true[parameter]) / found.standard_errors[parameter])
        for errors, share in ((1, 0.6827), (2, 0.9545)):
            gate = 4.5 * np.sqrt(share * (1 - share) / len(weights)) + 0.025
            assert abs(np.mean(off < errors) - share) < gate, (parameter, errors, np.mean(off < errors))

    # What was fabricated, rather than what it was drawn from: a sample of 1000 has a mean of its own.
    made = {"dw_min": float(jnp.mean(cells.step_up + cells.step_down)) / (2 - abs(float(truth.up_down)))}
    made["dw_min_dtod"] = float(jnp.std(cells.step_up + cells.step_down)) / (2 * made["dw_min"])
    made["up_down_dtod"] = float(jnp.std(cells.step_up - cells.step_down)) / (2 * made["dw_min"])
    for parameter, value in made.items():
        assert float(getattr(found.device, parameter)) == pytest.approx(value, rel=0.15 if parameter == "up_down_dtod" else 0.03)
    assert float(found.device.up_down) == pytest.approx(float(truth.up_down), abs=0.01)
    assert float(found.device.dw_min_std) == pytest.approx(float(truth.dw_min_std), rel=0.05)
    assert_mean(np.asarray(found.residuals).mean(axis=1), 0.0, z=6)
    assert float(found.residuals.std()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", mostly_slow(FEW, "an unknown reference"))
def test_a_few_devices(name):
    """Each parameter within two standard errors as often as a normal would be, and within three percent (or errors) on average."""
    truth, start, parameters = FEW[name]
    pulses = np.tile(UP_DOWN, 2)
    cells, weights = measure(truth, pulses, n_devices=60, read_std=0.003)
    found = fit_few(start, weights, pulses, parameters=parameters)
    assert found.converged.mean() > 0.9
    true = truths(truth, cells)
    assert found.estimates.keys() == {"dw_min_std", "read_std", *(parameters or truth.response)}
    for parameter in found.estimates.keys() - {"read_std", "dw_min_std"}:
        error = np.asarray(found.standard_errors[parameter])
        off = np.asarray(found.estimates[parameter] - true[parameter]) / error
        assert np.mean(np.abs(off) < 2) > 0.9545 - 4.5 * np.sqrt(0.9545 * 0.0455 / len(weights)), parameter
        mean = np.mean(np.broadcast_to(true[parameter], error.shape))
        if parameter in ("w_max", "w_min", "pow_gamma", "reference_mean"):
            slack = 4.5 * np.sqrt(np.mean(error**2) / len(weights)) + 0.03 * abs(mean)
            assert abs(float(getattr(found.device, parameter)) - mean) < slack, parameter
    if name == "an unknown reference":
        assert float(found.device.reference_std) == pytest.approx(float(np.std(true["reference_mean"])), rel=0.15)
    if "pow_gamma" in found.estimates:
        assert float(found.device.pow_gamma_dtod) == pytest.approx(0.1, abs=0.04)


def test_weights_outside_of_fixed_bounds_warn():
    weights, quiet = jnp.linspace(0.0, 0.9, 31)[None], jnp.zeros(1)
    with pytest.warns(UserWarning, match=r"weights reach 0.9 .* device.w_max=0.6, which is held fixed: .* 'w_max' among"):
        checks.check_bounds(ConstantStep(), ("dw_min",), weights, quiet)
    with pytest.warns(UserWarning, match=r"weights reach -0.9 .* device.w_min=-0.6, which"):
        checks.check_bounds(ConstantStep(), ("dw_min",), -weights, quiet)
    for device, names, read_std in (
        (ConstantStep(), (), 0.1),  # by read noise
        (SoftBounds(), SoftBounds.response, 0.0),
        (SoftBoundsReference(reference_mean=-0.4), (), 0.0),
    ):
        checks.check_bounds(device, names, weights, quiet + read_std)


def test_perfect_bias_is_of_the_tile_and_not_of_the_devices_that_are_fitted():
    """A column of nominal devices with wide bounds; the population keeps it."""
    plain, biased = (innovations.stepper(SoftBounds(perfect_bias=bias)) for bias in (False, True))
    at = jnp.asarray(0.3), jnp.asarray(1.0)
    assert [float(a) for a in plain(*at)] == [float(a) for a in biased(*at)] == pytest.approx([0.0005, 0.00015])
    stuck = innovations.stepper(SoftBounds(corrupt_devices_prob=1.0))
    assert float(stuck(*at)[0]) == pytest.approx(0.0005)


@pytest.mark.parametrize(
    ("device", "parameters"), [(PiecewiseStep(), None), (PiecewiseStep(), ("dw_min", "piecewise_up")), ("table", None)]
)
def test_arrays_are_for_tables(device, parameters):
    if device == "table":
        device = jt.device.Table(state=[-1.0, 1.0], up=[0.1, 0.1], down=[0.1, 0.1])
    with pytest.raises(ValueError, match=r"jaxtile\.device\.Table\.from_pulses\(weights, pulses\)"):
        jt.device.fit(device, np.zeros((2, 9)), np.ones(8), parameters=parameters)


def test_missing_measurements_and_reads_without_pulses():
    """A missing measurement is two pulses before the next; reads without pulses tell read noise."""
    pulses = np.concatenate([np.tile([1.0, 0.0], 60), np.tile([-1.0, 0.0], 60)])
    truth = ConstantStep(dw_min=0.01, dw_min_std=1.0, dw_min_dtod=0.0, up_down=0.3, up_down_dtod=0.0, **WIDE)
    _, weights = measure(truth, pulses, n_devices=40, read_std=0.01)
    weights[:, 30:60] = np.nan
    found = fit_few(ConstantStep(**WIDE), weights, pulses)
    assert bool(found.converged.all())
    for parameter, true in (("dw_min", 0.01), ("read_std", 0.01), ("up_down", 0.3)):
        off = np.abs((found.estimates[parameter] - true) / found.standard_errors[parameter])
        assert np.mean(off < 2) > 0.9545 - 4.5 * np.sqrt(0.9545 * 0.0455 / 40)
    assert not np.asarray(found.residuals)[:, 29:59].any()
    assert bool(jnp.isfinite(found.device.dw_min))


def test_a_device_of_ones_own_under_jit():
    """Any device can be fitted; a parameter of one's own has the domain that its field states."""

    class Quadratic(jt.device.AbstractPulsedDevice):
        bend: jax.Array = jt.device.number(0.1, low=0.0)

        def step(self, cells, weight, *, up):
            size = (cells.step_up if up else cells.step_down) * (1 - self.bend * weight**2)
            return size, self.dw_min_std * size

    truth = Quadratic(dw_min=0.02, bend=0.5, **SPREAD, **WIDE)
    _, weights = measure(truth, UP_DOWN, n_devices=30)
    found = fit_few(Quadratic(**WIDE), weights, UP_DOWN, parameters=("dw_min", "bend"))
    assert float(found.device.bend) == pytest.approx(0.5, abs=0.1)
    assert found.estimates.keys() == {"dw_min", "bend", "dw_min_std", "read_std"}


def test_a_log_normal_spread_is_found_as_that_of_the_logarithm():
    """From what is known of each device without error."""
    step = 0.01 * jnp.exp(0.5 * jr.normal(jr.key(0), (20000,)))
    traits = {
        "dw_min, sum": 2 * step,
        "dw_min, difference": jnp.zeros_like(step),
        "dw_min": step,
        "dw_min_std": jnp.full_like(step, 0.3),
    }
    errors = {name: jnp.full_like(step, 1e-6) for name in traits}
    device = jt.device.ConstantStep(dw_min_dtod_log_normal=True)
    found = population.population(device, traits, errors, jnp.ones(step.shape, bool))
    assert float(found["dw_min"]) == pytest.approx(0.01, rel=0.03)
    assert float(found["dw_min_dtod"]) == pytest.approx(0.5, rel=0.03)
