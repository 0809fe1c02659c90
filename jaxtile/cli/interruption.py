"""SIGINT and SIGTERM, as one exception."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["Interruption", "interruptions"]


class Interruption(KeyboardInterrupt):
    """A signal that ends a command: SIGINT, which Ctrl-C sends, or SIGTERM.

    Attributes:
        code: the exit code by which a shell knows the signal.
    """

    def __init__(self, number: int):
        super().__init__(f"Interrupted by {signal.Signals(number).name}")
        self.code = 128 + number


def _raise(number: int, frame: Any) -> None:
    raise Interruption(number)


@contextlib.contextmanager
def interruptions() -> Iterator[None]:
    """Turn both signals into an `Interruption`, so that bars are taken down, locks given
    back and results kept. Only the main thread may: elsewhere nothing changes.
    """
    with contextlib.ExitStack() as former:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                former.callback(signal.signal, number, signal.signal(number, _raise))
        yield
