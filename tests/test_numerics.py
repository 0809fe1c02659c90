"""Arithmetic whose last bit matters."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxtile as jt
from jaxtile._numerics import divide


def test_an_array_is_divided_by_a_number_and_not_multiplied_by_its_reciprocal():
    values = np.arange(64, dtype=np.float32)
    for by in np.arange(1, 64, dtype=np.float32):
        np.testing.assert_array_equal(jax.jit(divide)(values, by), values / by)
    assert np.isnan(divide(jnp.asarray([jnp.nan]), jnp.asarray(2.0)))


def test_mean_counts_round_ties_to_even():
    """5 pulses of 6 slots times 15: 12.5 pulses."""
    d_count, x_count, length = 5.0, 3.0, 6
    pulse = jt.pulse.MeanCount(desired_bl=length, update_bl_management=False, update_management=False)
    x, d = jnp.asarray([x_count / length]), jnp.asarray([d_count / length])
    lines = jax.jit(
        lambda pulse, x, d: pulse.encode(
            x, d, learning_rate=jnp.asarray(6.0), granularity=jnp.asarray(1.0), key=jax.random.key(0), columns=jnp.arange(1)
        )
    )(pulse, x, d)
    assert int(lines.coincidences()[0, 0]) == 2  # 2.5
