"""Stochastic trains: the law of their coincidences, and what saturation makes of it."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import FLOAT, TRAIN_PULSES, assert_covariance, assert_mean, lines_of
from reference.simulator import unpack

import jaxtile as jt

G = jnp.asarray(0.01)


def counts(pulse, x, d, rate, *, seed=0, samples=20_000):
    """Coincidences [sample, out, in] and pulses of rows and columns, over many keys."""
    x, d = (jnp.asarray(v, FLOAT) for v in (x, d))

    @jax.jit
    def draw(pulse, keys):
        def one(key):
            lines = lines_of.__wrapped__(pulse, G, x, d, rate, key)
            return lines.coincidences(), *lines.line_counts()

        return jax.vmap(one)(keys)

    return tuple(np.asarray(c) for c in draw(pulse, jr.split(jr.key(seed), samples)))


@pytest.mark.parametrize("name", TRAIN_PULSES)
def test_law_of_coincidences(name):
    """K ~ Binomial(BL, p_d p_x), and cells of a row (column) share its train."""
    pulse = TRAIN_PULSES[name](desired_bl=10)
    x, d = np.array([1.0, -0.5, 0.0, 0.25]), np.array([0.8, -0.4, 0.1])
    rate = 0.05  # k = 4: BL = 4
    both, rows, columns = counts(pulse, x, d, rate)
    bl = np.ceil(rate * 0.8 / 0.01)
    p_d, p_x = np.abs(d) * np.sqrt(rate / (0.01 * bl) / 0.8), np.abs(x) * np.sqrt(rate / (0.01 * bl) * 0.8)
    p = p_d[:, None] * p_x[None, :]
    assert_mean(both, bl * p)
    assert_mean(both * 0.01, rate * np.abs(np.outer(d, x)))  # the mean update
    assert_mean(rows, bl * p_d)
    assert_mean(columns, bl * p_x)
    assert_covariance(both, both, bl * p * (1 - p))
    for i in range(3):
        for j, other in ((0, 1), (0, 3), (1, 3)):
            assert_covariance(both[:, i, j], both[:, i, other], bl * p_x[j] * p_x[other] * p_d[i] * (1 - p_d[i]))
    for j in (0, 1, 3):
        assert_covariance(both[:, 0, j], both[:, 1, j], bl * p_d[0] * p_d[1] * p_x[j] * (1 - p_x[j]))
    assert_covariance(both[:, 0, 0], both[:, 1, 1], 0)
    assert_covariance(both[:, 2, 1], both[:, 0, 3], 0)


@pytest.mark.parametrize(("um_grad_scale", "k", "desired_bl", "d", "expected"), [
    (1.0, 50, 10, [1.0, 0.5, 0.15, 0.05], [10, 10, 7.5, 2.5]),  # d saturates, x does not
    (0.5, 20, 31, [1.0, 0.5, 0.15, 0.05], [10, 10, 3, 1]),
    (0.25, 20, 31, [1.0, 0.5, 0.15, 0.05], [5, 5, 3, 1]),
])  # fmt: skip
def test_saturation(um_grad_scale, k, desired_bl, d, expected):
    pulse = jt.pulse.StochasticCompressed(desired_bl=desired_bl, um_grad_scale=um_grad_scale)
    both, _, columns = counts(pulse, [1.0, -1.0], d, k * 0.01, samples=4000)
    assert_mean(both, np.array(expected)[:, None] * np.ones(2))
    assert (columns == max(expected)).all()  # x fires in every slot


def test_slots_are_equal_and_independent():
    pulse = jt.pulse.StochasticCompressed(desired_bl=40, update_bl_management=False, update_management=False)
    rate = jnp.asarray(0.1)
    keys = jr.split(jr.key(3), 3000)
    x, d = jnp.array([0.8, 0.3]), jnp.array([0.5])
    words = jax.jit(jax.vmap(lambda key: lines_of.__wrapped__(pulse, G, x, d, rate, key).x_words))(keys)
    bits = unpack(np.asarray(words).reshape(-1, 2), 40).reshape(3000, 2, 40).astype(float)
    p = np.array([0.8, 0.3]) * np.sqrt(0.1 / (0.01 * 40))
    assert_mean(bits, np.broadcast_to(p[:, None], (2, 40)))
    for t, other in ((0, 1), (31, 32), (5, 39)):
        assert_covariance(bits[:, :, t], bits[:, :, other], 0)
    assert_covariance(bits[:, 0], bits[:, 1], 0)


def test_trains_do_not_depend_on_the_rest_of_the_tile():
    """A line draws from its own number: the first rows of a wide tile send what those of a narrow one do."""
    pulse, key = jt.pulse.StochasticCompressed(), jr.key(5)
    x, d = np.linspace(-1, 1, 6, dtype=FLOAT), np.linspace(1, -0.5, 9, dtype=FLOAT)
    wide, narrow = lines_of(pulse, G, x, d, 0.1, key), lines_of(pulse, G, x, d[:4], 0.1, key)
    assert np.array_equal(wide.x_words, narrow.x_words)
    assert np.array_equal(wide.d_words[:4], narrow.d_words)


def test_packing():
    rng = np.random.default_rng(0)
    for n_slots in (1, 32, 70):
        x_bits, d_bits = rng.random((5, n_slots)) < 0.5, rng.random((3, n_slots)) < 0.5
        signs = jnp.ones(5, jnp.int32), jnp.ones(3, jnp.int32)
        trains = jt.pulse.Trains.from_bits(jnp.asarray(x_bits), jnp.asarray(d_bits), *signs)
        assert np.array_equal(unpack(np.asarray(trains.x_words), n_slots), x_bits)
        assert np.array_equal(trains.coincidences(), d_bits.astype(int) @ x_bits.T.astype(int))
        assert np.array_equal(trains.line_counts()[0], d_bits.sum(1))
        for t in {0, n_slots // 2, n_slots - 1}:
            rows, columns = trains.slot(jnp.asarray(t))
            assert np.array_equal(rows, d_bits[:, t])
            assert np.array_equal(columns, x_bits[:, t])


def test_rounding_of_probabilities():
    """With res = 0.25 a probability of 0.3 is 0.25, and with stochastic rounding 0.3 on average (aihwkit's own example)."""
    rate = 0.01 * 0.09 * 10  # one-slot-per-pulse scales of 1, so that p = |v|
    fields = {"desired_bl": 10, "update_bl_management": False, "update_management": False, "res": 0.25}
    size = 0.3 / np.sqrt(rate / (0.01 * 10))
    for sto_round, p in ((False, 0.25), (True, 0.3)):
        pulse = jt.pulse.StochasticCompressed(sto_round=sto_round, **fields)
        both, rows, columns = counts(pulse, [size] * 3, [size] * 2, rate)
        assert_mean(both, np.full((2, 3), 10 * p * p))
        assert_mean(rows, np.full(2, 10 * p))
        assert_mean(columns, np.full(3, 10 * p))
