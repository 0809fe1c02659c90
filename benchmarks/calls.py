"""Calls of jaxtile's own functions during a first trace: `python benchmarks/calls.py`.

How far a reader must walk through the code, not how fast it is. `PYTHONPATH` chooses
another checkout: this file needs nothing but jaxtile.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr

import jaxtile as jt

ROOT = str(Path(jt.__file__).parent)
SHAPE, KEY = (6, 9), jr.key(0)


def calls(walk: Callable[[], object]) -> list[tuple[str, str]]:
    """File and name of each function of jaxtile that a walk calls, in order."""
    found = []

    def note(frame, event, _):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(ROOT):
            found.append((code.co_filename, code.co_qualname))

    jax.clear_caches()
    sys.setprofile(note)
    try:
        walk()
    finally:
        sys.setprofile(None)
    return found


def walks() -> dict[str, Callable[[], object]]:
    """The walks, by what a user would call them."""
    plain = jt.init(jt.TileConfig(), SHAPE, key=KEY)
    half = jt.init(jt.TileConfig(half_select=jt.half_select.ConstantRatio(kappa=100.0)), SHAPE, key=KEY)
    x, d = jr.normal(jr.key(1), (4, 9)), jr.normal(jr.key(2), (4, 6))
    target, columns = jt.targets.low_rank(SHAPE, rank=2, spectral_norm=1.0, key=KEY), jnp.arange(4)
    return {
        "forward": lambda: jt.forward(plain, x, key=KEY),
        "update, dense, half-selection": lambda: jt.update(half, x, d, learning_rate=0.1, key=KEY),
        "update, UnitVectors, half-selection": lambda: jt.update(half, jt.UnitVectors(columns, 9), d, learning_rate=0.1, key=KEY),
        "program, SVD, half-selection": lambda: jt.program(half, target, jt.SVD(), key=KEY, max_steps=5),
    }


def main() -> None:
    """Count, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=0, help="name so many functions of each walk, the most called first")
    arguments = parser.parse_args()
    rows = ["| walk | calls | distinct functions | files |", "|---|---|---|---|"]
    for name, walk in walks().items():
        found = calls(walk)
        rows.append(f"| {name} | {len(found)} | {len(set(found))} | {len({file for file, _ in found})} |")
        for (file, function), count in Counter(found).most_common(arguments.most):
            print(f"{name}: {count} x {function} in {file}")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
