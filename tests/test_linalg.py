"""Norms of residuals, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtile._linalg import spectral_norm

norm = jax.jit(spectral_norm)  # by itself its scan is compiled at every call


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (20, 24), (60, 90), (300, 500), (1000, 1000)])
def test_spectral_norm(shape):
    matrix = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    exact = np.linalg.norm(matrix, 2)
    tolerance = 1e-5 if min(shape) <= 24 else 1e-3
    for scale in (1e-6, 1.0, 1e6):
        np.testing.assert_allclose(norm(jnp.asarray(scale * matrix)), scale * exact, rtol=tolerance)


@pytest.mark.parametrize("values", [[1.0] * 30, [1.0] + [0.0] * 29, [1.0, 0.999999] + [0.5] * 28, [0.0] * 30])
def test_spectral_norm_of_hard_spectra(values):
    rotation, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((30, 30)))
    matrix = (rotation * np.asarray(values)) @ rotation.T
    np.testing.assert_allclose(norm(jnp.asarray(matrix, jnp.float32)), values[0], rtol=1e-3, atol=1e-30)


def test_spectral_norm_leaves_lapack_to_the_methods():
    """Two batches of LAPACK calls side by side never end on a CPU of two cores."""
    compiled = jax.jit(jax.vmap(spectral_norm)).lower(jnp.ones((3, 30, 40)))
    assert "lapack" not in compiled.as_text()
