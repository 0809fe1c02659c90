"""The command `jaxtile`, from its first moment: the package takes a second to import."""

import os
import signal
import sys
from types import FrameType

__all__ = ["main"]


def main() -> int:
    """Run the command line. SIGINT and SIGTERM end it in one line, also while the
    package is imported; then the command line handles them by itself.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    try:
        from jaxtile.cli import main
    except ModuleNotFoundError as error:
        print(f"jaxtile: {error}", file=sys.stderr)
        return 2

    return main()


def _end(number: int, frame: FrameType | None) -> None:
    """End at once: libraries catch exceptions that come out of their imports."""
    print(f"jaxtile: Interrupted by {signal.Signals(number).name}. Nothing was begun.", file=sys.stderr, flush=True)
    os._exit(128 + number)
