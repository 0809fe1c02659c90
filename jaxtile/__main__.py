"""`python -m jaxtile`: the command line."""

import sys

from jaxtile_command import main

__all__ = []

if __name__ == "__main__":
    sys.exit(main())
