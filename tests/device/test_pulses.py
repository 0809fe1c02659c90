"""One pulse of each device against its formula, and what many pulses sum up to."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import AFFINE, DEVICES, FLOAT, assert_mean, assert_same_moments, assert_std, mostly_slow, without_spread
from reference.laws import law_of

from jaxtile._random import Draws, cell_index
from jaxtile.device import burst

SHAPE = (64, 64)
INDEX = cell_index(64, jnp.arange(64), 64)
LAWS = {"constant": ("constant",), "affine": AFFINE}
ONE_OF_A_KIND = ("constant", "soft bounds, reference", "pow", "table")  # constant, affine, any other step, and one of its own


@partial(jax.jit, static_argnums=0)
def pulses(law, device, cells, weight, up, down, size=1.0, noise=None):
    return law(device, cells, weight, burst.Burst(up, down, size, size, noise))


class Reference:
    """Pulses of whole arrays, one after another, each with its clip."""

    def __init__(self, device, cells, weight, seed=0):
        self.law = law_of(device, cells)
        self.cells = {name: np.asarray(value, np.float64) for name, value in vars(cells).items()}
        self.weight, self.rng = np.array(weight, np.float64), np.random.default_rng(seed)

    def step(self, way, at, xi=0.0):
        return self.law(self.cells, at, way, xi)

    def pulse(self, way, count=1, size=1.0, xi=None):
        for _ in range(count):
            step = self.step(way, self.weight, self.rng.standard_normal(self.weight.shape) if xi is None else xi)
            self.weight = np.clip(self.weight + (size if way == "up" else -size) * step, self.cells["w_min"], self.cells["w_max"])
        return self.weight


def fabricated(name, *, shape=SHAPE, fill=1.0, **numbers):
    """A device, its cells, and weights all over the range of each."""
    device = DEVICES[name](**{"dw_min": 0.01, **numbers})
    cells = device.fabricate(shape, key=jr.key(1))
    place = jnp.asarray(np.random.default_rng(1).uniform(-fill, fill, shape), FLOAT)
    return device, cells, device.clip(cells, jnp.where(place > 0, place * cells.w_max, -place * cells.w_min))


def identical(name, at, **numbers):
    """Many equal devices at `at` of their range: an ensemble."""
    device = without_spread(name, **{"dw_min": 0.01, **numbers})
    return device, device.fabricate(SHAPE, key=jr.key(0)), jnp.full(SHAPE, 0.6 * at, FLOAT)


@pytest.mark.parametrize("law", [burst.affine, burst.one_by_one])
def test_counts_that_rounding_took_below_zero_make_no_noise(law):
    device, cells, weight = fabricated("soft bounds", dw_min_std=0.3, fill=0.5)
    below = jnp.full(SHAPE, -1e-6)
    after = pulses(law, device, cells, weight, below, 0 * below, noise=Draws(jr.key(2), INDEX))
    np.testing.assert_allclose(after, weight, atol=1e-7)


def whole(count, shape=SHAPE):
    return jnp.full(shape, count, jnp.int32)


def real(count, shape=SHAPE):
    return jnp.full(shape, count, FLOAT)


@pytest.mark.parametrize("name", DEVICES)
def test_one_pulse(name):
    """Up and down, full and half, with noise, anywhere in the range: by the device's law and by the exact one.

    The closed laws add the noise of a burst instead of taking it along their direction.
    """
    device, cells, weight = fabricated(name, dw_min_std=0.5)
    noise = Draws(jr.key(2), INDEX)
    xi = np.asarray(noise.normal(FLOAT), np.float64)
    for law in {type(device).burst, burst.one_by_one}:
        for way in ("up", "down"):
            up, down = (whole(int(way == w)) for w in ("up", "down"))
            for size in (1.0, 0.1):
                got = pulses(law, device, cells, weight, up, down, size, noise)
                along = -xi if way == "down" and law is not burst.one_by_one else xi
                reference = Reference(device, cells, weight)
                assert (np.abs(got - reference.pulse(way, size=size, xi=along)) <= 2e-7).all()


@pytest.mark.parametrize("name", mostly_slow(DEVICES, *ONE_OF_A_KIND))
def test_many_pulses_one_by_one(name):
    """Up before down, each with a normal of its own."""
    device, cells, weight = fabricated(name, dw_min_std=0.5)
    noise = Draws(jr.key(3), INDEX)
    rng = np.random.default_rng(3)
    up, down = rng.integers(0, 4, SHAPE), rng.integers(0, 4, SHAPE)
    got = pulses(burst.one_by_one, device, cells, weight, jnp.asarray(up), jnp.asarray(down), 1.0, noise)
    reference = Reference(device, cells, weight)
    xi = np.stack([np.asarray(noise.normal(FLOAT, n), np.float64) for n in range(6)])
    for n in range(6):
        before = reference.weight
        moved_up = reference.pulse("up", xi=xi[n])
        reference.weight = before
        moved_down = reference.pulse("down", xi=xi[n])
        reference.weight = np.where(n < up, moved_up, np.where(n < up + down, moved_down, before))
    np.testing.assert_allclose(got, reference.weight, atol=5e-7, rtol=0)


@pytest.mark.parametrize(("law", "name"), [(law, name) for law in ("constant", "affine") for name in LAWS[law]])
def test_bursts_without_noise_are_exact(law, name):
    """n pulses of one direction, up to and at the bounds, as whole numbers and as real ones."""
    device, cells, weight = fabricated(name, dw_min_std=0.0)
    for way in ("up", "down"):
        for number, count in ((whole, 2), (real, 2), (whole, 31), (real, 31)):
            up, down = (number(count if way == w else 0) for w in ("up", "down"))
            got = pulses(getattr(burst, law), device, cells, weight, up, down)
            np.testing.assert_allclose(got, Reference(device, cells, weight).pulse(way, count), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["linear", "soft bounds", "soft bounds, reference"])
def test_affine_bursts_compose_for_any_real_number_of_pulses(name):
    device, cells, weight = fabricated(name, dw_min_std=0.0, fill=0.5)
    for up, down in ((3.7, 0.0), (0.0, 2.2), (5.5, 3.1)):
        half_way = pulses(burst.affine, device, cells, weight, real(0.3 * up), real(0.3 * down))
        twice = pulses(burst.affine, device, cells, half_way, real(0.7 * up), real(0.7 * down))
        np.testing.assert_allclose(twice, pulses(burst.affine, device, cells, weight, real(up), real(down)), atol=3e-7, rtol=0)


@pytest.mark.parametrize("name", ["constant", "linear", "soft bounds", "exp", "pow", "piecewise"])
def test_fractional_counts(name):
    """They interpolate whole ones, and zero pulses do nothing."""
    device, cells, weight = fabricated(name, dw_min_std=0.0, fill=0.6, dw_min_dtod=0.1, w_max_dtod=0.1)
    law = type(device).burst
    assert np.array_equal(pulses(law, device, cells, weight, real(0), real(0)), weight)
    at = [np.asarray(pulses(law, device, cells, weight, real(n), real(0))) for n in (2, 2.5, 3)]
    middle = (at[0] + at[2]) / 2
    assert (at[1] >= at[0]).all()
    assert (at[1] <= at[2]).all()
    assert np.abs(at[1] - middle).max() < 0.02 * 0.01  # of one step


MIXED = {"linear": 0.03, "soft bounds": 0.03, "soft bounds, reference": 0.03, "exp": 0.03, "pow": 0.1, "piecewise": 0.7}


@pytest.mark.parametrize(("name", "most"), MIXED.items())
def test_mixed_directions(name, most):
    """20 up and 20 down, mixed evenly, against the mean over random orders: the single order is lost, its mean is kept.

    In units of a step the flow misses terms of second order in the step over the range (0.01 / 1.2), which are small; more where
    the response bends, and most at a kink, which the orders cross at different times: 0.1 rms for the piecewise step.
    """
    device, cells, weight = fabricated(name, dw_min_std=0.0, fill=0.8, dw_min_dtod=0.1, w_max_dtod=0.1, w_min_dtod=0.1)
    got = np.asarray(pulses(type(device).burst, device, cells, weight, real(20), real(20)), np.float64)
    rng, ends = np.random.default_rng(4), []
    for _ in range(40):
        reference = Reference(device, cells, weight)
        for way in rng.permutation(["up"] * 20 + ["down"] * 20):
            reference.pulse(way, xi=0.0)
        ends.append(reference.weight)
    ends = np.stack(ends)
    error = np.abs(got - ends.mean(0)) / 0.01
    resolved = 4.5 * ends.std(0, ddof=1) / np.sqrt(len(ends)) / 0.01
    assert (error <= most + resolved).all()
    assert np.abs(got - np.asarray(weight)).max() > 0.01  # it did go somewhere


@pytest.mark.parametrize("name", ["linear", "soft bounds", "soft bounds, reference"])
def test_full_and_half_pulses_of_many_vectors_alternate(name):
    """20 full pulses up and 60 of half the size down, mixed evenly, against the mean over random orders, as above; one kind after the other
    ends elsewhere.
    """
    device, cells, weight = fabricated(name, dw_min_std=0.0, fill=0.8, dw_min=0.02, w_max_dtod=0.1, w_min_dtod=0.1)
    kinds = {"full": ("up", 1.0, 20), "half": ("down", 0.5, 60)}
    bursts = [burst.Burst(*(real(n if way == w else 0) for w in ("up", "down")), size, size) for way, size, n in kinds.values()]
    together, apart = (np.asarray(law(device, cells, weight, *bursts), np.float64) for law in (burst.mixed, burst.affine))
    rng, ends = np.random.default_rng(4), []
    for _ in range(40):
        reference = Reference(device, cells, weight)
        for kind in rng.permutation([kind for kind, (_, _, n) in kinds.items() for _ in range(n)]):
            way, size, _ = kinds[kind]
            reference.pulse(way, size=size, xi=0.0)
        ends.append(reference.weight)
    ends = np.stack(ends)
    error, resolved = np.abs(together - ends.mean(0)) / 0.02, 4.5 * ends.std(0, ddof=1) / np.sqrt(len(ends)) / 0.02
    assert (error <= 2 * MIXED[name] + resolved).all()  # terms of second order, at twice the step
    assert np.abs(apart - ends.mean(0)).mean() > 3 * np.abs(together - ends.mean(0)).mean()


@pytest.mark.parametrize(("at", "dw_min", "sigma"), [(-0.8, 0.003, 0.3), (0.0, 0.003, 0.3), (0.8, 0.003, 0.3), (-0.5, 0.1, 0.05)])
@pytest.mark.parametrize("name", ["constant", *AFFINE])
def test_mean_and_spread_of_a_burst(name, at, dw_min, sigma):
    """Ten noisy pulses, drawn as one, against ten drawn one by one: equal in mean and in variance over 64 x 64 devices.

    Also for steps of a sixth of the way to the bound, as long as the noise does not meet it, and as real numbers of small steps:
    the flow of those sums the noise by Simpson's rule.
    """
    if dw_min == 0.1 and not name.startswith("soft bounds"):
        dw_min = 0.04
    device, cells, weight = identical(name, at, dw_min=dw_min, dw_min_std=sigma)
    for way in ("up", "down"):
        expected = Reference(device, cells, weight, seed=5).pulse(way, 10)
        for count in (whole, real) if dw_min <= 0.01 else (whole,):
            up, down = (count(10 if way == w else 0) for w in ("up", "down"))
            got = pulses(type(device).burst, device, cells, weight, up, down, 1.0, Draws(jr.key(5), INDEX))
            assert_same_moments({"w": np.asarray(got)}, {"w": expected})


@pytest.mark.parametrize("sigma", [0.3, 2.0])
def test_spread_of_n_constant_steps(sigma):
    """n pulses spread by sigma sqrt(n) steps."""
    device, cells, weight = identical("constant", 0.0, dw_min=0.001, dw_min_std=sigma)
    for law, count in ((burst.constant, 10), (burst.one_by_one, 10), (burst.constant, 1)):
        moved = pulses(law, device, cells, weight, whole(count), whole(0), 1.0, Draws(jr.key(6), INDEX))
        assert_mean(np.asarray(moved).ravel() / 0.001, count)
        assert_std(np.asarray(moved).ravel() / 0.001, sigma * np.sqrt(count))


@pytest.mark.parametrize(("sigma", "least", "most"), [(0.3, 0.0, 0.01), (1.0, 0.05, 0.2), (3.75, 1.2, 2.0)])
def test_constant_step_near_a_bound(sigma, least, most):
    """Ten pulses towards a bound five steps away: one clip at the end forgives excursions that a clip after every pulse forbids.

    In units of a step the mean is off by 0.0001, 0.1 and 1.5 for cycle noise of 0.3, 1 and 3.75.
    """
    device, cells, weight = identical("constant", 1.0, dw_min=0.001, dw_min_std=sigma)
    weight = weight - 0.005
    got = np.asarray(pulses(burst.constant, device, cells, weight, real(10), real(0), 1.0, Draws(jr.key(7), INDEX)), np.float64)
    error = (got.mean() - Reference(device, cells, weight, seed=7).pulse("up", 10).mean()) / 0.001
    assert least <= error <= most


@pytest.mark.parametrize("name", mostly_slow(DEVICES, "table"))
def test_gradients_are_finite(name):
    """Also at rest, at the bounds and without pulses."""
    device, cells, _ = fabricated(name, shape=(2, 4))
    weight = jnp.stack([jnp.zeros(4), cells.w_max[1]])
    up, down = jnp.array([[0.0, 2.5, 0.0, 1.0]] * 2), jnp.array([[0.0, 0.0, 3.5, 1.0]] * 2)

    @jax.jit
    @jax.grad
    def slope(arguments):
        device, cells, weight, up, down, size = arguments
        return jnp.sum(device.pulses(cells, weight, burst.Burst(up, down, size, size)))

    gradient = slope((device, cells, weight, up, down, jnp.asarray(1.0)))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradient))
    assert float(jnp.abs(gradient[3]).max()) > 0


@pytest.mark.parametrize("name", mostly_slow(DEVICES, *ONE_OF_A_KIND))
def test_weights_stay_in_bounds(name):
    device, cells, weight = fabricated(name, dw_min=0.2, dw_min_std=1.0)
    for law in {type(device).burst, burst.one_by_one}:
        for count in (whole, real):
            got = pulses(law, device, cells, weight, count(9), count(2), 1.0, Draws(jr.key(8), INDEX))
            assert bool(((got >= cells.w_min) & (got <= cells.w_max)).all())
