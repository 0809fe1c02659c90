"""The datasheet: what it says of every device, and that methods, gates and compensations go by it."""

import dataclasses
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import DEVICES, assert_mean, assert_std, mostly_slow, without_spread
from programs import KEY, PERFECT, low_rank

import jaxtile as jt

SHAPE = (5, 7)
TARGET = low_rank(1, SHAPE, norm=0.6)
HALF = jt.half_select.ConstantRatio(kappa=40.0, phases="active")

STEP = without_spread("constant", dw_min=0.02)
FINE = without_spread("constant", dw_min=0.01, dw_min_std=0.5)
SOFT = without_spread("soft bounds", dw_min=0.02, up_down=0.3)
FIXED = jt.device.SingleFixed
WRAPPED = {
    "write noise": jt.device.WriteNoise(SOFT, write_noise_std=0.5),
    "drift": jt.device.Drifting(jt.device.WriteNoise(SOFT, write_noise_std=0.5), nu=0.1),
    "vector cell, one connected": jt.device.VectorCell(devices=(STEP, SOFT), update_policy=FIXED(index=1), gamma_vec=(1.0, 0.25)),
    "vector cell": jt.device.VectorCell(devices=(SOFT, SOFT)),
    "vector cell, of two kinds": jt.device.VectorCell(devices=(STEP, FINE), gamma_vec=(0.5, 1.0)),
    "vector cell, in turn": jt.device.VectorCell(devices=(STEP, STEP), update_policy=jt.device.SingleSequential()),
    "reference cell": jt.device.ReferenceCell(devices=(SOFT, STEP)),
    "one-sided": jt.device.OneSided(SOFT),
}


def config_of(device, **how):
    return jt.TileConfig(device=device, half_select=HALF, forward=PERFECT, backward=jt.IOParameters(), **how)


def sheet_of(device, shape=SHAPE, **how):
    return jt.Datasheet.of(config_of(device, **how), shape)


def device_named(name):
    return WRAPPED[name] if name in WRAPPED else DEVICES[name]()


# What it says of devices


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("name", mostly_slow(WRAPPED, "vector cell, of two kinds", "one-sided"))
def test_a_pulse_moves_the_weight_by_the_nominal_step(name, up):
    """One pulse for each of 1600 nominal cells at weight zero: the mean of what it does, and its spread from cell to cell."""
    device, shape = WRAPPED[name], (40, 40)
    tile = jt.init(jt.TileConfig(device=device), shape, key=KEY)
    signs = jnp.ones(40), jnp.full(40, -1.0 if up else 1.0)
    after = jt.send(tile, jt.pulse.Trains.from_bits(jnp.ones((40, 1), bool), jnp.ones((40, 1), bool), *signs), key=KEY)
    held = after.device.held if name in ("write noise", "drift") else after.device.weight  # write noise is not of the step
    moved = np.ravel(held(after.state)) * (1 if up else -1)
    mean, spread = device.nominal_step(jnp.zeros((1, 1)), up=up)
    assert_mean(moved, float(device.gain() * mean[0, 0]))
    assert_std(moved, float(device.gain() * spread[0, 0]))


@pytest.mark.parametrize("weight", [0.3, -0.3])
@pytest.mark.parametrize(
    "name", mostly_slow(["drift", "vector cell", "reference cell", "one-sided"], "reference cell", "one-sided")
)
def test_the_nominal_step_depends_on_the_weight(name, weight):
    device, shape = WRAPPED[name], (40, 40)
    tile = jt.set_weights(jt.init(jt.TileConfig(device=device), shape, key=KEY), jnp.full(shape, weight))
    bits = jnp.ones((40, 1), bool)
    for up in (True, False):
        after = jt.send(tile, jt.pulse.Trains.from_bits(bits, bits, jnp.ones(40), jnp.full(40, -1.0 if up else 1.0)), key=KEY)
        moved = (after.device.held if name == "drift" else after.device.weight)(after.state) - weight
        assert_mean(np.ravel(moved) * (1 if up else -1), float(device.nominal_step(jnp.full((1, 1), weight), up=up)[0][0, 0]))


def test_numbers_of_a_sheet():
    sheet = sheet_of(WRAPPED["vector cell, one connected"])
    assert float(sheet.gamma) == 0.25
    assert float(sheet.dw_min) == pytest.approx(0.25 * 0.02 * (1 + 0.7) / 2)
    assert float(sheet.dw_min_std) == pytest.approx(0.3)
    both = sheet_of(WRAPPED["vector cell, of two kinds"])
    assert float(both.dw_min) == pytest.approx(0.5 * 0.02 + 0.01)
    assert float(both.dw_min_std) == pytest.approx(np.hypot(0.3, 0.5) / 2)
    table = sheet_of(DEVICES["table"]())
    assert (float(table.dw_min), float(table.dw_min_std)) == pytest.approx((0.009, 0.3), rel=0.2)
    for device in (jt.device.ConstantStep(), jt.device.SoftBounds(), jt.device.LinearStep(gamma_up=0.5)):
        plain = sheet_of(device)
        assert (plain.dw_min, plain.dw_min_std, plain.gamma) == (device.dw_min, device.dw_min_std, 1.0)
    assert float(plain.kappa) == 40.0
    assert float(plain.read_noise) == pytest.approx(0.06)
    ideal = jt.Datasheet.of(jt.TileConfig(device=jt.device.Ideal(), backward=PERFECT), SHAPE)
    assert (ideal.dw_min, ideal.gamma, ideal.kappa, ideal.read_noise) == (0.0, 1.0, jnp.inf, 0.0)


def test_numbers_of_a_sheet_may_be_traced():
    def numbers(dw_min, gamma):
        part = jt.device.SoftBounds(dw_min=dw_min)
        cell = jt.device.VectorCell(devices=(part, part), update_policy=FIXED(index=0), gamma_vec=jnp.stack([gamma, gamma]))
        return sheet_of(cell).dw_min

    steps, gammas = jnp.asarray([0.01, 0.02]), jnp.asarray([1.0, 0.1])
    np.testing.assert_allclose(jax.jit(jax.vmap(numbers))(steps, gammas), steps * gammas, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(numbers, argnums=(0, 1))(0.02, 0.1), (0.1, 0.02), rtol=1e-5)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: sheet_of(jt.device.ReferenceCell(update_policy=FIXED(index=1))).device, ["ReferenceCell", "counts -1", "connect"]),
        (lambda: jt.Datasheet.of(None, SHAPE).dw_min, ["shape alone", "RiskSVD(dw_min=0.001", "model="]),
        (lambda: jt.OneHotPays()(TARGET), ["OneHotPays.kappa=None", "no datasheet"]),
        (lambda: jt.OneHotPays(kappa=30.0)(TARGET), ["OneHotPays.model=None", "SoftBounds()"]),
        (
            lambda: jt.OneHotPays()(TARGET, jt.Datasheet.of(jt.TileConfig(half_select=jt.half_select.Threshold()), SHAPE)),
            ["OneHotPays.kappa=None", "Threshold()", "pass kappa"],
        ),
    ],
)
def test_what_nobody_says_is_refused(ask, words):
    with pytest.raises(ValueError, match=re.escape(words[0])) as refusal:
        ask()
    for word in words:
        assert word in str(refusal.value)


# Defaults are as the sheet says


@jax.jit
def first_proposals(method, state, reading, target):
    return method.propose(reading, target, state, KEY)[0]


@pytest.mark.parametrize(
    "name",
    mostly_slow([*DEVICES, *WRAPPED], "exp", "vector cell, of two kinds"),
)
def test_defaults_are_the_numbers_of_the_sheet(name):
    """Every method and gate knows the same before the first step, and proposes the same.

    What is proposed comes from two programs, which agree to rounding.
    """
    sheet = sheet_of(device_named(name))
    said = {
        jt.RiskSVD: {"dw_min": sheet.dw_min, "dw_min_std": sheet.dw_min_std},
        jt.PowerSVD: {"read_noise": sheet.read_noise},
        jt.ProgramVerify: {"model": sheet.device},
    }
    for kind, numbers in said.items():
        default, written = kind(), kind(**numbers)
        states = [method.init(sheet, TARGET) for method in (default, written)]
        assert eqx.tree_equal(*states)
        if kind is not jt.PowerSVD:  # which only reads at first
            probe = default.probe(states[0])
            reading = jt.programming.reading.ideal_reading(jnp.zeros_like(TARGET), probe)
            proposals = [
                first_proposals(method, state, reading, TARGET) for method, state in zip((default, written), states, strict=True)
            ]
            assert eqx.tree_equal(*proposals, rtol=1e-5, atol=1e-6)
            assert np.any(proposals[0][1])
    gate = jt.OneHotPays(model=sheet.device, kappa=sheet.kappa, phases="active")
    assert jt.OneHotPays().boundary(TARGET, sheet) == gate.boundary(TARGET)
    assert jt.OneHotPays()(TARGET, sheet) == gate(TARGET)


@pytest.mark.parametrize("name", mostly_slow(["write noise", "vector cell, one connected"], "write noise"))
@pytest.mark.slow
def test_a_run_of_defaults_is_a_run_of_the_numbers_of_the_sheet(name):
    """A chain of all of them, one compiled program for both."""
    tile = jt.init(config_of(device_named(name)), SHAPE, key=KEY)
    sheet = jt.Datasheet.of(tile.config, SHAPE)

    def chain(risk, verify, gate):
        return jt.chain(jt.Stage(risk, until=jt.After(2)), jt.Stage(verify, when=gate))

    @jax.jit
    def both(tile, numbers, model):
        risk = jt.RiskSVD(dw_min=numbers[0], dw_min_std=numbers[1])
        gate = jt.OneHotPays(model=model, kappa=numbers[2], phases="active")
        written = chain(risk, jt.ProgramVerify(model=model), gate)
        defaults = chain(jt.RiskSVD(), jt.ProgramVerify(), jt.OneHotPays())
        run = {"key": KEY, "max_steps": 7, "tolerance": 0, "record": ("frobenius_error",)}
        return [jt.program(tile, 0.5 * TARGET, method, **run) for method in (defaults, written)]

    ends = both(tile, (sheet.dw_min, sheet.dw_min_std, sheet.kappa), sheet.device)
    # A checkpoint names the method, and so tells defaults from numbers.
    jax.tree.map(np.testing.assert_array_equal, *(dataclasses.replace(end, checkpoint=None) for end in ends))
    assert ends[0].history["frobenius_error"][7] < ends[0].history["frobenius_error"][0]


@pytest.mark.parametrize(
    "compensation",
    [
        jt.compensation.Gain(),
        jt.compensation.Sparsify(caution=2.0),
        pytest.param(jt.compensation.Expected(steps=2), marks=pytest.mark.slow),
    ],
)
def test_compensations_see_the_device_within_its_wrapper(compensation):
    x, d = 0.2 * jr.normal(KEY, (1, 7)), 0.2 * jr.normal(jr.key(1), (1, 5))
    half_select, rate = jt.half_select.ConstantRatio(kappa=40.0), jnp.asarray(0.5)

    @jax.jit
    def send(config):
        sheet = jt.Datasheet.of(config, SHAPE)
        compensation.check(sheet)
        return compensation(x, d, sheet, 0.3 * TARGET, rate)

    bare, *around = (
        send(jt.TileConfig(device, half_select=half_select)) for device in (SOFT, *map(WRAPPED.get, ("write noise", "drift")))
    )
    for sent in around:
        jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7), bare, sent)


@pytest.mark.slow
def test_each_stage_has_the_sheet_of_the_device_that_it_writes():
    """Given the size of a step of one device, and told nothing at all: the same runs, device by device."""
    cell = jt.device.VectorCell(devices=(STEP, STEP), update_policy=FIXED(index=0), gamma_vec=(1.0, 0.05))
    tile = jt.init(config_of(cell), SHAPE, key=KEY)
    for told, untold in (
        (jt.RiskSVD(dw_min=0.02, dw_min_std=0.3), jt.RiskSVD()),
        (jt.ProgramVerify(model=STEP), jt.ProgramVerify()),
    ):
        ends = []
        for method in (told, untold):
            chain = jt.residual(method, (1.0, 0.05), until=jt.After(5))
            ends.append(jt.program(tile, TARGET, chain, key=KEY, max_steps=10, tolerance=0, record=()).tile.state)
        for one, other in zip(*map(jax.tree.leaves, ends), strict=True):  # of two programs
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
        assert np.any(ends[0].devices[1])


# What that is worth


def ends(method, dw_min, shape=(24, 32), steps=60):
    """Relative error and pulses per cell on six chips of soft bounds."""
    target = low_rank(1, shape, rank=3, norm=1.5)

    def run(key):
        device = jt.device.SoftBounds(dw_min=dw_min)
        tile = jt.init(jt.TileConfig(device=device, forward=PERFECT, backward=PERFECT), shape, key=key)
        stats = jt.program(tile, target, method, key=key, max_steps=steps, tolerance=0, record=()).stats
        return stats["frobenius_error"] / jnp.linalg.norm(target), stats["full_pulses"]

    return jax.vmap(run)(jr.split(KEY, 6))


def test_defaults_are_right_where_steps_are_large():
    """Twenty times the step that a method once took for granted: a third of the pulses, and two thirds of the error at most."""
    many = jax.jit(lambda dw_min: [ends(method, dw_min) for method in (jt.RiskSVD(), jt.RiskSVD(dw_min=0.001, dw_min_std=0.3))])
    (right, few), (wrong, most) = many(0.02)
    assert np.all(right < 0.67 * wrong)
    assert np.all(few < most / 3)


@pytest.mark.slow
def test_verifying_depends_on_the_size_of_steps():
    """A pulse too many or too few is worth a step: the error falls with it, as the runs of a model that is given do."""
    steps = jnp.asarray([0.05, 0.02, 0.005])
    error, _ = jax.jit(jax.vmap(lambda dw_min: ends(jt.ProgramVerify(), dw_min)))(steps)
    assert np.all(np.diff(np.mean(error, axis=1)) < -0.02)
