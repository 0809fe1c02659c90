"""Half pulses of cells, how many and with which polarity: by hand, and on average."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import FLOAT, assert_mean, lines_of, mostly_slow
from reference.simulator import Crossbar, unpack

import jaxtile as jt
from jaxtile.half_select.phases import PHASES, active, exposure


def one_slot(x, d):
    """Lines that fire in the only slot if their value is not zero."""
    x, d = np.array(x), np.array(d)
    return jt.pulse.Trains.from_bits(*(jnp.asarray(v != 0)[:, None] for v in (x, d)), *(jnp.asarray(np.sign(v)) for v in (x, d)))


def half_counts(lines, policy):
    seen = exposure(lines, skip_inactive=policy == "active")
    return np.asarray(seen.up.half), np.asarray(seen.down.half)


def test_order_and_polarity():
    assert [(p.d, p.x, p.up) for p in PHASES] == [(1, 1, False), (1, -1, True), (-1, 1, True), (-1, -1, False)]


def test_one_selected_cell():
    """The other cells of its lines see both polarities, unless phases are skipped; the cell itself sees two against its own."""
    lines = one_slot([1, 0], [1, 0])
    up, down = half_counts(lines, "all")
    assert up.tolist() == [[2, 1], [1, 0]]
    assert down.tolist() == [[0, 1], [1, 0]]
    up, down = half_counts(lines, "active")
    assert up.tolist() == [[0, 0], [0, 0]]
    assert down.tolist() == [[0, 1], [1, 0]]


def test_two_signs_of_x():
    """Row +, columns + and -: the phases of row - are skipped by "active", and driven with idle rows by "all"."""
    lines = one_slot([1, -1], [1])
    up, down = half_counts(lines, "active")
    assert up.tolist() == [[1, 0]]
    assert down.tolist() == [[0, 1]]
    up, down = half_counts(lines, "all")
    assert up.tolist() == [[2, 0]]  # its row in phase +-, its column in phase -+
    assert down.tolist() == [[0, 2]]


def test_active_goes_by_values_and_not_by_bits():
    x_bits, d_bits = jnp.array([[True], [False]]), jnp.array([[True]])
    lines = jt.pulse.Trains.from_bits(x_bits, d_bits, jnp.array([1, -1]), jnp.array([1]))
    assert [bool(active(phase, lines)) for phase in PHASES] == [True, True, False, False]
    up, down = half_counts(lines, "active")
    assert up.tolist() == [[1, 1]]  # the phase of the silent negative column is driven, and its row fires in it
    assert down.tolist() == [[0, 1]]


@pytest.mark.parametrize("policy", mostly_slow(["all", "active"], "active"))
def test_expected_exposure(policy):
    """Exposure is linear in the counts, so that of the mean field is the average of the simulator's."""
    x, d = np.array([0.9, -0.5, 0.0], FLOAT), np.array([0.8, -0.4], FLOAT)
    pulse = {"desired_bl": 6, "update_bl_management": False}
    tile = jt.init(jt.TileConfig(), (2, 3), key=jr.key(0))
    mean = lines_of(jt.pulse.MeanField(**pulse), jnp.asarray(0.01), x, d, 0.03, jr.key(0))
    samples = []
    for seed in range(400):
        lines = lines_of(jt.pulse.StochasticCompressed(**pulse), jnp.asarray(0.01), x, d, 0.03, jr.key(seed))
        crossbar = Crossbar(tile, lambda *_: 0.0, policy)
        bits = (unpack(np.asarray(words), 6) for words in (lines.x_words, lines.d_words))
        crossbar.send_trains(*bits, np.asarray(lines.x_sign), np.asarray(lines.d_sign))
        samples.append(np.stack([crossbar.half["up"], crossbar.half["down"]]))
    assert_mean(samples, np.stack(half_counts(mean, policy)))


@pytest.mark.parametrize("kappa", [2.0, 10.0, np.inf])
def test_gain(kappa):
    assert float(jt.half_select.ConstantRatio(kappa=kappa).gain()) == pytest.approx(1 - 2 / kappa)
