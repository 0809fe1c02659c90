"""The command `jaxtile`, from its first moment: the package takes a second to import."""

import os
import signal
import sys
from types import FrameType

__all__ = ["EXITS", "end_by_signals", "main"]

EXITS = {signal.SIGINT: 130, signal.SIGTERM: 143}  # as a shell knows them
if sys.platform != "win32":
    # Slurm sends what --signal asks for some time before the limit. 75 is EX_TEMPFAIL of
    # sysexits.h, "try again later": no other end of a command has it.
    EXITS[signal.SIGUSR1] = 75


def main() -> int:
    """Run the command line; the exit code."""
    end_by_signals()
    try:
        from jaxtile.cli import main
    except ModuleNotFoundError as error:
        print(f"jaxtile: {error}", file=sys.stderr)
        return 2

    return main()


def end_by_signals() -> None:
    """Let SIGINT, SIGTERM and SIGUSR1 end the command in one line, also while the package is
    imported; then the command line handles them by itself.
    """
    for number in EXITS:
        signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    """End at once: libraries catch exceptions that come out of their imports."""
    print(f"jaxtile: Interrupted by {signal.Signals(number).name}. Nothing was begun.", file=sys.stderr, flush=True)
    os._exit(EXITS[signal.Signals(number)])
