"""The same chip in aihwkit and in jaxtile: updates agree, pulse by pulse where chance is out of it, in law where it is not."""

import ctypes

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.simulator.parameters.enums import PulseType
from chips import DEVICES, PULSED, analog_tile, in_order, send, update, weights_of
from helpers import mostly_slow
from scipy.stats import ks_2samp

import jaxtile as jt
from bridge import from_analog_tile, to_analog_tile
from jaxtile.pulse import Trains

KEY = jr.key(0)


def vectors(rng, out, width, number):
    """Signed vectors with some zeros."""
    x, d = rng.normal(size=(number, width)).astype(np.float32), rng.normal(size=(number, out)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = 0
    d[rng.random(d.shape) < 0.2] = 0
    return x, d


IN_ORDER = [(PulseType.DETERMINISTIC_IMPLICIT, "aggregate"), (PulseType.DETERMINISTIC_IMPLICIT, "slot")]
IN_ORDER += [(PulseType.MEAN_COUNT, "aggregate"), (PulseType.MEAN_COUNT, "slot"), (PulseType.NONE_WITH_DEVICE, "aggregate")]


@pytest.mark.parametrize(("pulse_type", "order"), IN_ORDER)
@pytest.mark.parametrize("device", mostly_slow(DEVICES, "soft bounds"))
def test_without_chance_a_hundred_updates_agree(device, pulse_type, order):
    if pulse_type == PulseType.NONE_WITH_DEVICE and "reference" in device:
        pytest.skip("bounds are those of the conductance here, see test_a_reference_device_holds_what_its_conductance_can")
    theirs = analog_tile(6, 9, DEVICES[device](dw_min=0.005, dw_min_std=0.0, construction_seed=3), pulse_type=pulse_type)
    rng = np.random.default_rng(0)
    theirs.tile.set_weights(torch.tensor(rng.uniform(-0.1, 0.1, (6, 9)), dtype=torch.float32))
    ours = in_order(from_analog_tile(theirs), order)
    theirs.tile.set_learning_rate(0.1)
    start = weights_of(theirs)
    for x, d in zip(*vectors(rng, 6, 9, 100), strict=True):
        theirs.tile.update(torch.from_numpy(x), torch.from_numpy(d), False)
        ours = update(ours, jnp.asarray(x), jnp.asarray(d), 0.1, KEY)
    assert np.abs(weights_of(theirs) - start).mean() > 0.02
    np.testing.assert_allclose(ours.weight, weights_of(theirs), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "management",
    [
        {"update_bl_management": True},
        pytest.param({"update_bl_management": True, "um_grad_scale": 0.5, "desired_bl": 7}, marks=pytest.mark.slow),
        pytest.param({"update_bl_management": False, "update_management": True, "desired_bl": 40}, marks=pytest.mark.slow),
        {"update_bl_management": False, "update_management": False, "res": 0.1},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "pulse_type", mostly_slow([PulseType.STOCHASTIC_COMPRESSED, PulseType.STOCHASTIC], PulseType.STOCHASTIC_COMPRESSED)
)
def test_the_very_trains_of_aihwkit(management, pulse_type):
    """aihwkit draws its trains from the C library's `rand`. Seeded, the same numbers make the same trains here."""
    out, width, rate, dw_min = 5, 7, 0.03, 0.001
    libc = ctypes.CDLL(None)
    same = {"dw_min_dtod": 0.0, "up_down_dtod": 0.0, "dw_min_std": 0.0, "w_max": 100.0, "w_min": -100.0, "dw_min": dw_min}
    theirs = analog_tile(out, width, PULSED["constant"](**same), pulse_type=pulse_type, **management)
    theirs.tile.set_learning_rate(rate)
    ours = in_order(from_analog_tile(theirs), "slot")
    pulse, total = ours.config.pulse, 0
    for seed, (x, d) in enumerate(zip(*vectors(np.random.default_rng(1), out, width, 20), strict=True)):
        before = weights_of(theirs)
        libc.srand(seed + 1)
        theirs.tile.update(torch.from_numpy(x), torch.from_numpy(d), False)

        libc.srand(seed + 1)
        length, d_scale, x_scale = pulse.scales(jnp.asarray(x), jnp.asarray(d), jnp.float32(rate), ours.device.granularity())
        x_bits, d_bits = (drawn_by(libc, values, scale, int(length), pulse) for values, scale in ((x, x_scale), (d, d_scale)))
        lines = Trains.from_bits(jnp.asarray(x_bits), jnp.asarray(d_bits), jnp.sign(jnp.asarray(x)), jnp.sign(jnp.asarray(d)))

        counted = np.rint((before - weights_of(theirs)) / dw_min).astype(int)
        np.testing.assert_array_equal(np.asarray(lines.coincidences()) * np.asarray(lines.directions()), counted)
        total += np.abs(counted).sum()
        ours = send(ours, lines, KEY)
        np.testing.assert_allclose(ours.weight, weights_of(theirs), atol=1e-6, rtol=0)  # a thousandth of a step
    assert total > 100


def drawn_by(libc, values, scale, length, pulse):
    """Trains of [line, slot] from the C library's random numbers, drawn for lines that are not zero, in order."""
    p = np.abs(values) * np.float32(scale)
    res = np.float32(pulse.res)
    p = np.rint(p / res) * res if res > 0 else p
    bits = np.zeros((len(values), pulse.desired_bl), bool)
    for line in np.flatnonzero(p):
        numbers = np.array([libc.rand() for _ in range(length)], np.float32) / np.float32(2**31 - 1)
        bits[line, :length] = p[line] > numbers
    return bits


REPEATS, TILES = 3000, 10


# In slot order the laws are the devices' own, one pulse at a time; how they sum up is what differs from device to device.
LAWS = [
    *((device, "aggregate") for device in PULSED if device not in ("soft bounds, reversed", "pow, reference")),
    *((device, "slot") for device in ("constant", "soft bounds", "exp")),
]


@pytest.mark.parametrize(("device", "order"), mostly_slow(LAWS, ("soft bounds", "aggregate")))
def test_law_of_a_stochastic_update(device, order):
    """Mean, variance, row and column covariance and distribution of the change, at 1.4e5 updates of a device."""
    out, width, rate = 6, 8, 0.05
    rng = np.random.default_rng(2)
    chip = from_analog_tile(analog_tile(out, width, PULSED[device](dw_min=0.005, w_max_dtod=0.1, w_min_dtod=0.1)))
    start = rng.uniform(-0.2, 0.2, (out, width)).astype(np.float32)
    x, d = rng.uniform(0.2, 1, width).astype(np.float32), rng.uniform(-1, 1, out).astype(np.float32)
    x[1] *= -1

    ours = in_order(chip, order)
    ours = ours.with_state(jnp.asarray(start))
    moved = jax.jit(jax.vmap(lambda tile, key: jt.update(tile, x, d, learning_rate=rate, key=key).weight, in_axes=(None, 0)))
    ours = (np.asarray(moved(ours, jr.split(KEY, REPEATS))) - start).reshape(REPEATS, -1)
    theirs = np.concatenate([sampled(chip, start, x, d, rate, REPEATS // TILES) for _ in range(TILES)]).reshape(REPEATS, -1)

    # aihwkit's cycle noise comes from 32768 numbers that each tile draws once: the mean noise of a tile is off by its own amount.
    means, variances = ([f(sample, axis=0) for sample in (ours, theirs)] for f in (np.mean, np.var))
    finite_list = (0.3 * means[0]) ** 2 / (32768 * TILES)
    agree(*means, variances[0] / REPEATS, variances[1] / REPEATS + finite_list)

    (ours_cov, ours_var), (theirs_cov, theirs_var) = covariance(ours), covariance(theirs)
    rows, columns = np.divmod(np.arange(out * width), width)
    diagonal, row = np.eye(len(rows), dtype=bool), np.triu(rows[:, None] == rows, 1)
    column = np.triu(columns[:, None] == columns, 1)
    for pairs in (diagonal, row, column):
        agree(ours_cov[pairs], theirs_cov[pairs], ours_var[pairs], theirs_var[pairs])
        assert np.max(np.abs(theirs_cov[pairs]) / np.sqrt(theirs_var[pairs])) > 10  # there is something to agree on

    p_values = [ks_2samp(ours[:, cell], theirs[:, cell]).pvalue for cell in range(out * width)]
    assert min(p_values) > 1e-3 / len(p_values)


def sampled(chip, start, x, d, rate, repeats):
    """Changes of a fresh C++ copy of the chip."""
    module = to_analog_tile(in_order(chip, "aggregate"))  # owns, from aihwkit 1.2 on, the memory of the weights
    tile = module.tile
    tile.set_learning_rate(rate)
    start, x, d = torch.from_numpy(start), torch.from_numpy(x), torch.from_numpy(d)
    changes = []
    for _ in range(repeats):
        tile.set_weights(start)
        tile.update(x, d, False)
        changes.append((tile.get_weights() - start).numpy())
    return np.stack(changes)


def covariance(sample):
    """The covariance matrix, and the variance of its estimate."""
    centred = sample - sample.mean(axis=0)
    cov = centred.T @ centred / len(sample)
    return cov, ((centred**2).T @ (centred**2) / len(sample) - cov**2) / len(sample)


def agree(a, b, var_a, var_b):
    """Two estimates of several numbers, each with its variance: no single one off by much, nor all of them by a little."""
    z = (a - b) / np.sqrt(var_a + var_b)
    assert np.max(np.abs(z)) < 5
    assert np.mean(z**2) < 1 + 5 * np.sqrt(2 / z.size) * 2  # estimates that share cells are correlated: twice the spread
