"""The command line: `jaxtile program`, `jaxtile devices`, `jaxtile sweep`, `jaxtile
plot` and `jaxtile fit`.
"""

import os
import sys
from collections.abc import Sequence

from .._extras import need

need("cli", "matplotlib", "rich", "tyro")

# What follows imports them.
from rich.console import Console  # noqa: E402

from .cache import keep_compiled_programs  # noqa: E402
from .interruption import Interruption, interruptions  # noqa: E402
from .refusal import Refusal, one_line  # noqa: E402
from .words import parse  # noqa: E402

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. No traceback reaches the user, unless JAXTILE_TRACEBACK is set.

    Args:
        argv: the words after `jaxtile`; None: those of this process, which then is the
            command line's own, and keeps what it compiles for the next one.

    Returns:
        The exit code: 0; 1 if a run ended with weights that are not finite; 2 if an
        argument or a file was refused; 70 after any other error; 130 or 143 after
        SIGINT or SIGTERM; 75 after SIGUSR1, by which a job asks to be queued again. Each
        of the last five says why in one line on stderr.
    """
    if argv is None:
        keep_compiled_programs()
    again = "Nothing was begun."
    try:
        with interruptions() as arrived:
            try:
                command = parse(sys.argv[1:] if argv is None else argv)
                again = command.again
                return command.run()
            except Interruption as interruption:
                arrived.set()
                code = _end(interruption.code, f"{interruption}. {again}")
                if argv is None:  # a compiler at work in a thread of its own may crash when Python takes down what it uses
                    sys.stdout.flush()
                    os._exit(code)
                return code
    except (Refusal, ModuleNotFoundError) as refusal:  # the latter names an extra
        return _end(2, refusal)
    except Exception as error:
        if os.environ.get("JAXTILE_TRACEBACK"):
            raise
        where = "The same command with JAXTILE_TRACEBACK=1 in front of it shows where."
        return _end(70, f"unexpected {type(error).__name__}: {one_line(error)[:300]}. {where}")


def _end(code: int, why: object) -> int:
    Console(stderr=True).show_cursor()
    print(f"jaxtile: {why}", file=sys.stderr)
    return code
