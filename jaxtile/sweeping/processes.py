"""Waiting for the other processes of a sweep. The only module that knows `jax._src`:
JAX's public barrier has no timeout.
"""

import time

import jax
from jax._src import distributed

__all__ = ["PATIENCE", "wait_for_all"]

PATIENCE = 600.0  # seconds: what processes may differ in reading data, compiling and listing blocks


def wait_for_all(what: str, seconds: float = PATIENCE) -> None:
    """Wait until every process has come here.

    Raises:
        TimeoutError: some did not in time.
    """
    if jax.process_count() == 1:
        return
    client = distributed.global_state.client
    if client is None:
        raise RuntimeError(
            "there are several processes, but not JAX's distributed runtime; call jax.distributed.initialize() in each."
        )
    begun = time.monotonic()
    try:
        client.wait_at_barrier(f"jaxtile.sweep: {what}", timeout_in_ms=int(1000 * seconds))
    except jax.errors.JaxRuntimeError as error:
        waited = time.monotonic() - begun
        raise TimeoutError(
            f"process {jax.process_index()} of {jax.process_count()} has waited {waited:.0f} s for the others ({what}). One of "
            "them has ended, hangs, or makes another call. Blocks that are done are kept; make the same call again in each."
        ) from error
