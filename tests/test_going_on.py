"""A run that goes on from a solution is the run that would have been longer."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import mostly_slow
from programs import KEY, TARGET, low_rank, make_tile

import jaxtile as jt
from jaxtile.programming.program import prepare
from jaxtile.programming.run import Run

MEAN_FIELD = jt.pulse.MeanField()
HALF = jt.half_select.ConstantRatio(kappa=50.0)
CELL = jt.device.VectorCell(
    devices=(jt.device.ConstantStep(), jt.device.SoftBounds()), update_policy=jt.device.SingleFixed(0), gamma_vec=(1.0, 0.05)
)
METHODS = {
    "gdp": jt.GDP(batch_size=4),
    "svd": jt.SVD(),
    "svd_once": jt.SVD(refresh=False),
    "power": jt.PowerSVD(reads=2, read_noise=0.06),
    "risk": jt.RiskSVD(),
    "verify": jt.ProgramVerify(batch_size=4),
    "verify_open": jt.ProgramVerify(closed_loop=False),
    "chain": jt.chain(jt.Stage(jt.SVD(), until=jt.After(2)), jt.Stage(jt.GDP(), until=jt.Plateau(steps=1)), jt.ProgramVerify()),
    "residual": jt.residual(jt.SVD(), (1.0, 0.05), until=jt.After(2)),
}


def chip(name="", **config):
    device = CELL if name == "residual" else jt.device.ConstantStep()
    return make_tile(device, half_select=HALF, **config)


def used_chip(name=""):
    """It has counted pulses before; in a mean field a last bit cannot flip one, so that two programs agree."""
    tile = jt.count_pulses(chip(name, pulse=MEAN_FIELD))
    return jt.update(tile, jnp.ones(9), jnp.ones(6), learning_rate=0.01, key=KEY)


def run(tile, method, max_steps, target=TARGET, **options):
    return jt.program(tile, target, method, key=KEY, max_steps=max_steps, **{"tolerance": 0.0} | options)


def assert_same(ours, theirs, compare=np.testing.assert_array_equal):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(compare, ours, theirs)


def assert_close(ours, theirs):
    assert_same(ours, theirs, lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6))


@pytest.mark.parametrize("name", mostly_slow(METHODS, "gdp"))
def test_bits_of_one_program_are_those_of_a_longer_run(name):
    """A run is left at every step, made a solution of, and gone on from by the same compiled program."""
    tile = jt.count_pulses(chip(name))
    options = {"key": KEY, "max_steps": 5, "tolerance": 0.0, "compensation": None, "record": ("read_error", "reads")}
    longer = prepare(tile, TARGET, METHODS[name], **options)
    advance, end, resume = (eqx.filter_jit(part) for part in (Run.advance, Run.end, Run.resume))
    parts = longer.start()
    for until in range(1, 7):
        parts = resume(longer, end(longer, advance(longer, parts, jnp.asarray(until))))
    parts = advance(longer, parts, jnp.asarray(6))
    assert_same(parts, advance(longer, longer.start(), jnp.asarray(6)))


@pytest.mark.parametrize("name", mostly_slow(METHODS, "gdp"))
def test_a_solution_is_that_of_a_longer_run(name):
    """To rounding, since these are other programs: in a mean field, where a last bit cannot flip a pulse."""
    tile = used_chip(name)
    longer = run(tile, METHODS[name], 5)
    for steps in (1, 3):
        assert_close(run(run(tile, METHODS[name], steps), METHODS[name], 5), longer)


def test_all_is_counted_once():
    method, sol = METHODS["gdp"], used_chip()
    longer = run(sol, method, 6)
    for steps in (1, 2, 6):
        sol = run(sol, method, steps)
    assert sol.history["reads"].tolist() == [4 * (n + 1) for n in range(7)]
    assert int(sol.stats["steps"]) == 6
    assert_close(sol.tile.tally, longer.tile.tally)
    assert_close(sol.stats, longer.stats)


@pytest.mark.slow
def test_lanes_go_on_each_from_its_own_step():
    """Lanes that have ended at different steps, in different stages."""
    method = jt.chain(jt.Stage(jt.SVD(), until=jt.Plateau(steps=1)), jt.GDP(batch_size=4))
    tile = chip(pulse=MEAN_FIELD)
    targets = jax.vmap(lambda norm: norm * TARGET)(jnp.asarray([0.03, 0.3, 1.0, 3.0]))
    program = lambda tile, target, steps, tolerance: run(tile, method, steps, target, tolerance=tolerance)
    shorter = jax.vmap(lambda target: program(tile, target, 20, 0.06))(targets)
    assert len(set(shorter.stats["steps"].tolist())) > 2
    assert len(set(shorter.checkpoint.stage.tolist())) == 2
    together = jax.jit(jax.vmap(lambda sol, target: program(sol, target, 30, 0.01)))(shorter, targets)
    longer = jax.vmap(lambda target: program(tile, target, 30, 0.01))(targets)
    assert_close(together.stats, longer.stats)
    assert_close(together.tile, longer.tile)
    np.testing.assert_allclose(together.history["frobenius_error"], longer.history["frobenius_error"], rtol=1e-4)


def test_steps_below_a_tolerance_are_none_below_a_stricter_one():
    """A pass of a mini-batch that converged: with a stricter tolerance it begins anew, with a looser one it counts."""
    tile = jt.set_weights(make_tile(), TARGET + 1e-3)
    first = run(tile, jt.GDP(batch_size=3, learning_rate=1e-9), 20, tolerance=0.1)
    assert first.result == jt.RESULTS.converged
    assert int(first.stats["steps"]) == 2
    stricter = run(first, jt.GDP(batch_size=3, learning_rate=1e-9), 20, tolerance=0.05)
    assert int(stricter.stats["steps"]) == 4
    assert int(run(first, jt.GDP(batch_size=3, learning_rate=1e-9), 20, tolerance=0.2).stats["steps"]) == 2


@pytest.mark.slow
def test_a_stage_without_a_connection_writes_what_was_connected():
    """A solution is connected as its last stage; a run that goes on in the first one writes the first device."""
    method = jt.chain(jt.Stage(jt.SVD(), until=jt.After(8)), jt.Stage(jt.SVD(), connect=1))
    tile = chip("residual")
    sol = run(run(tile, method, 2), method, 4)
    assert sol.tile.device.update_policy.index == 1
    assert_same(sol.tile.state.devices[1], tile.state.devices[1])
    assert_same(sol.tile.state, run(tile, method, 4).tile.state)


def test_a_history_goes_on_with_what_is_recorded_now():
    first = run(chip(), jt.SVD(), 3, record=("read_error", "full_pulses"))
    sol = run(first, jt.SVD(), 5, record=("read_error", "frobenius_error"))
    assert set(sol.history) == {"read_error", "frobenius_error"}
    assert np.isfinite(sol.history["read_error"]).all()
    assert np.isnan(sol.history["frobenius_error"]).tolist() == [True, True, True, False, False, False]


def test_going_on_by_hand_from_the_state_of_the_method():
    method = METHODS["gdp"]
    sol = run(used_chip(), method, 3)
    tile, state = sol.tile, sol.method_state
    for step in range(3, 5):
        read_key, propose_key, update_key = jr.split(jr.fold_in(KEY, step), 3)
        reading = jt.programming.read(tile, method.probe(state), read_key)
        (x, d), state = method.propose(reading, TARGET, state, propose_key)
        tile = jt.update(tile, x, d, learning_rate=method.learning_rate, key=update_key)
    longer = run(sol, method, 5)
    np.testing.assert_allclose(tile.weight, longer.weight, atol=1e-6)
    assert_same(state, longer.method_state)
    chained = eqx.filter_eval_shape(lambda tile: run(tile, METHODS["chain"], 1).method_state, chip())
    assert len(chained) == 3


def test_what_a_solution_is_not_of_is_refused_by_name():
    sol = run(chip(), jt.SVD(), 3)
    old = dataclasses.replace(sol.checkpoint)
    del old.__dict__["numbers"]  # as in a pickle of an older version
    batch = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), sol)
    for refused, words in (
        (lambda: run(sol, jt.GDP(), 5), ["is a solution by SVD", "method=GDP()"]),
        (lambda: run(sol, jt.SVD(refresh=False), 5), ["is a solution by SVD", "SVD(refresh=False)"]),
        (lambda: run(sol, jt.chain(jt.SVD(), jt.SVD()), 5), ["is a solution by SVD", "method=SVD(), SVD()"]),
        (lambda: run(sol, jt.SVD(triplets=2), 5), ["is a solution by SVD", "triplets=2"]),
        (lambda: run(sol, jt.SVD(learning_rate=0.5), 5), ["method=SVD(learning_rate=0.5) has other numbers"]),
        (lambda: jt.program(sol, TARGET, jt.SVD(), key=jr.key(9), max_steps=5), ["key is not the key of tile=Solution(3 steps"]),
        (lambda: run(sol, jt.SVD(), 5, -TARGET), ["target is not the target of tile=Solution(3 steps"]),
        (lambda: run(sol, jt.SVD(), 5, TARGET.T), ["target has shape (9, 6)", "its transpose would fit"]),
        (lambda: run(sol, jt.SVD(), 2), ["max_steps=2", "has made 3"]),
        (lambda: run(batch, jt.SVD(), 5), ["is a batch of tiles", "jax.vmap"]),
        (lambda: run(dataclasses.replace(sol, checkpoint=None), jt.SVD(), 5), ["has no checkpoint"]),
        (lambda: run(dataclasses.replace(sol, checkpoint=old), jt.SVD(), 5), ["is of an older jaxtile", "nothing of numbers"]),
    ):
        with pytest.raises(ValueError) as raised:  # noqa: PT011
            refused()
        assert all(word in str(raised.value) for word in words), raised.value
    with pytest.raises(ValueError, match="is a solution by SVD"):
        jax.jit(lambda sol: run(sol, jt.GDP(), 5))(sol)


def test_every_bit_of_a_target_counts():
    sol = run(chip(), jt.SVD(), 1)
    for other in (jnp.nextafter(TARGET[2, 3], 1.0), -TARGET[2, 3]):
        with pytest.raises(ValueError, match="target is not the target of"):
            run(sol, jt.SVD(), 2, TARGET.at[2, 3].set(other))
    with pytest.raises(ValueError, match="target is not the target of"):
        run(sol, jt.SVD(), 2, TARGET[::-1])


@pytest.mark.slow
def test_a_run_that_goes_on_has_a_derivative():
    target = low_rank(3)

    def error(rate, parts):
        sol = make_tile(jt.device.SoftBounds(), pulse=MEAN_FIELD)
        for steps in parts:
            sol = run(sol, jt.GDP(learning_rate=rate), steps, target, record=())
        return sol.stats["frobenius_error"]

    at_once, in_parts = (jax.grad(error)(0.3, parts) for parts in ((4,), (2, 4)))
    assert float(in_parts) == pytest.approx(float(at_once), rel=1e-4)
    assert abs(float(at_once)) > 1e-4
