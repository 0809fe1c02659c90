"""Norms of a residual."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtile._linalg import spectral_norm


@pytest.mark.parametrize("rank", [1, 4, 12])
@pytest.mark.parametrize("shape", [(12, 20), (40, 30)])
def test_spectral_norm_of_a_matrix_of_low_rank(shape, rank):
    """Power iteration sees all of it after `rank` steps, and must not take rounding for more."""
    rng = np.random.default_rng(rank)
    matrix = (rng.normal(size=(shape[0], rank)) @ rng.normal(size=(rank, shape[1]))).astype(np.float32)
    for scale in (1e-6, 1.0, 1e6):
        estimate = jax.jit(spectral_norm)(jnp.asarray(scale * matrix, jnp.float32))
        np.testing.assert_allclose(estimate, scale * np.linalg.norm(matrix, 2), rtol=1e-5)


def test_spectral_norm_of_nothing():
    assert float(spectral_norm(jnp.zeros((3, 4)))) == 0
