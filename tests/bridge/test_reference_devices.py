"""Devices with a reference: where jaxtile differs from aihwkit on purpose."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.simulator.configs.devices import PowStepReferenceDevice, SoftBoundsReferenceDevice
from aihwkit.simulator.parameters.enums import PulseType
from chips import analog_tile, weights_of

import jaxtile as jt
from bridge import from_analog_tile

NUMBERS = {"w_max_dtod": 0.0, "w_min_dtod": 0.0, "dw_min_dtod": 0.0, "dw_min_std": 0.0, "reference_mean": 0.3}


def a_pair(device, **numbers):
    theirs = analog_tile(2, 3, device(**NUMBERS, **numbers), pulse_type=PulseType.DETERMINISTIC_IMPLICIT)
    return theirs, from_analog_tile(theirs)


@pytest.mark.parametrize("device", [SoftBoundsReferenceDevice, PowStepReferenceDevice])
def test_a_reference_device_holds_what_its_conductance_can(device):
    """Bounds of +-0.6 and a reference of 0.3 hold weights from -0.9 to 0.3; aihwkit knows that in a pulse only."""
    theirs, ours = a_pair(device)
    for wanted, there, here in ((0.9, 0.6, 0.3), (-2.0, -0.6, -0.9)):
        theirs.tile.set_weights(torch.full((2, 3), wanted))
        ours = jt.set_weights(ours, jnp.full((2, 3), wanted))
        np.testing.assert_allclose(weights_of(theirs), there, atol=1e-6)
        np.testing.assert_allclose(ours.weight, here, atol=1e-6)
    # A pulse from a weight that the conductance cannot hold: aihwkit's soft bounds snap to what it can.
    if device is SoftBoundsReferenceDevice:
        theirs.tile.set_weights(torch.full((2, 3), 0.6))
        theirs.tile.set_learning_rate(0.001)
        theirs.tile.update(torch.ones(3), -torch.ones(2), False)
        np.testing.assert_allclose(weights_of(theirs), 0.3, atol=1e-6)


def test_a_power_of_a_negative_distance_is_not_a_number_there():
    """One pulse up from beyond the bound ends at the lower bound in aihwkit; such weights do not occur here."""
    theirs, _ = a_pair(PowStepReferenceDevice, pow_gamma=1.5, pow_gamma_dtod=0.0)
    theirs.tile.set_weights(torch.full((2, 3), 0.5))
    theirs.tile.set_learning_rate(0.001)
    theirs.tile.update(torch.ones(3), -torch.ones(2), False)
    assert np.all(weights_of(theirs) < -0.89)


def test_decay_and_reset_lead_to_a_conductance():
    """To w = reset less the reference, where aihwkit takes w itself for the conductance."""
    theirs, ours = a_pair(SoftBoundsReferenceDevice, reset=0.1, lifetime=0.5)
    theirs.decay_weights(1.0)
    np.testing.assert_allclose(weights_of(theirs), 0.1, atol=1e-6)
    np.testing.assert_allclose(jt.decay(ours).weight, -0.2, atol=1e-6)


def test_small_steps_leave_aihwkits_symmetry_point_short():
    """Its estimate takes 10000 pulses at most: too few for steps of 1e-4."""
    numbers = {"dw_min": 1e-4, "up_down": 0.5, "up_down_dtod": 0.0, "subtract_symmetry_point": True, "pow_gamma_dtod": 0.0}
    theirs, ours = a_pair(PowStepReferenceDevice, **numbers)
    exact = jt.init(ours.config, (2, 3), key=jr.key(0)).cells.reference - 0.3
    np.testing.assert_allclose(exact, 0.2, atol=1e-5)
    assert np.all(theirs.tile.get_hidden_parameters()[-1].numpy() - 0.3 < 0.15)
