"""Words of the command line, as commands."""

import contextlib
import difflib
import io
import itertools
import re
from collections.abc import Sequence

import tyro

from .devices import Devices
from .fit import Fit
from .program import Program
from .refusal import Refusal
from .sweep import Plot, Status, Sweep

__all__ = ["parse"]

Command = Program | Devices | Sweep | Status | Plot | Fit
_COMMANDS = {"program": Program, "devices": Devices, "sweep": Sweep, "status": Status, "plot": Plot, "fit": Fit}


def parse(words: Sequence[str]) -> Command:
    """The command that words stand for.

    Raises:
        Refusal: there is none; in one line.
        SystemExit: they ask for help, which was printed.
    """
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                Command,
                prog="jaxtile",
                description="Analog crossbar tiles, programmed by pulses, half-selected cells and all.",
                args=words,
            )
    except SystemExit as end:
        if end.code != 2:  # --help
            raise
        # tyro draws a box around its errors; what stands between its title and the next
        # rule says it in one line. Rules are of hyphens where the terminal is of ASCII.
        drawn = [line.strip(" │╭╮╰╯─|+") for line in complaint.getvalue().splitlines()]
        lines = [line if line.strip("-") else "" for line in drawn][1:]
        said = " ".join(itertools.takewhile(bool, itertools.dropwhile(lambda line: not line, lines))).rstrip(".")
        said = re.sub(r"no type matching .* could be instantiated from \['(.*)'\]", r"'\1' is not a number", said)
        raise Refusal(" ".join([f"{said}.", *_hints(list(words), lines), "See jaxtile --help."])) from None


def _hints(words: list[str], lines: list[str]) -> list[str]:
    """Guesses at what was meant."""
    command = next(iter(words), "")
    if command.startswith("-"):
        return [f"Options come after a command, as in: jaxtile program {' '.join(words)}."]
    close = difflib.get_close_matches(command, _COMMANDS, n=1)
    if command not in _COMMANDS:
        return [f"Did you mean: jaxtile {' '.join(close + words[1:])}?"] if close else []
    options = [line.split()[0] for line in lines if line.startswith("--")]
    if "Perhaps you meant:" in lines and options:
        return [f"Did you mean {options[0]}?"]
    if command in ("program", "devices") and len(words) > 1 and not words[1].startswith("-"):
        return [f"A file is passed by name, as in: jaxtile program --target {words[1]}."]
    return []
