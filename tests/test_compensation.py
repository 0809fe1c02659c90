"""Vectors that compensations send, against what was wanted."""

import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import FLOAT, mostly_slow

import jaxtile as jt

KEY = jr.key(3)
SHAPE = (6, 9)
NO_SPREAD = {"dw_min_dtod": 0.0, "up_down_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0}
CONSTANT = jt.device.ConstantStep(w_max=9.0, w_min=-9.0, **NO_SPREAD)
SOFT = jt.device.SoftBounds(**NO_SPREAD)
EXPECTED = jt.compensation.Expected(caution=0.0)
MEAN, TRAINS = jt.pulse.MeanField(desired_bl=1000), jt.pulse.StochasticCompressed(desired_bl=1000)


def make_tile(device, kappa=10.0, phases="all", pulse=MEAN, shape=SHAPE):
    half_select = None if kappa is None else jt.half_select.ConstantRatio(kappa=kappa, phases=phases)
    config = jt.TileConfig(device=device, half_select=half_select, pulse=pulse)
    return jt.set_weights(jt.init(config, shape, key=KEY), 0.2 * jr.normal(KEY, shape))


def proposal(k=1, size=0.2):
    return size * jr.normal(jr.fold_in(KEY, 1), (k, SHAPE[1])), size * jr.normal(jr.fold_in(KEY, 2), (k, SHAPE[0]))


def sent_by(compensation, x, d, tile, rate):
    """The vectors that it sends for a proposal to this tile."""
    return compensation(x, d, jt.Datasheet.of(tile.config, tile.shape), tile.weight, jnp.asarray(rate))


def _correct(tile, x, d, caution=0.0):
    return sent_by(jt.compensation.Expected(caution=caution), x, d, tile, 0.5)


correct = jax.jit(_correct)
correct_lanes = jax.jit(jax.vmap(_correct, in_axes=(None, None, 0)))


@jax.jit
def off(tile, x, d, wanted):
    """How far from what was wanted a mean-field update ends, relative to it."""
    moved = jt.update(tile, x, d, learning_rate=0.5, key=KEY).weight - tile.weight
    return jnp.linalg.norm(moved - wanted) / jnp.linalg.norm(wanted)


def before_and_after(tile, x, d):
    wanted, sent = -0.5 * d.T @ x, correct(tile, x, d)
    return float(off(tile, x, d, wanted)), float(off(tile, *sent, wanted)), sent


@pytest.mark.parametrize("kappa", mostly_slow([5.0, 30.0], 5.0))
def test_expected_finds_the_gain(kappa):
    """Constant steps leave 1 - 2 / kappa of every change, so that 1 / (1 - 2 / kappa) of the proposal must be sent."""
    x, d = proposal()
    before, after, (sent_x, sent_d) = before_and_after(make_tile(CONSTANT, kappa), x, d)
    assert before == pytest.approx(2 / kappa, rel=1e-3)
    assert after < 0.01 * before
    wanted = d.T @ x
    assert jnp.vdot(sent_d.T @ sent_x, wanted) / jnp.vdot(wanted, wanted) == pytest.approx(1 / (1 - 2 / kappa), rel=2e-3)


def test_expected_takes_skipped_phases_into_account():
    """With x of one sign they leave terms of further ranks, which no pair of vectors can undo; of the rest, little is left."""
    x, d = proposal()
    before, after, _ = before_and_after(make_tile(CONSTANT, phases="active"), jnp.abs(x), d)
    assert after < 0.9 * before


@pytest.mark.parametrize(("kappa", "left"), mostly_slow([(10.0, 0.95), (100.0, 0.75)], (10.0, 0.95)))
def test_expected_takes_state_dependent_steps_into_account(kappa, left):
    """The rest that the pull to the symmetry point leaves is not of rank one: the more of it, the less can be undone."""
    x, d = proposal()
    before, after, _ = before_and_after(make_tile(SOFT, kappa), x, d)
    assert after < left * before


def test_expected_knows_the_weights_and_no_device_of_the_chip():
    x, d = proposal()
    nominal, chip = make_tile(SOFT), make_tile(jt.device.SoftBounds(w_max_dtod=0.0, w_min_dtod=0.0))
    assert jnp.std(chip.cells.step_up) > 1e-4
    sent = correct(nominal, x, d)
    jax.tree.map(np.testing.assert_array_equal, sent, correct(chip, x, d))
    other = correct(jt.set_weights(nominal, -nominal.weight), x, d)
    assert jnp.max(jnp.abs(other[1] - sent[1])) > 1e-3


def test_a_lane_is_the_single_run_and_silence_stays_silent():
    tile, (x, d) = make_tile(SOFT, 30.0), proposal()
    lanes, sent = correct_lanes(tile, x, jnp.stack([d, 0 * d])), correct(tile, x, d)
    for lane, alone in zip(lanes, sent, strict=True):
        np.testing.assert_allclose(lane[0], alone, atol=2e-4)
    np.testing.assert_array_equal(lanes[1][1], 0 * d)


def test_expected_restores_an_open_loop():
    """Two components sent in one step end at the target, but for 2 / kappa of it without the compensation."""
    tile = jt.set_weights(make_tile(CONSTANT), jnp.zeros(SHAPE))
    target, method = jt.targets.low_rank(SHAPE, 2, spectral_norm=0.8, key=KEY), jt.SVD(refresh=False, triplets=2)
    run = functools.partial(jt.program, tile, target, method, key=KEY, max_steps=1, tolerance=0, record=())
    np.testing.assert_allclose(run().weight, 0.8 * target, atol=1e-4)
    np.testing.assert_allclose(run(compensation=EXPECTED).weight, target, atol=1e-3)


@pytest.mark.parametrize("kappa", [10.0, 30.0])
@pytest.mark.parametrize("device", [CONSTANT, SOFT])
def test_expected_is_the_least_squares_solution(device, kappa):
    """Dense Gauss-Newton steps in NumPy's double precision, by the pseudo-inverse, from the proposal on, end no lower."""
    tile, (x, d) = make_tile(device, kappa), proposal()
    wanted, width = -0.5 * d.T @ x, SHAPE[1]

    @jax.jit
    def left_and_slopes(vector):
        def left(vector):
            sent = vector[None, :width], vector[None, width:]
            return jnp.ravel(jt.update(tile, *sent, learning_rate=0.5, key=KEY).weight - tile.weight - wanted)

        return left(vector), jax.jacfwd(left)(vector)

    vector = np.concatenate([x[0], d[0]]).astype(np.float64)
    for _ in range(12):
        left, slopes = (np.asarray(part, np.float64) for part in left_and_slopes(vector.astype(FLOAT)))
        vector = vector - np.linalg.pinv(slopes, rcond=1e-4) @ left
    least = np.linalg.norm(left_and_slopes(vector.astype(FLOAT))[0]) / np.linalg.norm(wanted)
    assert float(off(tile, *correct(tile, x, d), wanted)) <= 1.002 * least + 1e-4


def test_expected_without_half_selection_of_constant_steps_leaves_the_proposal():
    x, d = proposal()
    sent_x, sent_d = correct(make_tile(CONSTANT, jnp.inf), x, d)
    np.testing.assert_allclose(sent_d.T @ sent_x, d.T @ x, atol=1e-5)


def risk(x, d, x0, d0, threshold):
    return np.sum((np.outer(d, x) - np.outer(d0, x0)) ** 2) + 2 * threshold * np.abs(d).sum() * np.abs(x).sum()


def test_sparsify_lowers_the_risk_and_no_small_change_lowers_it_further():
    tile, (x, d) = make_tile(SOFT, pulse=TRAINS), proposal()
    sparse = jt.compensation.Sparsify(caution=20.0)
    sent = sent_by(sparse, x, d, tile, 0.5)
    args = (np.asarray(x[0], np.float64), np.asarray(d[0], np.float64), 20 * 0.001)  # caution dw_min / (2 learning_rate)
    (sent_x,), (sent_d,) = (np.asarray(v, np.float64) for v in sent)
    assert 0 < np.count_nonzero(sent_x) + np.count_nonzero(sent_d) < sum(SHAPE)
    least = risk(sent_x, sent_d, *args)
    assert least < risk(*args[:2], *args)
    for seed in range(20):
        change_x, change_d = (1e-3 * np.random.default_rng([seed, n]).normal(size=n) for n in SHAPE[::-1])
        assert risk(sent_x + change_x, sent_d + change_d, *args) > least - 1e-7
    silent = sent_by(jt.compensation.Sparsify(caution=1e3), x, d, tile, 0.5)
    assert not jnp.any(silent[1])

    def change(caution):
        x_sent, d_sent = sent_by(jt.compensation.Sparsify(caution=caution), x, d, tile, 0.5)
        assert not isinstance(x_sent, jt.UnitVectors)
        return d_sent.T @ x_sent

    lanes = jax.vmap(change)(jnp.asarray([0.0, 20.0]))
    np.testing.assert_allclose(lanes[0], d.T @ x, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(lanes[1], np.outer(sent_d, sent_x), rtol=1e-5, atol=1e-7)
    unit = jt.UnitVectors(jnp.arange(2), SHAPE[1])
    assert sent_by(sparse, unit, jnp.ones((2, SHAPE[0])), tile, 1.0)[0] is unit


@pytest.mark.slow
def test_expected_weighs_the_noise_of_its_pulses():
    """On 2 x 2 cells the expected squared error ends at the minimum of a grid over all products of two vectors."""
    tile, x, d = make_tile(SOFT, shape=(2, 2)), jnp.asarray([[0.3, 0.2]]), jnp.asarray([[-0.25, 0.4]])
    wanted, noise = -0.5 * d.T @ x, 30 * 0.5 * 0.001  # caution, learning_rate, dw_min

    @jax.jit
    @jax.vmap
    def risk(x, d):
        moved = jt.update(tile, x, d, learning_rate=0.5, key=KEY).weight - tile.weight
        return jnp.sum((moved - wanted) ** 2) + noise * jnp.sum(jnp.abs(d)) * jnp.sum(jnp.abs(x))

    size, *angles = np.meshgrid(np.linspace(0, 0.4, 41), *2 * [np.linspace(0, 2 * np.pi, 73)], indexing="ij")
    x_all, d_all = (np.stack([np.cos(angle), np.sin(angle)], axis=-1).reshape(-1, 2) for angle in angles)
    least = float(jnp.min(risk(size.reshape(-1, 1).astype(FLOAT) * x_all.astype(FLOAT), d_all.astype(FLOAT))))
    chip = make_tile(SOFT, pulse=TRAINS, shape=(2, 2))
    sent, plain = correct(chip, x, d, 30.0), correct(chip, x, d)
    assert float(risk(*sent)[0]) <= 1.001 * least
    assert 1.05 * least < float(risk(*plain)[0])


def test_without_half_selection_of_constant_steps_expected_is_sparsify():
    tile, (x, d) = make_tile(CONSTANT, jnp.inf, pulse=TRAINS), proposal()
    sparse_x, sparse_d = sent_by(jt.compensation.Sparsify(caution=20.0), x, d, tile, 0.5)
    assert not isinstance(sparse_x, jt.UnitVectors)
    sent_x, sent_d = correct(tile, x, d, 20.0)
    np.testing.assert_allclose(sent_d.T @ sent_x, sparse_d.T @ sparse_x, atol=2e-4)
    np.testing.assert_array_equal(sent_d == 0, sparse_d == 0)


@pytest.mark.parametrize("kappa", [10.0, jnp.inf, None])
def test_gain_weighs_the_noise_of_its_pulses(kappa):
    """The factor of each pair is the best of a grid, unit vectors are as dense ones, and what is not worth its noise stays silent."""
    tile, (x, d), gain = make_tile(CONSTANT, kappa, pulse=TRAINS), proposal(3), 1 if kappa is None else 1 - 2 / kappa
    x, d, rate = jnp.eye(3, SHAPE[1]).at[0].set(x[0]), d * jnp.asarray([[1.0], [0.5], [0.01]]), jnp.asarray(0.5)
    lanes = jax.jit(jax.vmap(lambda caution: sent_by(jt.compensation.Gain(caution=caution), x, d, tile, rate)[1]))(
        jnp.asarray([0.0, 20.0])
    )
    np.testing.assert_allclose(lanes[0], d / gain, rtol=1e-6)
    factors = np.linspace(0, 2, 4001)
    for x_k, d_k, sent in zip(*(np.asarray(v, np.float64) for v in (x, d, lanes[1])), strict=True):
        change = np.sum(d_k**2) * np.sum(x_k**2)
        noise = 2 * 20 * 0.001 * np.abs(d_k).sum() * np.abs(x_k).sum()  # caution dw_min / learning_rate
        best = factors[np.argmin((1 - gain * factors) ** 2 * change + noise * factors)]
        np.testing.assert_allclose(sent, best * d_k, atol=1e-3 * np.abs(d_k).max())
    assert not np.any(lanes[1][2])
    unit = sent_by(jt.compensation.Gain(caution=20.0), jt.UnitVectors(jnp.asarray([1, 2]), SHAPE[1]), d[1:], tile, rate)[1]
    np.testing.assert_allclose(unit, lanes[1][1:], rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    mostly_slow(
        ["MeanField", "MeanCount", "DeterministicImplicit", "Stochastic", "StochasticCompressed"],
        "MeanField",
        "StochasticCompressed",
    ),
)
def test_only_what_is_drawn_has_noise_to_weigh(name):
    """Where the coincidences are the same for all keys, any caution asks for the whole change."""
    tile = make_tile(jt.device.ConstantStep(dw_min_std=0.0, **NO_SPREAD), pulse=getattr(jt.pulse, name)())
    (x, d), rate = proposal(), jnp.asarray(0.5)
    many = jax.jit(jax.vmap(lambda key: jt.update(tile, x, d, learning_rate=rate, key=key).weight))(jr.split(KEY, 5))
    drawn = bool(np.any(np.std(many, axis=0) > 1e-4))
    assert drawn == name.startswith("Stochastic")
    for kind in (jt.compensation.Gain, jt.compensation.Sparsify):
        bold, cautious = (
            sent_d.T @ sent_x for sent_x, sent_d in (sent_by(kind(caution=caution), x, d, tile, rate) for caution in (0.0, 5.0))
        )
        assert np.allclose(bold, cautious, atol=1e-6) != drawn
    if not drawn:
        np.testing.assert_allclose(sent_by(jt.compensation.Gain(), x, d, tile, rate)[1], 1.25 * d, rtol=1e-6)  # kappa 10


def test_gain_leaves_what_sends_no_pulses():
    tile, (x, d) = jt.init(jt.TileConfig(device=jt.device.Ideal()), SHAPE, key=KEY), proposal()
    np.testing.assert_array_equal(sent_by(jt.compensation.Gain(), x, d, tile, 0.5)[1], d)


def test_smallest_first_turns_the_order_of_singular_vectors():
    """In lanes, too; unit vectors keep their d; and an open loop that sends all components at once ends nearer to the target."""
    order, rate = jt.compensation.SmallestFirst(), jnp.asarray(1.0)
    tile = jt.set_weights(make_tile(SOFT, 30.0), jnp.zeros(SHAPE))
    method = jt.SVD(refresh=False, triplets=min(SHAPE))
    target = 0.1 * jr.normal(KEY, SHAPE)
    (x, d), _ = method.propose(tile.weight, target, method.init(jt.Datasheet.of(tile.config, SHAPE), target), KEY)
    lanes = jax.jit(jax.vmap(lambda size: sent_by(order, x, size * d, tile, rate)))(jnp.asarray([1.0, 2.0]))
    np.testing.assert_array_equal(lanes[0], [x[::-1]] * 2)
    np.testing.assert_array_equal(lanes[1], [d[::-1], 2 * d[::-1]])
    unit = jax.jit(lambda d: sent_by(order, jt.UnitVectors(jnp.asarray([4, 0, 7]), SHAPE[1]), d, tile, rate))(
        d[jnp.asarray([1, 3, 2])]
    )
    np.testing.assert_array_equal(unit[0].columns, [0, 7, 4])
    np.testing.assert_array_equal(unit[1], d[jnp.asarray([3, 2, 1])])

    def error(compensation):
        run = jt.program(tile, target, method, key=KEY, max_steps=1, tolerance=0, record=(), compensation=compensation)
        return float(run.stats["frobenius_error"])

    assert error(order) < 0.95 * error(None)


class Counted(jt.pulse.MeanField):
    """Expected counts that are taken to have the noise of trains."""

    random_coincidences = True


@pytest.mark.slow
def test_caution_has_a_derivative():
    """The derivative of the final error equals central differences, in double precision."""
    with jax.enable_x64():
        target, inputs = 0.3 * jr.normal(jr.key(9), (4, 5), float), jr.normal(jr.key(10), (3, 5), float)
        parts = {"half_select": jt.half_select.ConstantRatio(kappa=10.0), "forward": jt.IOParameters(is_perfect=True)}
        tile = jt.init(jt.TileConfig(device=jt.device.SoftBounds(**NO_SPREAD), pulse=Counted(), **parts), (4, 5), key=KEY)

        def final_error(caution):
            method, sparse = jt.GDP(inputs=inputs, learning_rate=0.1), jt.compensation.Sparsify(caution=caution)
            return jt.program(tile, target, method, key=KEY, max_steps=2, compensation=sparse, record=()).stats["frobenius_error"]

        value, at, step = jax.jit(final_error), jnp.float64(8.0), 1e-5
        difference = float(value(at + step) - value(at - step)) / (2 * step)
        assert abs(difference) > 1e-4
        assert float(jax.jit(jax.grad(final_error))(at)) == pytest.approx(difference, rel=1e-3)


def test_a_learning_rate_of_zero_sends_numbers():
    tile, (x, d) = make_tile(CONSTANT, pulse=TRAINS), proposal()
    for compensation in (jt.compensation.Gain(), jt.compensation.Sparsify()):
        assert all(bool(jnp.all(jnp.isfinite(sent))) for sent in sent_by(compensation, x, d, tile, 0.0))


def refuse(method=None, **config):
    tile = jt.init(jt.TileConfig(**config), SHAPE, key=KEY)
    jt.program(tile, jnp.zeros(SHAPE), method or jt.SVD(), key=KEY, max_steps=1, compensation=jt.compensation.Expected())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: refuse(device=jt.device.Ideal()), ValueError, ["Expected()", "Ideal()", "sends none"]),
        (lambda: refuse(half_select=jt.half_select.Accumulation()), ValueError, ["Expected()", "Accumulation()", "memory"]),
        (lambda: refuse(device=jt.device.SoftBounds(order="slot")), ValueError, ["Expected()", "order='aggregate'"]),
        (lambda: refuse(jt.GDP()), TypeError, ["Expected(", "UnitVectors", "Gain()"]),
        (lambda: jt.compensation.Expected(steps=0), ValueError, ["Expected.steps=0", "at least 1"]),
        (lambda: jt.compensation.Expected(caution=-1.0), ValueError, ["Expected.caution=-1", "at least 0"]),
        (lambda: jt.compensation.Sparsify(caution=-1.0), ValueError, ["Sparsify.caution=-1", "at least 0"]),
        (lambda: jt.compensation.Gain(caution=-1.0), ValueError, ["Gain.caution=-1", "at least 0"]),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error) as refusal:
        call()
    for word in words:
        assert word in str(refusal.value)
