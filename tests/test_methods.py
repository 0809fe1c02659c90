"""Programming methods: what each proposes, what it reads, and what chains of them reach."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from helpers import assert_mean, assert_std

import jaxtile as jt
from jaxtile.programming.inputs import as_inputs
from jaxtile.programming.program_verify import pulses_between
from jaxtile.programming.reading import wanted

KEY = jr.key(7)
SHAPE = (6, 9)
PERFECT = jt.IOParameters(is_perfect=True)
EVEN = {"dw_min_dtod": 0.0, "up_down_dtod": 0.0, "dw_min_std": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0}


def low_rank(seed, shape=SHAPE, rank=2, norm=0.8):
    return jt.targets.low_rank(shape, rank, spectral_norm=norm, key=jr.key(seed))


TARGET = low_rank(1)


def make_tile(device=None, shape=SHAPE, seed=0, io=PERFECT, **config):
    device = jt.device.Ideal() if device is None else device
    return jt.init(jt.TileConfig(device=device, forward=io, backward=io, **config), shape, key=jr.key(seed))


def run(tile, target, method, max_steps, **options):
    return jt.program(tile, target, method, key=KEY, max_steps=max_steps, **{"tolerance": 0} | options)


def proposal(method, weight, target):
    """What a method proposes first, for weights that it reads exactly."""
    state = method.init(target.shape, target)
    (x, d), _ = method.propose(wanted(weight, method.probe(state)), target, state, KEY)
    return (x.dense(float) if isinstance(x, jt.UnitVectors) else x), d


# Reading


def test_reads_in_both_directions_are_averaged():
    tile = jt.set_weights(make_tile(io=jt.IOParameters(out_noise=0.5, out_res=-1, inp_res=-1)), TARGET)
    x, d = jnp.eye(9)[:2], jnp.eye(6)[:3]
    many = jax.vmap(lambda key: jt.programming.read(tile, jt.programming.Reads(x, d, times=4), key))(jr.split(KEY, 400))
    exact = wanted(TARGET, jt.programming.Reads(x, d))
    for reading, expected in zip(many, exact, strict=True):
        assert_mean(reading, expected)
        assert_std(np.ravel(reading - expected[None]), 0.25)
    y, e = (np.ravel(reading[:, :2, :3] - expected[None, :2, :3]) for reading, expected in zip(many, exact, strict=True))
    assert_mean(y * e, 0)  # the directions have noise of their own


def test_inputs():
    for width in (1, 5, 9, 16):
        hadamard = as_inputs("hadamard")
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
    weight, target = (jnp.asarray(rng.uniform(-0.4, 0.4, SHAPE), jnp.float32) for _ in range(2))
    count = jnp.rint(pulses_between(model, weight, target)).astype(int)
    cells = model.init(SHAPE, key=None)
    moved = model.pulses(cells, weight, jt.device.Burst(jnp.maximum(count, 0), jnp.maximum(-count, 0)))
    step = jnp.maximum(model.step(cells, target, up=True)[0], model.step(cells, target, up=False)[0])
    assert np.all(np.abs(moved - target) < 0.75 * step)
    assert int(np.abs(count).max()) > 100
    assert np.isfinite(pulses_between(model, weight, 100 * target)).all()


@pytest.mark.parametrize("lines", ["columns", "rows", "cells"])
@pytest.mark.parametrize("closed_loop", [True, False])
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
            state = method.init(SHAPE, TARGET)
            _, state = method.propose(jt.programming.read(tile, method.probe(state), key), 0 * TARGET, state, key)
            return 1e-6 * state.left

        return np.ravel(jax.jit(jax.vmap(one))(jr.split(KEY, 60)))

    assert_std(counts("eye"), 0.1)
    assert_std(counts("hadamard"), 0.025)


# Chains


def test_a_chain_is_its_stages_with_one_history():
    tile = make_tile(jt.device.ConstantStep())
    method = jt.chain(jt.Stage(jt.SVD(), until=jt.After(3)), jt.GDP(learning_rate=0.5))
    both, first = run(tile, TARGET, method, 8), run(tile, TARGET, jt.SVD(), 3)
    for name in ("frobenius_error", "full_pulses"):
        np.testing.assert_array_equal(both.history[name][:4], first.history[name][:4])
    assert np.isfinite(both.history["frobenius_error"]).all()
    read = wanted(first.weight, jt.GDP().probe(jt.GDP().init(SHAPE, TARGET)))  # entry 3 is as the stage that goes on has read it
    expected = np.mean(np.abs(np.asarray(read) - np.asarray(TARGET.T))) / np.max(np.abs(TARGET))
    assert float(both.history["read_error"][3]) == pytest.approx(expected, rel=1e-4)
    assert int(both.stats["steps"]) == 8


def test_a_chain_within_a_chain_gives_its_stages():
    inner = jt.chain(jt.Stage(jt.SVD(), until=jt.After(3)), jt.GDP())
    whole = jt.chain(inner, jt.ProgramVerify())
    assert whole.stages[:2] == inner.stages
    assert len(whole.stages) == 3


def test_a_stage_that_has_nothing_more_to_propose_hands_over():
    target = low_rank(5, rank=3)
    once = jt.SVD(refresh=False, rank_atol=0.99 * jnp.linalg.svd(target)[1][1])
    done = run(make_tile(), target, jt.chain(once, jt.SVD()), 6)
    assert float(done.stats["frobenius_error"]) < 1e-5
    assert (
        jt.program(make_tile(), target, jt.chain(once, jt.SVD()), key=KEY, max_steps=6, tolerance=1e-4).result
        == jt.RESULTS.converged
    )
    gated = jt.chain(once, jt.Stage(jt.SVD(), when=jt.OneHotPays(kappa=1.0)))
    ended = run(make_tile(), target, gated, 6)
    assert ended.result == jt.RESULTS.stalled
    assert int(ended.stats["steps"]) == 2


def test_a_gate_of_ones_own_is_part_of_a_pytree():
    gated = jt.chain(jt.Stage(jt.SVD(), until=jt.After(2)), jt.Stage(jt.SVD(), when=lambda target: jnp.all(target < 1.0)))
    assert int(jax.jit(lambda method: run(make_tile(), TARGET, method, 4).stats["steps"])(gated)) == 4


def test_plateau():
    switch = jt.Plateau(steps=3, fall=0.1)
    state, over = switch.init(), []
    for step, error in enumerate((1.0, 0.8, 0.75, 0.74, 0.73, 0.6, 0.59)):
        holds, state = switch(jnp.asarray(step), jnp.asarray(error), state)
        over.append(bool(holds))
    assert over == [False, False, False, False, True, False, False]


SOFT = jt.device.SoftBounds(**EVEN)


@partial(jax.jit, static_argnums=2)
def left(kappa, target, phases):
    """The weights after many sweeps from the target on, with devices without spread."""
    half_select = jt.half_select.ConstantRatio(kappa=kappa, phases=phases)
    tile = jt.set_weights(make_tile(SOFT, target.shape, half_select=half_select), 0.9 * target)
    return run(tile, target, jt.ProgramVerify(model=SOFT, batch_size=8), 600).weight


def test_below_the_boundary_weights_shrink_until_it_is_theirs():
    """All phases, weights of one size x w_max: 2 N x = kappa (1 - x) - 2."""
    signs = jnp.where(jr.bernoulli(KEY, 0.5, (8, 96)), 1.0, -1.0)
    for kappa in (10.0, 20.0):
        part = (kappa - 2) / (2 * 96 + kappa)
        star = jt.OneHotPays(model=SOFT).boundary(0.6 * part * signs)
        assert float(star) == pytest.approx(kappa, rel=1e-3)
        assert float(jnp.mean(left(kappa, 0.12 * signs, "all") * signs)) == pytest.approx(
            0.6 * part, rel=0.03
        )  # 1 / 8: their columns


@pytest.mark.parametrize("phases", ["all", "active"])
def test_above_the_boundary_weights_are_held(phases):
    """Weights of all sizes: what is left of the error changes by a large factor from one side of the boundary to the other."""
    target = 0.25 * low_rank(4, (16, 96), rank=4) / jnp.max(jnp.abs(low_rank(4, (16, 96), rank=4)))
    gate = jt.OneHotPays(model=SOFT, phases=phases)
    star = gate.boundary(target)
    errors = [float(jnp.linalg.norm(left(part * star, target, phases) - target) / jnp.linalg.norm(target)) for part in (0.7, 1.3)]
    assert errors[0] > 0.1
    assert errors[1] < 0.01
    for part, pays in ((0.99, False), (1.01, True)):
        assert bool(dataclasses.replace(gate, kappa=part * star)(target)) is pays


def test_active_phases_hold_rows_of_one_sign():
    """What pulls a row down pushes it up: there is next to no boundary, where all phases have one."""
    target = jnp.full((8, 96), 0.12)
    active, every = (float(jt.OneHotPays(model=SOFT, phases=phases).boundary(target)) for phases in ("active", "all"))
    assert active < 5 < 40 < every
    assert float(jnp.mean(left(10.0, target, "active"))) == pytest.approx(0.12, rel=0.01)
    assert float(jnp.mean(left(10.0, target, "all"))) < 0.03


def test_one_hot_writing_pays_where_steps_do_not_depend_on_the_weight():
    assert bool(jt.OneHotPays(model=jt.device.ConstantStep(), kappa=3.0)(TARGET))
    assert not bool(jt.OneHotPays(model=SOFT, kappa=1e6)(jnp.full((2, 2), 0.6)))  # at the bound nothing is corrected


def test_lanes_hand_over_at_their_own_steps():
    tile = make_tile(jt.device.ConstantStep())

    def one(steps, kappa):
        gate = jt.OneHotPays(kappa=kappa)
        method = jt.chain(jt.Stage(jt.SVD(), until=jt.After(steps)), jt.Stage(jt.ProgramVerify(), when=gate))
        return run(tile, TARGET, method, 8).weight

    arguments = jnp.asarray([1.0, 2.0, 6.0, 2.0]), jnp.asarray([1e3, 1e3, 1e3, 1.0])
    many = jax.jit(jax.vmap(one))(*arguments)
    alone = jax.jit(one)
    for lane in range(4):
        np.testing.assert_allclose(many[lane], alone(*(values[lane] for values in arguments)), atol=1e-5)
    assert not np.allclose(many[1], many[3], atol=1e-3)


def test_each_next_device_corrects_what_the_last_left():
    """A fine device of a twentieth of the weight, after a coarse one: a small part of the error is left."""
    coarse = jt.device.ConstantStep(dw_min=0.02, w_max_dtod=0.0, w_min_dtod=0.0)
    devices, gammas = (coarse, coarse), (1.0, 0.05)
    cell = jt.device.VectorCell(devices=devices, update_policy=jt.device.SingleFixed(0), gamma_vec=gammas)
    both = run(make_tile(cell), TARGET, jt.residual(jt.ProgramVerify(model=coarse), gammas, until=jt.After(20)), 40)
    errors = both.history["frobenius_error"]
    assert float(errors[40]) < 0.2 * float(errors[20])
    assert np.any(both.tile.state.devices[1] != 0)


def test_least_risk_knows_how_much_a_step_of_each_device_counts():
    """A fine step adds little noise, so that it pays where a coarse one would not: with the coarse threshold it ended above SVD."""
    coarse, gammas = jt.device.ConstantStep(dw_min=0.02, w_max_dtod=0.0, w_min_dtod=0.0), (1.0, 0.05)
    cell = jt.device.VectorCell(devices=(coarse, coarse), update_policy=jt.device.SingleFixed(0), gamma_vec=gammas)
    tile, target = make_tile(cell, (12, 18)), low_rank(10, (12, 18))

    def error(method):
        return float(run(tile, target, jt.residual(method, gammas, until=jt.After(15)), 60).stats["frobenius_error"])

    assert error(jt.RiskSVD(dw_min=0.02)) < 0.5 * error(jt.SVD())
    fine = jt.RiskSVD(dw_min=0.02, learning_rate=0.5).for_gamma(0.05)
    assert (float(fine.dw_min), float(fine.learning_rate)) == pytest.approx((1e-3, 10.0))


def test_one_cell_out_of_reach_does_not_lead():
    """A cell whose target is beyond its bound: with its residual counted in full it is all that steps go to."""
    target = low_rank(4, MIDDLE, rank=3, norm=1.0).at[3, 5].set(2.0)
    tile = make_tile(jt.device.ConstantStep(), MIDDLE)

    def rest(outlier):
        weight = run(tile, target, jt.RiskSVD(outlier=outlier), 60).weight
        return float(jnp.linalg.norm((weight - target).at[3, 5].set(0)))

    with pytest.warns(UserWarning, match="cannot be reached"):
        assert rest(4.0) < 0.8 * rest(jnp.inf)


def test_chains_hold_on_soft_bounds():
    """96 x 144, rank 6, norm 5.1, largest weight 0.25: at most 0.25 at kappa 100 and 0.3 at 30 in 135 full pulses; 0.85 at 10."""
    shape, soft = (96, 144), jt.device.SoftBounds()
    left, right = jr.split(jr.key(44))
    target = jr.normal(left, (96, 6)) @ jr.normal(right, (6, 144))
    target = 0.25 * target / jnp.max(jnp.abs(target))
    least_risk, verify = jt.RiskSVD(caution=2.0), jt.ProgramVerify(model=soft, digits=6, batch_size=48)

    @partial(jax.jit, static_argnums=1)
    def ended(kappa, max_steps):
        half_select = jt.half_select.ConstantRatio(kappa=kappa, phases="active")
        gate = jt.OneHotPays(kappa=kappa, phases="active")
        method = jt.chain(jt.Stage(least_risk, until=jt.After(100)), jt.Stage(verify, when=gate))
        return run(make_tile(soft, shape, half_select=half_select), target, method, max_steps, record=()).stats

    for kappa, max_steps, error, pulses in ((100.0, 208, 0.25, 135), (30.0, 208, 0.3, 135), (10.0, 400, 0.85, 230)):
        stats = ended(kappa, max_steps)
        assert float(stats["frobenius_error"]) < error
        assert float(stats["full_pulses"]) < pulses
