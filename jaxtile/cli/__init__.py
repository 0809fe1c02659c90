"""The command line: `jaxtile program`, `jaxtile devices`, `jaxtile sweep` and `jaxtile
plot`.
"""

import contextlib
import io
import itertools
import sys
from collections.abc import Sequence

import tyro

from .cache import keep_compiled_programs
from .devices import Devices
from .program import Program
from .refusal import Refusal
from .sweep import Plot, Sweep

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after `jaxtile`; None: those of this process, which then is the
            command line's own, and keeps what it compiles for the next one.

    Returns:
        The exit code: 0; 1 if a run ended with weights that are not finite; 2 if an
        argument or a file was refused, in one line on stderr.
    """
    if argv is None:
        keep_compiled_programs()
    try:
        return _parse(argv).run()
    except Refusal as refusal:
        print(f"jaxtile: {refusal}", file=sys.stderr)
        return 2


def _parse(argv: Sequence[str] | None) -> Program | Devices | Sweep | Plot:
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                Program | Devices | Sweep | Plot,
                prog="jaxtile",
                description="Analog crossbar tiles, programmed by pulses, half-selected cells and all.",
                args=argv,
            )
    except SystemExit as end:
        if end.code != 2:  # --help
            raise
        # tyro draws a box around its errors; what stands between its title and its
        # first rule says it in one line.
        lines = [line.strip(" │╭╮╰╯─") for line in complaint.getvalue().splitlines()][1:]
        said = list(itertools.takewhile(bool, lines))
        raise Refusal(" ".join([*said, "See jaxtile --help."])) from None
