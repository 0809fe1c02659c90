"""Every test runs with strict dtype and rank promotion: the library must not lean on either.

Most programs of the tests compile for longer than they run, so XLA's costly optimisations are off, here and in the processes that
tests start; `helpers.update_as_users_do` has them.
"""

import os

os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # before jax is imported

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """Hundreds of compiled programs would fill the memory; few are used by more than one file."""
    yield
    jax.clear_caches()
