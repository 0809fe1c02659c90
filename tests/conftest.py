"""Every test runs with strict dtype and rank promotion: the library must not lean on either.

Most programs of the tests compile for longer than they run, so XLA's costly optimisations are off, here and in the processes that
tests start, and one thread emits a whole program by plain loops: a third of the time, on one core instead of two.
`helpers.OPTIMISED` are the options that users have.
"""

import gc
import itertools
import os
from importlib.metadata import version

# Before jax is imported.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
QUICK = ["--xla_cpu_parallel_codegen_split_count=1"]
if version("jaxlib").startswith("0.10."):  # later ones have no such choice, and end at a flag that they do not know
    QUICK.append("--xla_cpu_use_fusion_emitters=false")
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *QUICK])

import jax  # noqa: E402
import jaxtyping  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_collection_finish():
    """Imported objects live on: each collection of garbage would look through millions of them, and compilers make objects fast."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture
def unhooked():
    """Whoever passes a wrong type meets the library's own errors: in the tests, annotations are checked before."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


FILES = itertools.count(1)


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """Thousands of compiled programs would fill the memory; those of single operations serve the next files, too."""
    yield
    if next(FILES) % 3 == 0:
        jax.clear_caches()
