"""`program`: order of events, stopping, purity, gradients."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_runs_agree, mostly_slow, without_spread

import jaxtile as jt
from jaxtile.programming.program import prepare
from jaxtile.programming.run import Run

KEY = jr.key(7)
SHAPE = (6, 9)
PERFECT = jt.IOParameters(is_perfect=True)


def low_rank(key, shape=SHAPE, rank=2, norm=0.8):
    a, b = jr.normal(jr.fold_in(key, 1), (shape[0], rank)), jr.normal(jr.fold_in(key, 2), (rank, shape[1]))
    return norm * a @ b / jnp.linalg.norm(a @ b, 2)


TARGET = low_rank(jr.key(1))


def make_tile(*, key=KEY, device=None, shape=SHAPE, **config):
    return jt.init(jt.TileConfig(device=device or jt.device.ConstantStep(), **config), shape, key=key)


METHODS = {
    "gdp": jt.GDP(),
    "gdp_batch": jt.GDP(batch_size=4),
    "gdp_given": jt.GDP(inputs=jr.normal(jr.key(2), (5, 9)), learning_rate=0.1),
    "svd": jt.SVD(),
    "svd_exact": jt.SVD(solver="exact"),
    "svd_once": jt.SVD(refresh=False),
    "power": jt.PowerSVD(reads=2, read_noise=0.06),
    "risk": jt.RiskSVD(),
    "verify": jt.ProgramVerify(batch_size=4),
}
MORE_METHODS = {
    "gdp_hadamard": jt.GDP(inputs="hadamard", learning_rate=1 / 16),
    "gdp_gaussian": jt.GDP(inputs=jt.programming.Gaussian(n=8), learning_rate=1 / 8, batch_size=4, reads=2),
    "verify_rows": jt.ProgramVerify(lines="rows"),
    "verify_cells": jt.ProgramVerify(lines="cells", batch_size=2),
    "verify_hadamard": jt.ProgramVerify(read_out="hadamard", reads=2),
    "verify_open": jt.ProgramVerify(closed_loop=False),
    "residual": jt.residual(jt.SVD(), (1.0, 0.05), until=jt.After(2)),
}
IN_LANES = ("svd", "svd_once", "gdp_batch", "power", "risk", "verify", *MORE_METHODS)
CELL = jt.device.VectorCell(
    devices=(jt.device.ConstantStep(), jt.device.SoftBounds()), update_policy=jt.device.SingleFixed(0), gamma_vec=(1.0, 0.05)
)
# Three steps of a method on such a tile are one program, which several tests share.
HALF = jt.half_select.ConstantRatio(kappa=50.0)


@pytest.mark.parametrize("name", mostly_slow(METHODS, "gdp_batch"))
def test_history_is_the_state_after_each_step(name):
    """Entry s is the state after s pulse steps, and stats repeat the last entry.

    A shorter run is a prefix of a longer one. It is another program, which agrees to
    rounding: in a mean field, where a last bit cannot flip a pulse.
    """
    method, tile = METHODS[name], make_tile(half_select=HALF, pulse=jt.pulse.MeanField())
    record = tuple(jt.quantities.QUANTITIES)
    long = jt.program(tile, TARGET, method, key=KEY, max_steps=6, tolerance=0, record=record)
    short = jt.program(tile, TARGET, method, key=KEY, max_steps=3, tolerance=0, record=record)
    steps = int(long.stats["steps"])
    for quantity, values in long.history.items():
        assert values.shape == (7,)
        kept = min(steps, 3) + 1
        np.testing.assert_allclose(short.history[quantity][:kept], values[:kept], rtol=1e-4, atol=1e-6, err_msg=quantity)
        assert np.isnan(values[steps + 1 :]).all()
        np.testing.assert_allclose(values[steps], long.stats[quantity], rtol=1e-6)
    np.testing.assert_allclose(long.history["frobenius_error"][steps], np.linalg.norm(long.weight - TARGET), rtol=1e-5)
    np.testing.assert_allclose(long.history["spectral_error"][steps], np.linalg.norm(long.weight - TARGET, 2), rtol=1e-3)
    assert long.tile.full_pulses == pytest.approx(float(long.stats["full_pulses"]), rel=1e-6)


@pytest.mark.parametrize("name", mostly_slow(METHODS, "gdp_batch"))
def test_stepping_by_hand_is_what_program_does(name):
    """Read, propose, pulse in a Python loop gives the same weights."""
    method, start, by_hand, programmed = METHODS[name], make_tile(half_select=HALF), [], []
    for key in jr.split(KEY, 10):
        tile, state = start, method.init(jt.Datasheet.of(start.config, SHAPE), TARGET)
        for step in range(3):
            read_key, propose_key, update_key = jr.split(jr.fold_in(key, step), 3)
            reading = jt.programming.read(tile, method.probe(state), read_key)
            (x, d), state = method.propose(reading, TARGET, state, propose_key)
            tile = jt.update(tile, x, d, learning_rate=method.learning_rate, key=update_key)
        by_hand.append(tile.weight)
        programmed.append(jt.program(start, TARGET, method, key=key, max_steps=3, tolerance=0).weight)
    assert_runs_agree(programmed, by_hand, atol=1e-6)


def test_a_converged_tile_is_not_pulsed():
    tile = jt.set_weights(make_tile(device=jt.device.Ideal()), TARGET)
    run = jt.program(tile, TARGET, jt.SVD(), key=KEY, max_steps=5, tolerance=1e-6)
    assert run.result == jt.RESULTS.converged
    assert int(run.stats["steps"]) == 0
    np.testing.assert_array_equal(run.weight, TARGET)


def test_running_out_of_steps_and_tolerance_zero():
    run = jt.program(make_tile(), TARGET, jt.GDP(), key=KEY, max_steps=4, tolerance=0)
    assert run.result == jt.RESULTS.max_steps_reached
    assert int(run.stats["steps"]) == 4
    assert "max_steps" in jt.RESULTS[run.result]


def test_one_decomposition_is_walked_and_then_stalls():
    """Two components, from weights that are not zero: an ideal device holds the target after two steps, and the run stalls."""
    start = low_rank(jr.key(5), rank=1)
    tile = jt.set_weights(make_tile(device=jt.device.Ideal()), start)
    run = jt.program(tile, start + TARGET, jt.SVD(refresh=False), key=KEY, max_steps=8, tolerance=0)
    assert run.result == jt.RESULTS.stalled
    assert int(run.stats["steps"]) == 2
    np.testing.assert_allclose(run.weight, start + TARGET, atol=1e-6)


def test_rank_atol_leaves_small_components_out():
    u, _, v = np.linalg.svd(TARGET, full_matrices=False)
    target = jnp.asarray(u[:, :3] * np.array([0.5, 0.2, 0.01])) @ v[:3]
    run = jt.program(
        make_tile(device=jt.device.Ideal()), target, jt.SVD(refresh=False, rank_atol=0.1), key=KEY, max_steps=8, tolerance=0
    )
    assert int(run.stats["steps"]) == 2
    assert float(run.stats["spectral_error"]) == pytest.approx(0.01, rel=1e-3)


def test_mini_batches_wrap_around():
    """Nine columns in batches of four: steps use 0-3, 4-7, then 8, 0, 1, 2."""
    method = jt.GDP(batch_size=4)
    state = method.init(jt.Datasheet.of(jt.TileConfig(), SHAPE), TARGET)
    seen = []
    for _ in range(3):
        x = method.probe(state)
        seen.append(np.asarray(x.columns).tolist())
        _, state = method.propose(jnp.zeros((4, 6)), TARGET, state, KEY)
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 0, 1, 2]]


def test_a_mini_batch_succeeds_only_after_a_full_pass():
    """All columns but the last are right from the start: the run must not stop before it has seen the last one."""
    wrong = TARGET.at[:, 8].add(0.5)
    tile = jt.set_weights(make_tile(device=jt.device.Ideal(), forward=PERFECT), wrong)
    run = jt.program(tile, TARGET, jt.GDP(batch_size=4), key=KEY, max_steps=20, tolerance=1e-4)
    assert run.result == jt.RESULTS.converged
    # Batch 3 (step 2) holds column 8; three good steps in a row follow it, the last of which is only read.
    assert int(run.stats["steps"]) == 5
    np.testing.assert_allclose(run.weight, TARGET, atol=1e-6)


def test_gdp_reads_through_the_periphery_and_svd_the_weights():
    tile = make_tile(forward=jt.IOParameters(out_noise=10.0))
    for method, is_noisy in ((jt.GDP(), True), (jt.SVD(), False)):
        run = jt.program(tile, TARGET, method, key=KEY, max_steps=1, tolerance=0, record=("read_error",))
        assert (float(run.history["read_error"][0]) > 1) == is_noisy


def test_read_error_is_relative_to_the_largest_number_wanted():
    run = jt.program(make_tile(), TARGET, jt.SVD(), key=KEY, max_steps=1, tolerance=0)
    assert float(run.history["read_error"][0]) == pytest.approx(float(jnp.mean(jnp.abs(TARGET)) / jnp.max(jnp.abs(TARGET))))


def test_recording_changes_nothing_but_the_history():
    tile = make_tile()
    full = jt.program(tile, TARGET, jt.SVD(), key=KEY, max_steps=4)
    lean = jt.program(tile, TARGET, jt.SVD(), key=KEY, max_steps=4, record=("read_error",))
    assert set(lean.history) == {"read_error"}
    np.testing.assert_allclose(full.weight, lean.weight, atol=1e-6)


def test_a_run_counts_its_own_pulses_and_the_tile_all_of_them():
    first = jt.program(make_tile(half_select=jt.half_select.ConstantRatio()), TARGET, jt.SVD(), key=KEY, max_steps=3)
    second = jt.program(first.tile, -TARGET, jt.SVD(), key=KEY, max_steps=3)
    for name in ("full_pulses", "half_pulses"):
        assert float(second.history[name][0]) == 0
        total = float(first.stats[name] + second.stats[name])
        assert float(getattr(second.tile, name)) == pytest.approx(total, rel=1e-6)
        assert total > 0


def test_a_state_that_is_not_finite_is_a_result_and_an_error_if_asked():
    tile = make_tile(device=jt.device.Ideal(), forward=PERFECT)
    run = functools.partial(jt.program, tile, TARGET, jt.GDP(learning_rate=1e30), key=KEY, max_steps=5, tolerance=0)
    quiet = run(throw=False)
    assert quiet.result == jt.RESULTS.nonfinite
    with pytest.raises(Exception, match="NaN or infinite"):
        run()


def test_gain_restores_what_half_selection_takes_from_an_open_loop():
    """One walk of the decomposition loses 2 / kappa of the target; with the gain corrected, nothing in the mean."""
    device = jt.device.ConstantStep(dw_min=1e-4, dw_min_dtod=0.0, up_down_dtod=0.0, dw_min_std=0.0, w_max_dtod=0.0, w_min_dtod=0.0)
    tile = make_tile(
        device=device, half_select=jt.half_select.ConstantRatio(kappa=10.0), pulse=jt.pulse.MeanField(desired_bl=10**5)
    )
    run = functools.partial(jt.program, tile, TARGET, jt.SVD(refresh=False), key=KEY, max_steps=5, tolerance=0, record=())
    plain, corrected = run(), run(compensation=jt.compensation.Gain(caution=0.0))
    np.testing.assert_allclose(plain.weight, 0.8 * TARGET, atol=1e-5)
    np.testing.assert_allclose(corrected.weight, TARGET, atol=1e-5)


# Purity


def build(key, target, kappa, dw_min, learning_rate):
    """One whole run as a function of keys, targets and physical numbers."""
    config = jt.TileConfig(
        device=jt.device.ConstantStep(dw_min=dw_min),
        half_select=jt.half_select.ConstantRatio(kappa=kappa, phases="active"),
        forward=jt.IOParameters(out_noise=0.005),
    )
    tile = jt.init(config, SHAPE, key=jr.fold_in(key, 0))
    method, options = jt.GDP(learning_rate=learning_rate), {"max_steps": 12, "tolerance": 0.1, "record": ()}
    run = jt.program(tile, target, method, key=jr.fold_in(key, 1), **options)
    return run.weight, run.stats["steps"], run.result


single_run = jax.jit(build)
LANES = 24
ARGUMENTS = {
    "key": (jr.split(jr.key(3), LANES), None, None, None, None),
    "target": (None, jax.vmap(low_rank)(jr.split(jr.key(4), LANES)), None, None, None),
    "kappa": (None, None, jnp.logspace(0.5, 4, LANES), None, None),
    "dw_min": (None, None, None, jnp.logspace(-3.3, -2, LANES), None),
    "learning_rate": (None, None, None, None, jnp.linspace(0.2, 1.2, LANES)),
}
SINGLE = (KEY, TARGET, jnp.asarray(100.0), jnp.asarray(1e-3), jnp.asarray(1.0))


@pytest.mark.parametrize("name", mostly_slow(ARGUMENTS, "key"))
def test_a_vmapped_lane_is_the_single_run(name):
    """Lanes draw what single runs draw and stop at their own step."""
    lanes = ARGUMENTS[name]
    axes = tuple(None if lane is None else 0 for lane in lanes)
    arguments = tuple(one if lane is None else lane for one, lane in zip(SINGLE, lanes, strict=True))
    weights, steps, _ = jax.jit(jax.vmap(build, in_axes=axes))(*arguments)
    alone = [single_run(*(a if axis is None else a[i] for a, axis in zip(arguments, axes, strict=True))) for i in range(LANES)]
    assert_runs_agree([weight for weight, _, _ in alone], weights)
    assert_runs_agree([stop for _, stop, _ in alone], steps)
    if name in ("key", "target", "dw_min"):
        assert len(set(np.asarray(steps).tolist())) > 1  # lanes really stop at different steps


def test_program_compiles_once_for_new_numbers(caplog):
    single_run(*SINGLE)
    single_run(jr.key(11), 0.5 * TARGET, jnp.asarray(10.0), jnp.asarray(2e-3), jnp.asarray(0.5))
    assert single_run._cache_size() == 1

    # Called one by one, too: other numbers, another chip and another key compile nothing.
    def one_by_one(dw_min, seed):
        tile = make_tile(device=jt.device.ConstantStep(dw_min=dw_min), key=jr.key(seed))
        tile = jt.update(tile, jnp.ones(9), jnp.full(6, dw_min), learning_rate=dw_min, key=jr.key(seed))
        tile = jt.program(tile, dw_min * TARGET, jt.GDP(learning_rate=dw_min), key=jr.key(seed), max_steps=2, tolerance=dw_min).tile
        return jt.forward(tile, jnp.ones(9), key=jr.key(seed)).block_until_ready()

    one_by_one(1e-3, 0)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        one_by_one(2e-3, 1)
    assert not [record.message for record in caplog.records if "Compiling" in record.message]

    tiles = [make_tile(device=jt.device.ConstantStep(dw_min=value)) for value in (1e-3, 2e-3)]
    assert jax.tree.structure(tiles[0]) == jax.tree.structure(tiles[1])


@pytest.mark.parametrize("name", mostly_slow(IN_LANES, "svd"))
def test_every_method_runs_under_jit_of_vmap(name):
    method = (METHODS | MORE_METHODS)[name]
    tile = make_tile(half_select=HALF, device=CELL if name == "residual" else None)
    run = lambda key: jt.program(tile, TARGET, method, key=key, max_steps=3, tolerance=0)
    keys = jr.split(KEY, 10)
    many, each = jax.jit(jax.vmap(run))(keys), [run(key) for key in keys]
    assert_runs_agree(many.weight, [one.weight for one in each])
    assert many.history["read_error"].shape == (10, 4)
    repr(many), repr(each[0])


def test_every_leaf_is_an_array():
    tile = make_tile(half_select=jt.half_select.ConstantRatio())
    run = jt.program(tile, TARGET, jt.SVD(), key=KEY, max_steps=1)
    for name, tree in {"tile": tile, "solution": run, **METHODS, **MORE_METHODS}.items():
        assert all(eqx.is_array(leaf) for leaf in jax.tree.leaves(tree)), name


@pytest.mark.parametrize("device", [jt.device.SoftBounds, pytest.param(jt.device.ExpStep, marks=pytest.mark.slow)])
def test_program_is_differentiable_in_mean_field(device):
    """d(final Frobenius error) / d(kappa, dw_min, learning_rate) against central differences, in double precision."""
    with jax.enable_x64():
        shape, target = (4, 5), low_rank(jr.key(9), (4, 5)).astype(jnp.float64)

        def final_error(kappa, dw_min, learning_rate):
            config = jt.TileConfig(
                device=device(dw_min=dw_min),
                pulse=jt.pulse.MeanField(),
                half_select=jt.half_select.ConstantRatio(kappa=kappa),
                forward=PERFECT,
            )
            tile = jt.init(config, shape, key=KEY)
            method, record = jt.GDP(learning_rate=learning_rate), ("frobenius_error",)
            run = jt.program(tile, target, method, key=KEY, max_steps=6, tolerance=0, record=record)
            return run.history["frobenius_error"][-1]

        point = tuple(map(jnp.float64, (12.0, 4e-3, 0.3)))
        both = jax.jit(jax.value_and_grad(final_error, argnums=(0, 1, 2)))
        gradient, value = both(*point)[1], lambda *at: both(*at)[0]
        for i, derivative in enumerate(gradient):
            step = 1e-6 * point[i]
            shifted = [tuple(p + sign * step if j == i else p for j, p in enumerate(point)) for sign in (1, -1)]
            difference = (value(*shifted[0]) - value(*shifted[1])) / (2 * step)
            assert abs(float(difference)) > 1e-5
            assert float(derivative) == pytest.approx(float(difference), rel=1e-4)


@pytest.mark.parametrize(
    ("device", "caution", "steps", "numbers"),
    [
        pytest.param(jt.device.SoftBounds, 1.0, 1, 3, marks=pytest.mark.slow),
        (functools.partial(without_spread, "constant"), 0.0, 3, 2),
    ],
    ids=["one step", "one direction"],
)
def test_least_risk_is_differentiable_in_mean_field(device, caution, steps, numbers):
    """d(final error) / d(kappa, learning rate, caution), where what its derivative leaves out, which triplet leads, is the same."""
    with jax.enable_x64():
        left, right = jr.normal(jr.key(9), (4,), float), jr.normal(jr.key(10), (5,), float)

        def final_error(kappa, learning_rate, caution):
            config = jt.TileConfig(
                device=device(), pulse=jt.pulse.MeanField(), half_select=jt.half_select.ConstantRatio(kappa=kappa)
            )
            tile = jt.init(config, (4, 5), key=KEY)
            method = jt.RiskSVD(learning_rate=learning_rate, caution=caution)
            run = jt.program(tile, 0.05 * jnp.outer(left, right), method, key=KEY, max_steps=steps, tolerance=0, record=())
            return run.stats["frobenius_error"]

        point = tuple(map(jnp.float64, (12.0, 0.3, caution)))
        both = jax.jit(jax.value_and_grad(final_error, argnums=(0, 1, 2)))
        gradient, value = both(*point)[1], lambda *at: both(*at)[0]
        for i in range(numbers):
            step = 1e-6 * float(point[i])
            up, down = (value(*(p + sign * step if j == i else p for j, p in enumerate(point))) for sign in (1, -1))
            difference = float(up - down) / (2 * step)
            assert abs(difference) > 1e-5
            assert float(gradient[i]) == pytest.approx(difference, rel=1e-4)


@pytest.mark.parametrize("name", mostly_slow(["gdp_batch", "svd"], "svd"))
def test_a_run_in_parts_has_the_bits_of_one_at_once(name):
    """Parts and whole are made by one compiled program, which rounds alike.

    `program` is another one. It agrees to rounding, in a mean field, where a last bit
    cannot flip a pulse. `test_going_on` has the bits of drawn pulses.
    """
    arguments = {"key": KEY, "max_steps": 6, "tolerance": 0.0, "compensation": None, "record": ("read_error", "full_pulses")}
    advance, tile = eqx.filter_jit(Run.advance), make_tile(pulse=jt.pulse.MeanField())
    run = prepare(tile, TARGET, METHODS[name], **arguments)
    parts = once = run.start()
    for until in (2, 3, 7):
        parts = advance(run, parts, jnp.asarray(until))
    jax.tree.map(np.testing.assert_array_equal, parts, advance(run, once, jnp.asarray(7)))
    at_once = jt.program(tile, TARGET, METHODS[name], **arguments)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), run.end(parts).cut(6), at_once)


def test_the_number_of_steps_is_a_number_like_others():
    """Runs of fewer than 128 steps share one program."""
    traces = []

    def largest(view):
        traces.append(None)
        return jnp.max(jnp.abs(view.tile.weight))

    run = lambda steps: jt.program(make_tile(), TARGET, jt.GDP(), key=KEY, max_steps=steps, tolerance=0, record=(largest,))
    shorter, longer = run(2), run(5)
    assert len(traces) == 1
    assert shorter.stats["steps"] == 2
    assert longer.stats["steps"] == 5
    np.testing.assert_array_equal(shorter.history["largest"], longer.history["largest"][:3])


def test_progress_bar_moves_under_plain_and_vmap(capfd):
    run = lambda key: jt.program(make_tile(), TARGET, jt.SVD(), key=key, max_steps=2, tolerance=0, progress=True)
    for call, keys in ((run, KEY), (jax.vmap(run), jr.split(KEY, 2))):
        jax.block_until_ready(call(keys))
        jax.effects_barrier()
        assert "50.00%" in capfd.readouterr().err
