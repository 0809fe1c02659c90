"""`python -m jaxtile` imports the package before its `__main__`: from here on, signals end
it in one line.
"""

import sys

from jaxtile_command import end_by_signals

__all__ = []

# Python calls itself "-m" until it has found what it is to run, whose name comes before the arguments.
if sys.argv[:1] == ["-m"] and sys.orig_argv[-len(sys.argv)].removeprefix("-m") == "jaxtile":
    end_by_signals()
