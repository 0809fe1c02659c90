"""Signals that end a command, as one exception."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from jaxtile_command import EXITS

__all__ = ["Interruption", "interruptions"]

_AGAIN = 0.1  # seconds


class Interruption(KeyboardInterrupt):
    """A signal that ends a command: SIGINT, which Ctrl-C sends, SIGTERM or SIGUSR1.

    Attributes:
        code: the exit code by which a shell knows the signal, or a job that it is to be
            queued again.
    """

    def __init__(self, number: int):
        super().__init__(f"Interrupted by {signal.Signals(number).name}")
        self.code = EXITS[signal.Signals(number)]


@contextlib.contextmanager
def interruptions() -> Iterator[threading.Event]:
    """Turn the signals into an `Interruption`, so that bars are taken down, locks given
    back and results kept. Only the main thread may: elsewhere nothing changes.

    Libraries lose exceptions that come out of their callbacks and finalizers. So the
    first signal is sent again until the event that is returned is set. While an
    `Interruption` is on its way out, signals change nothing.
    """
    arrived, begun = threading.Event(), threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if arrived.is_set() or isinstance(sys.exc_info()[1], Interruption):
            return
        if not begun.is_set():
            begun.set()
            threading.Thread(target=_repeat, args=(number, arrived), daemon=True).start()
        if frame is None or frame.f_code is not _be_silent.__code__:  # where it would be lost aloud
            raise Interruption(number)

    with contextlib.ExitStack() as former:
        if threading.current_thread() is threading.main_thread():
            for number in EXITS:
                former.callback(signal.signal, number, signal.signal(number, interrupt))
            former.callback(setattr, sys, "unraisablehook", sys.unraisablehook)
            sys.unraisablehook = _be_silent
        former.callback(arrived.set)
        yield arrived


def _repeat(number: int, arrived: threading.Event) -> None:
    """Send a signal again and again, so that it also ends a wait of the main thread."""
    while not arrived.wait(_AGAIN):
        if sys.platform == "win32":
            signal.raise_signal(number)
        else:
            signal.pthread_kill(threading.main_thread().ident or 0, number)


def _be_silent(unraisable: Any) -> None:
    """Show what a finalizer has raised, but for an `Interruption`, which comes again."""
    if not isinstance(unraisable.exc_value, Interruption):
        sys.__unraisablehook__(unraisable)
