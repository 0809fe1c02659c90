"""Locks on files: the system gives them back when a process ends, however it ends."""

import contextlib
import pathlib
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["lock"]


@contextlib.contextmanager
def lock(path: pathlib.Path, *, shared: bool = False, wait: bool = False) -> Iterator[bool]:
    """Hold a lock on a file; False where the system, or that of the file, knows none.

    Args:
        path: the file, which holds nothing.
        shared: together with others that share it.
        wait: until those that do not share it have given it back.

    Raises:
        BlockingIOError: another process holds it.
    """
    with contextlib.ExitStack() as held:
        known = fcntl is not None
        try:
            file = held.enter_context(path.open("a+b"))
            if fcntl is not None:
                fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise
        except OSError:
            known = False
        yield known
