"""Ratios of speed between two checkouts: `python -m benchmarks.compare OLD_CHECKOUT` times jaxtile's own lines of the table.

Processes of both take turns, nine of each, so that what slows the machine slows both. The
works are those of this checkout; jaxtile is that of either.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

NEW = Path(__file__).parent.parent
COVERAGE = 0.95


def main() -> None:
    """Time both checkouts, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("old", type=Path, help="the other checkout")
    parser.add_argument("--only", nargs="+", help="these works alone")
    parser.add_argument("--pairs", type=int, default=9, help="how many processes of each; at least 6 give an interval")
    parser.add_argument("--process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.process:
        print(json.dumps(times(arguments.old, arguments.only)))
        return
    old, new = [], []
    with tempfile.TemporaryDirectory() as cache:  # both compile once
        for pair in range(arguments.pairs):
            print(f"pair {pair + 1} ...", file=sys.stderr, flush=True)
            for checkout, found in ((arguments.old.resolve(), old), (NEW, new))[:: -1 if pair % 2 else 1]:
                found.append(one_turn(checkout, arguments.only, cache))
    print(table(old, new))


def one_turn(checkout: Path, only: list[str] | None, cache: str) -> dict[str, float]:
    """Milliseconds of each line in one checkout; works that want other flags of XLA have a process of their own."""
    from .works import WORKS

    found = {}
    for flags in dict.fromkeys(work.flags for work in WORKS.values()):
        names = [name for name in only or WORKS if WORKS[name].flags == flags]
        if names:
            command = [sys.executable, "-m", "benchmarks.compare", str(checkout), "--process", "--only", *names]
            environment = os.environ | {"XLA_FLAGS": flags, "JAX_COMPILATION_CACHE_DIR": cache}
            environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
            done = subprocess.run(command, cwd=NEW, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            found |= json.loads(done.stdout.splitlines()[-1])
    return found


def times(checkout: Path, names: list[str]) -> dict[str, float]:
    """Milliseconds of jaxtile's side of some works, in this process."""
    sys.path.insert(0, str(checkout))
    import jaxtile  # before the works, which import it

    from .timing import measure
    from .works import WORKS

    assert Path(jaxtile.__file__).is_relative_to(checkout), jaxtile.__file__
    found = {}
    for name in names:
        for side, make in WORKS[name].sides().items():
            if side.startswith("jaxtile"):
                found[side.replace("jaxtile", name)] = measure({side: make()}, seconds=0.5)[side]["ms"]
    return found


def table(old: list[dict[str, float]], new: list[dict[str, float]]) -> str:
    """Markdown of median times and ratios."""
    lines = ["| line | old | new | old / new | 95 % interval | |", "|---|---|---|---|---|---|"]
    for line in old[0]:
        before, after = (np.array([turn[line] for turn in turns]) for turns in (old, new))
        low, high = interval(before / after)
        verdict = "**slower**" if high < 0.95 else "faster" if low > 1 else ""
        medians = f"{np.median(before):.3g} ms | {np.median(after):.3g} ms | {np.median(before / after):.3f}"
        lines.append(f"| {line} | {medians} | {low:.3f} to {high:.3f} | {verdict} |")
    return "\n".join(lines)


def interval(ratios: np.ndarray) -> tuple[float, float]:
    """Order statistics around the median with at least that coverage, whatever the law of the ratios; too few have none."""
    ratios, n = np.sort(ratios), len(ratios)
    inner = [cut for cut, coverage in enumerate(_coverages(n)) if coverage >= COVERAGE]
    return (ratios[inner[-1]], ratios[n - 1 - inner[-1]]) if inner else (0.0, math.inf)


def _coverages(n: int) -> Iterator[float]:
    """Chances that the true median lies between the numbers cut + 1 and n - cut of n, for cut = 0, 1, ..."""
    outside = 0.0
    for cut in range((n + 1) // 2):
        outside += 2 * math.comb(n, cut) / 2**n
        yield 1 - outside


if __name__ == "__main__":
    main()
