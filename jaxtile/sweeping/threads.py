"""Work beside the main thread, which meets signals meanwhile: Python's handlers run there
alone, and not while it waits inside a compiler or for a device.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["side_by_side"]

Result = TypeVar("Result")


def side_by_side(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """Call functions at the same time, as many as there are processors, and wait for
    their results.
    """
    pool = ThreadPoolExecutor(min(len(jobs), os.cpu_count() or 1), thread_name_prefix="jaxtile")
    try:
        return [begun.result() for begun in [pool.submit(job) for job in jobs]]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
