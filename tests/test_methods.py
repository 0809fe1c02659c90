"""Programming methods: what each proposes and what it reads."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from helpers import FLOAT, assert_mean, assert_std, mostly_slow
from programs import EVEN, KEY, PERFECT, SHAPE, TARGET, low_rank, make_tile, run

import jaxtile as jt
from jaxtile.programming.inputs import as_inputs
from jaxtile.programming.program_verify import pulses_between
from jaxtile.programming.reading import ideal_reading


def proposal(method, weight, target):
    """The first proposal of a method, for weights that it reads exactly."""
    state = method.init(jt.Datasheet.of(jt.TileConfig(), target.shape), target)
    (x, d), _ = method.propose(ideal_reading(weight, method.probe(state)), target, state, KEY)
    return (x.dense(float) if isinstance(x, jt.UnitVectors) else x), d


# Reading


def test_reads_in_both_directions_are_averaged():
    tile = jt.set_weights(make_tile(io=jt.IOParameters(out_noise=0.5, out_res=-1, inp_res=-1)), TARGET)
    x, d = jnp.eye(9)[:2], jnp.eye(6)[:3]
    many = jax.vmap(lambda key: jt.programming.read(tile, jt.programming.Reads(x, d, times=4), key))(jr.split(KEY, 400))
    exact = ideal_reading(TARGET, jt.programming.Reads(x, d))
    for reading, expected in zip(many, exact, strict=True):
        assert_mean(reading, expected)
        assert_std(np.ravel(reading - expected[None]), 0.25)
    y, e = (np.ravel(reading[:, :2, :3] - expected[None, :2, :3]) for reading, expected in zip(many, exact, strict=True))
    assert_mean(y * e, 0)  # the directions have noise of their own


def test_inputs():
    for width in (1, 5, 9, 16):
        hadamard = as_inputs("inputs", "hadamard")
        h = hadamard.take(jnp.arange(hadamard.count(width)), width)
        np.testing.assert_array_equal(h.T @ h, h.shape[0] * np.eye(width))
    gaussian = jt.programming.Gaussian(n=4000)
    x = gaussian.take(jnp.arange(4000), 9)
    assert_mean(x, 0)
    assert_mean(x**2, 1)
    np.testing.assert_array_equal(gaussian.take(jnp.asarray([17, 3]), 9), x[jnp.asarray([17, 3])])
    assert not np.array_equal(jt.programming.Gaussian(key=jr.key(1)).take(jnp.arange(2), 9), x[:2])


@pytest.mark.parametrize("inputs", ["hadamard", "gaussian"])
def test_gdp_with_dense_inputs(inputs):
    """Enough vectors of entries of size 1, at 1 / their number: the residual shrinks as descent says."""
    method = jt.GDP(learning_rate=1 / 16, batch_size=16, inputs=inputs)
    done = run(make_tile(), TARGET, method, 12)
    if inputs == "hadamard":  # orthogonal: one step
        assert float(done.history["frobenius_error"][1]) < 1e-5
    assert float(done.stats["frobenius_error"]) < 0.1 * float(done.history["frobenius_error"][0])


class Decay(eqx.Module):
    rate: jax.Array

    def __call__(self, step):
        return self.rate ** step.astype(float)


def test_a_schedule_scales_the_steps():
    """The residual of an ideal device is the product of what the rates leave; the numbers of a module are leaves."""

    def left(schedule):
        done = run(make_tile(), TARGET, jt.GDP(learning_rate=0.5, schedule=schedule), 3)
        return done.stats["frobenius_error"] / jnp.linalg.norm(TARGET)

    with jax.numpy_dtype_promotion("standard"):  # optax mixes them
        linear = float(left(optax.linear_schedule(1.0, 0.0, 4)))
    assert linear == pytest.approx(0.5 * 0.625 * 0.75, rel=1e-4)
    rates = jnp.asarray([0.2, 0.5])
    lanes = jax.jit(jax.vmap(lambda rate: left(Decay(rate))))(rates)
    np.testing.assert_allclose(lanes, 0.5 * (1 - 0.5 * rates) * (1 - 0.5 * rates**2), rtol=1e-4)


# Singular vectors


@pytest.mark.parametrize("solver", ["power", "exact"])
def test_several_triplets_a_step(solver):
    target = low_rank(3, rank=4)
    assert float(run(make_tile(), target, jt.SVD(solver=solver, triplets=4), 1).stats["frobenius_error"]) < 1e-5
    assert int(run(make_tile(), target, jt.SVD(refresh=False, triplets=3), 9, tolerance=0).stats["steps"]) == 2


def test_power_iteration_finds_the_rank_through_reads():
    """The first step only reads; then a triplet a step. Rank and block are as large as one another."""
    done = run(make_tile(), TARGET, jt.PowerSVD(block=2), 6)
    errors = np.asarray(done.history["frobenius_error"])
    assert errors[1] == errors[0]
    assert done.result == jt.RESULTS.max_steps_reached
    assert errors[4] < 1e-3


MIDDLE = (48, 72)


@pytest.mark.slow
def test_power_iteration_is_as_good_as_the_oracle_where_read_noise_allows_it():
    """Reads without noise: within 5 % of the oracle; through the default periphery, sixteen times each, within 50 %."""
    target = low_rank(2, MIDDLE, rank=4, norm=1.8)

    def ends(method, io):
        one = jax.jit(lambda seed: run(make_tile(jt.device.SoftBounds(), MIDDLE, seed, io), target, method, 60, record=()).stats)
        return np.mean([float(one(seed)["frobenius_error"]) for seed in range(3)])

    oracle, perfect = ends(jt.SVD(), PERFECT), ends(jt.PowerSVD(), PERFECT)
    noisy = ends(jt.PowerSVD(reads=16, read_noise=0.06), jt.IOParameters())
    assert perfect < 1.05 * oracle
    assert oracle < noisy < 1.5 * oracle


def test_power_iteration_takes_noise_for_noise():
    """A tile that holds its target: what is read is noise, and most of it is not sent."""
    tile = jt.set_weights(make_tile(jt.device.ConstantStep(), MIDDLE, io=jt.IOParameters()), low_rank(2, MIDDLE, rank=4, norm=1.0))
    careful, naive = (run(tile, tile.weight, jt.PowerSVD(read_noise=noise), 10).stats for noise in (0.06, 0.0))
    assert float(careful["frobenius_error"]) < 0.5 * float(naive["frobenius_error"])


def risk(residual, x, d, dw=1e-3, std=0.3, caution=1.0):
    return np.sum((residual - np.outer(d, x)) ** 2) + caution * dw * (1 + std**2) * np.sum(np.abs(d)) * np.sum(np.abs(x))


def test_least_risk():
    """Lower than that of the leading triplet, of nothing, and of any small change; entries that do not pay are zero."""
    rng = np.random.default_rng(0)
    target = np.asarray(low_rank(4, MIDDLE, rank=3, norm=0.15))
    x, d = (np.asarray(v[0], float) for v in proposal(jt.RiskSVD(outlier=jnp.inf), jnp.zeros(MIDDLE), jnp.asarray(target)))
    u, s, v = np.linalg.svd(-target)
    best = risk(-target, x, d)
    assert best < risk(-target, s[0] * v[0], u[:, 0])
    assert best < risk(-target, 0 * x, d)
    assert 0 < np.sum(x == 0) < x.size
    for _ in range(50):
        there, here = 1e-2 * np.abs(x).max() * rng.normal(size=x.size), 1e-2 * np.abs(d).max() * rng.normal(size=d.size)
        assert best <= risk(-target, x + there, d) + 1e-7
        assert best <= risk(-target, x, d + here) + 1e-7
    plain = proposal(jt.RiskSVD(caution=0.0, outlier=jnp.inf), jnp.zeros(MIDDLE), jnp.asarray(target))
    np.testing.assert_allclose(np.outer(plain[1][0], plain[0][0]), s[0] * np.outer(u[:, 0], v[0]), atol=1e-4)


def test_the_risk_is_what_a_step_risks():
    """The mean squared error after one proposal is at most the formula, and nearly that: saturated lines vary less."""
    target = low_rank(4, MIDDLE, rank=1, norm=0.25)
    device = jt.device.ConstantStep(**EVEN | {"dw_min_std": 0.3})
    tile = make_tile(device, MIDDLE)
    x, d = proposal(jt.RiskSVD(outlier=jnp.inf), tile.weight, target)

    def after(key):
        return jnp.sum((jt.update(tile, x, d, learning_rate=1.0, key=key).weight - target) ** 2)

    squares = np.asarray(jax.jit(jax.vmap(after))(jr.split(KEY, 300)))
    expected = risk(-np.asarray(target), np.asarray(x[0]), np.asarray(d[0]))
    error = squares.std() / 300**0.5
    assert 0.75 * expected < squares.mean() < expected + 4 * error


def test_least_risk_stops_by_itself():
    done = run(make_tile(jt.device.ConstantStep(), MIDDLE), low_rank(4, MIDDLE, rank=1, norm=0.3), jt.RiskSVD(caution=2.0), 100)
    assert done.result == jt.RESULTS.stalled
    assert 0 < int(done.stats["steps"]) < 50
    there = make_tile(jt.device.ConstantStep(), MIDDLE)
    assert run(there, there.weight, jt.RiskSVD(outlier=jnp.inf), 3).result == jt.RESULTS.stalled, "nothing is left, and no outlier"


# Program and verify


@pytest.mark.parametrize("kind", [jt.device.ConstantStep, jt.device.SoftBounds, jt.device.ExpStep])
def test_pulses_between_is_the_inverse_of_the_response(kind):
    model = kind(**EVEN)
    rng = np.random.default_rng(0)
    weight, target = (jnp.asarray(rng.uniform(-0.4, 0.4, SHAPE), FLOAT) for _ in range(2))
    count = jnp.rint(pulses_between(model, weight, target)).astype(int)
    cells = model.fabricate(SHAPE, key=None)
    moved = model.pulses(cells, weight, jt.device.Burst(jnp.maximum(count, 0), jnp.maximum(-count, 0)))
    step = jnp.maximum(model.step(cells, target, up=True)[0], model.step(cells, target, up=False)[0])
    assert np.all(np.abs(moved - target) < 0.75 * step)
    assert int(np.abs(count).max()) > 100
    assert np.isfinite(pulses_between(model, weight, 100 * target)).all()


@pytest.mark.parametrize(
    ("lines", "closed_loop"),
    mostly_slow([*itertools.product(("columns", "rows", "cells"), (True, False))], ("rows", True), ("columns", False)),
)
def test_counts_are_met_exactly(lines, closed_loop):
    """Devices all alike, without cycle noise, and stochastic trains: every cell ends within half a step, and the run stalls."""
    model = jt.device.SoftBounds(**EVEN | {"dw_min": 5e-3})
    method = jt.ProgramVerify(model=model, digits=3, lines=lines, batch_size=4, closed_loop=closed_loop)
    done = run(make_tile(model), 0.5 * TARGET, method, 200)
    assert done.result == jt.RESULTS.stalled
    assert float(jnp.max(jnp.abs(done.weight - 0.5 * TARGET))) < (0.51 if closed_loop else 0.75) * 5e-3


def test_lines_differ_and_the_change_does_not():
    weight = low_rank(9)
    changes = []
    for method in (jt.ProgramVerify(), jt.ProgramVerify(lines="rows"), jt.ProgramVerify(lines="cells")):
        x, d = proposal(method, weight, TARGET)
        assert np.all((np.sum(x != 0, axis=1) <= 1) | (np.sum(d != 0, axis=1) <= 1))
        changes.append(np.asarray(d.T @ x))
    np.testing.assert_allclose(changes[1], changes[0], atol=1e-7)
    np.testing.assert_allclose(changes[2], changes[0], atol=1e-7)
    missing = (weight - TARGET) / 1e-3
    np.testing.assert_allclose(changes[0], np.where(np.rint(np.abs(missing)) >= 16, np.sign(missing) * 16e-3, 0), rtol=1e-4)
    x, d = proposal(jt.ProgramVerify(read_out="hadamard"), weight, TARGET)
    np.testing.assert_allclose(d.T @ x, changes[0], atol=1e-6)


def test_hadamard_read_out_has_less_noise():
    """Sixteen patterns on: a sixteenth of the variance."""
    io = jt.IOParameters(out_noise=0.1, out_res=-1, inp_res=-1)
    tile = make_tile(jt.device.ConstantStep(), io=io)
    model = jt.device.ConstantStep(dw_min=1e-6)  # so fine that counts are the weights read, in units of it

    def counts(read_out):
        method = jt.ProgramVerify(model=model, read_out=read_out, closed_loop=False)

        def one(key):
            state = method.init(jt.Datasheet.of(tile.config, SHAPE), TARGET)
            _, state = method.propose(jt.programming.read(tile, method.probe(state), key), 0 * TARGET, state, key)
            return 1e-6 * state.left

        return np.ravel(jax.jit(jax.vmap(one))(jr.split(KEY, 60)))

    assert_std(counts("eye"), 0.1)
    assert_std(counts("hadamard"), 0.025)


def test_one_cell_out_of_reach_does_not_lead():
    """A cell whose target is beyond its bound: with its residual counted in full it is all that steps go to."""
    target = low_rank(4, MIDDLE, rank=3, norm=1.0).at[3, 5].set(2.0)
    tile = make_tile(jt.device.ConstantStep(), MIDDLE)

    def rest(outlier):
        weight = run(tile, target, jt.RiskSVD(outlier=outlier), 60).weight
        return float(jnp.linalg.norm((weight - target).at[3, 5].set(0)))

    with pytest.warns(UserWarning, match="cannot be reached"):
        assert rest(4.0) < 0.8 * rest(jnp.inf)
