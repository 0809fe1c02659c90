"""`python -m tests.fuzz --count 2000 --resume FILE` runs configurations one after another, and goes on where it was stopped."""

import tests.conftest  # noqa: F401, I001  the options of the tests, before jax is imported

import argparse
import json
import random
import warnings
from collections import Counter
from pathlib import Path

import jax
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from .configurations import PARTS, Structure
from .invariants import check

PER_STRUCTURE = 25


def structure_of(number: int) -> Structure:
    """One of all structures, drawn by its number."""
    draw = random.Random(number)
    return Structure(**{name: draw.choice(options) for name, options in PARTS.items()})


def fuzz(number: int) -> list[dict]:
    """The outcomes of the examples of one structure, which its number draws."""
    found = []

    structure = structure_of(number)

    @seed(number)
    @settings(
        max_examples=PER_STRUCTURE, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(data=st.data())
    def examples(data):
        try:
            outcome = check(data.draw, structure)
        except Exception as error:  # noqa: BLE001  a finding, whatever it is
            if type(error).__module__.startswith("hypothesis"):
                raise
            outcome = f"{type(error).__name__}: {error}"[:1500]
        found.append({"number": number, "structure": str(structure), "outcome": outcome})

    examples()
    return found


def main() -> None:
    """Run, and tell what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="how many configurations, in all")
    parser.add_argument("--resume", type=Path, help="a file that keeps the outcomes, one a line")
    arguments = parser.parse_args()
    kept = arguments.resume.read_text().splitlines() if arguments.resume and arguments.resume.exists() else []
    outcomes = [json.loads(line) for line in kept]
    number = 1 + max((one["number"] for one in outcomes), default=-1)
    warnings.simplefilter("ignore")
    while len(outcomes) < arguments.count:
        found = fuzz(number)
        outcomes += found
        if arguments.resume:
            with arguments.resume.open("a") as file:
                file.writelines(json.dumps(one) + "\n" for one in found)
        for one in found:
            if one["outcome"] not in ("ran", "refused"):
                print(one["structure"], one["outcome"], sep="\n    ", flush=True)
        number += 1
        jax.clear_caches()
    print(Counter(one["outcome"].partition(":")[0] for one in outcomes))


if __name__ == "__main__":
    main()
