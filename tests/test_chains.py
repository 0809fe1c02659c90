"""Chains of methods: when one hands over to the next, and what they reach."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import mostly_slow
from programs import EVEN, KEY, SHAPE, TARGET, low_rank, make_tile, run

import jaxtile as jt
from jaxtile.programming.reading import ideal_reading


def test_a_chain_is_its_stages_with_one_history():
    """The first stage is another program alone, so the field is a mean one: a last bit cannot flip a pulse."""
    tile = make_tile(jt.device.ConstantStep(), pulse=jt.pulse.MeanField())
    method = jt.chain(jt.Stage(jt.SVD(), until=jt.After(3)), jt.GDP(learning_rate=0.5))
    both, first = run(tile, TARGET, method, 8), run(tile, TARGET, jt.SVD(), 3)
    for name in ("frobenius_error", "full_pulses"):
        np.testing.assert_allclose(both.history[name][:4], first.history[name][:4], rtol=1e-5)
    assert np.isfinite(both.history["frobenius_error"]).all()
    read = ideal_reading(
        first.weight, jt.GDP().probe(jt.GDP().init(jt.Datasheet.of(tile.config, SHAPE), TARGET))
    )  # entry 3 is as the stage that goes on has read it
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


@pytest.mark.slow
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


@pytest.mark.parametrize("phases", mostly_slow(["all", "active"], "active"))
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


@pytest.mark.slow
def test_active_phases_hold_rows_of_one_sign():
    """A row is pushed up by what pulls it down: there is next to no boundary, where all phases have one."""
    target = jnp.full((8, 96), 0.12)
    active, every = (float(jt.OneHotPays(model=SOFT, phases=phases).boundary(target)) for phases in ("active", "all"))
    assert active < 5 < 40 < every
    assert float(jnp.mean(left(10.0, target, "active"))) == pytest.approx(0.12, rel=0.01)
    assert float(jnp.mean(left(10.0, target, "all"))) < 0.03


def test_one_hot_writing_pays_where_steps_do_not_depend_on_the_weight():
    assert bool(jt.OneHotPays(model=jt.device.ConstantStep(), kappa=3.0)(TARGET))
    assert not bool(jt.OneHotPays(model=SOFT, kappa=1e6)(jnp.full((2, 2), 0.6)))  # at the bound nothing is corrected


@pytest.mark.slow
def test_lanes_hand_over_at_their_own_steps():
    tile = make_tile(jt.device.ConstantStep(), pulse=jt.pulse.MeanField())  # a last bit cannot flip a pulse

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


@pytest.mark.slow
def test_each_next_device_corrects_what_the_last_left():
    """A fine device of a twentieth of the weight, after a coarse one: a small part of the error is left."""
    coarse = jt.device.ConstantStep(dw_min=0.02, w_max_dtod=0.0, w_min_dtod=0.0)
    devices, gammas = (coarse, coarse), (1.0, 0.05)
    cell = jt.device.VectorCell(devices=devices, update_policy=jt.device.SingleFixed(0), gamma_vec=gammas)
    both = run(make_tile(cell), TARGET, jt.residual(jt.ProgramVerify(model=coarse), gammas, until=jt.After(20)), 40)
    errors = both.history["frobenius_error"]
    assert float(errors[40]) < 0.2 * float(errors[20])
    assert np.any(both.tile.state.devices[1] != 0)


def test_gammas_that_are_not_those_of_the_cell_are_refused():
    """Each method would plan steps of another size than it makes."""
    cell = jt.device.VectorCell(update_policy=jt.device.SingleFixed(0), gamma_vec=(1.0, 0.05))
    method = jt.residual(jt.SVD(), (1.0, 0.5), until=jt.After(2))
    with pytest.raises(ValueError, match=r"Stage.gamma=0.5, and device 1 counts 0.05 .* gamma_vec"):
        run(make_tile(cell), TARGET, method, 4)


@pytest.mark.slow
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


@pytest.mark.slow
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
