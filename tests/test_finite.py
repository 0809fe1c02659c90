"""Broken numbers never look whole, overflows saturate, and every device starts where it can stand."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jaxtile as jt
from jaxtile._linalg import safe_norm
from jaxtile._numerics import divisor, safe_sqrt
from jaxtile.device import ConstantStep, Drifting, OneSided, ReferenceCell, VectorCell, WriteNoise

KEY = jr.key(0)
NAN = float("nan")


def test_guards_against_zero_let_nan_through():
    np.testing.assert_array_equal(divisor(jnp.asarray([0.0, -1.0, 2.0, NAN])), [1, 1, 2, NAN])
    np.testing.assert_array_equal(safe_sqrt(jnp.asarray([0.0, -1.0, 4.0, NAN])), [0, 0, 2, NAN])
    assert float(jax.grad(safe_sqrt)(0.0)) == 0
    assert np.isnan(safe_norm(jnp.asarray([[1.0, NAN]])))


def broken(tile: jt.Tile) -> jt.Tile:
    """The same with one weight that is no number."""
    return tile.with_state(tile.state.at[0, 0].set(NAN))


def test_the_errors_of_a_broken_chip_are_nan():
    """A chip whose steps overflow, beside those that do not: it must not be the best one."""
    tile = jt.init(jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse()), (3, 4), key=KEY)
    target = jnp.full((3, 4), 0.2)
    view = jt.quantities.View(broken(tile), target, jnp.asarray(0.0), jnp.asarray(1))
    names = ("frobenius_error", "spectral_error")
    stats = jt.quantities.measure([jt.quantities.QUANTITIES[name] for name in names], view)
    assert all(np.isnan(value) for value in stats.values())


@pytest.mark.parametrize(
    "modify",
    [lambda w: jt.digital.map_weights(w)[0], lambda w: jt.noise.SingleDevice().conductances(w)[0][0]],
    ids=["map", "converter"],
)
def test_a_scale_of_what_is_no_number_is_none(modify):
    assert np.all(np.isnan(modify(jnp.asarray([[NAN, 1.0]]))))


def test_outputs_that_are_no_numbers_are_never_counted_as_right():
    """`argmax` takes NaN for the largest."""
    found = jt.nn.accuracy(lambda x, key: x, jnp.asarray([[NAN, 1.0], [0.0, 1.0]]), jnp.asarray([0, 1]))
    assert np.isnan(found)


STUCK = {"corrupt_devices_prob": 1.0, "corrupt_devices_range": 0.5}


@pytest.mark.parametrize(
    "device",
    [
        ConstantStep(**STUCK),
        WriteNoise(ConstantStep(**STUCK)),
        Drifting(ConstantStep(**STUCK)),
        VectorCell((ConstantStep(**STUCK), ConstantStep(**STUCK))),
        ReferenceCell((ConstantStep(**STUCK), ConstantStep(**STUCK))),
        OneSided(ConstantStep(**STUCK)),
    ],
    ids=lambda device: type(device).__name__,
)
def test_stuck_devices_start_where_they_are_stuck(device):
    """By their bounds, which are one number each: gammas times them, summed over the devices of a cell."""
    tile = jt.init(jt.TileConfig(device), (4, 5), key=KEY)
    cells = getattr(tile.cells, "device", tile.cells)
    parts, gammas = (cells.devices, device.gammas) if hasattr(cells, "devices") else ((cells,), (1.0,))
    expected = sum(gamma * part.w_max for gamma, part in zip(gammas, parts, strict=True))
    assert float(jnp.min(jnp.abs(expected))) > 0
    np.testing.assert_allclose(tile.weight, expected, rtol=1e-6)


def test_a_device_with_a_reference_starts_within_its_bounds():
    """Where zero lies beyond them; elsewhere at zero."""
    tile = jt.init(jt.TileConfig(jt.presets.reram_array_hfo2().device), (40, 50), key=KEY)
    cells = tile.cells
    np.testing.assert_array_equal(tile.weight, np.clip(0, cells.w_min, cells.w_max))
    assert np.any(np.asarray(tile.weight) != 0)


@pytest.mark.parametrize("numbers", [{"A_up": 0.0, "A_down": 0.0}, {"A_up": -1.0, "A_down": -2.0}, {}], ids=str)
def test_the_exponential_of_a_step_saturates(numbers):
    """gamma z is 500 where exp overflows at 88."""
    device = jt.device.ExpStep(gamma_up=1000.0, gamma_down=1000.0, a=1.0, b=0.0, **numbers)
    for up in (True, False):
        size, spread = device.nominal_step(jnp.asarray([[-0.3, 0.0, 0.3]]), up=up)
        assert np.all(np.isfinite(size))
        assert np.all(np.isfinite(spread))
        assert np.all(np.isfinite(np.square(spread)))
        ahead = np.asarray(size)[0, 2 if up else 0]
        assert ahead == 0 if numbers == {} else ahead >= device.dw_min * (1 - 1e-6)


def test_steps_that_grow_beyond_any_number_end_at_a_bound():
    """Ten pulses, each of which multiplies the distance by 1e5 and more; cycle noise decides at which."""
    device = jt.device.SoftBounds(dw_min=0.1, dw_min_dtod=1e6, dw_min_std=1.0, reverse_up=True, reverse_down=True)
    tile = jt.init(
        jt.TileConfig(device, jt.pulse.DeterministicImplicit(desired_bl=10, update_bl_management=False)), (4, 6), key=KEY
    )
    after = jt.update(tile, np.ones(6), np.ones(4), learning_rate=1e9, key=KEY)
    away = np.minimum(np.abs(after.weight - tile.cells.w_max), np.abs(after.weight - tile.cells.w_min))
    np.testing.assert_allclose(away, 0, atol=1e-6)


@pytest.mark.parametrize("number", [{"nu": 1.0, "nu_std": 24.0}, {"nu": 88.0, "nu_dtod": 3.0}], ids=str)
def test_a_drift_that_overflows_ends_at_the_bounds(number):
    device = Drifting(ConstantStep(), **number)
    tile = jt.drift(jt.init(jt.TileConfig(device), (6, 8), key=KEY), 1e4, key=KEY)
    assert np.all(np.isfinite(tile.weight))
    np.testing.assert_array_equal(tile.weight, 0)  # zero drifts nowhere, however fast
    tile = jt.drift(jt.set_weights(tile, np.full((6, 8), 0.1)), 1e4, key=KEY)
    tile = jt.drift(tile, 1e6, key=KEY)
    cells = tile.cells.device
    assert np.all((tile.weight >= cells.w_min) & (tile.weight <= cells.w_max))


def test_a_weight_that_is_no_number_stays_one_through_drift():
    tile = jt.drift(jt.init(jt.TileConfig(Drifting(ConstantStep(), nu=0.1)), (2, 3), key=KEY), 2.0, key=KEY)
    state = tile.state
    lost = tile.with_state(type(state)(state.device.at[0, 0].set(NAN), state.start, state.seen, state.age))
    assert np.isnan(jt.drift(lost, 2.0, key=KEY).weight[0, 0])


def test_a_negative_exponent_at_a_bound_is_a_long_step_and_no_infinite_one():
    device = jt.device.PowStepReference(pow_gamma=60.0, pow_gamma_dtod=1.5, enforce_consistency=False)
    tile = jt.init(jt.TileConfig(device), (6, 8), key=KEY)
    near = tile.cells.w_max * (1 - 1e-6)
    for up in (True, False):
        size, spread = device.step(tile.cells, near, up=up)
        assert np.all(np.isfinite(size))
        assert np.all(np.isfinite(np.square(spread)))
