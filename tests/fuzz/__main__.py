"""`python -m tests.fuzz --count 2000 --resume FILE` runs configurations one after another, and goes on where it was stopped.

`--files 2000` writes and reads as many files of each kind.
"""

import tests.conftest  # noqa: F401, I001  the options of the tests, before jax is imported

import argparse
import json
import random
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from .configurations import PARTS, Structure
from .files import FILES
from .invariants import check

PER_STRUCTURE = 25


def structure_of(number: int) -> Structure:
    """One of all structures, drawn by its number."""
    draw = random.Random(number)
    return Structure(**{name: draw.choice(options) for name, options in PARTS.items()})


def outcomes_of(check: Callable[..., str], number: int, count: int) -> list[str]:
    """The report of a check of so many examples; of a finding, the error."""
    found = []

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def examples(data):
        try:
            found.append(check(data.draw))
        except Exception as error:  # noqa: BLE001  a finding, whatever it is
            if type(error).__module__.startswith("hypothesis"):
                raise
            found.append(f"found {type(error).__name__}: {error}"[:1500])

    examples()
    return found


def fuzz_files(count: int) -> None:
    """Files of each kind; their outcomes are counted and findings printed."""
    for kind, written in FILES.items():
        with tempfile.TemporaryDirectory() as folder:
            outcomes = outcomes_of(partial(written, folder=Path(folder)), 0, count)
        print(kind, _counted(outcomes), *sorted({one for one in outcomes if one.startswith("found")}), sep="\n    ", flush=True)


def fuzz_configurations(count: int, resume: Path | None) -> None:
    """Configurations, a structure at a time; outcomes go to a file, one a line."""
    kept = [json.loads(line) for line in resume.read_text().splitlines()] if resume and resume.exists() else []
    number = 1 + max((one["number"] for one in kept), default=-1)
    while len(kept) < count:
        structure = structure_of(number)
        outcomes = outcomes_of(partial(check, structure=structure), number, PER_STRUCTURE)
        found = [{"number": number, "structure": str(structure), "outcome": outcome} for outcome in outcomes]
        kept += found
        if resume:
            with resume.open("a") as file:
                file.writelines(json.dumps(one) + "\n" for one in found)
        for outcome in outcomes:
            if outcome.startswith("found"):
                print(structure, outcome, sep="\n    ", flush=True)
        number += 1
        jax.clear_caches()
    print("configurations", _counted([one["outcome"] for one in kept]))


def _counted(outcomes: list[str]) -> dict[str, int]:
    return dict(Counter(outcome.partition(":")[0] for outcome in outcomes))


def main() -> None:
    """Run, and tell what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=0, help="how many configurations, in all")
    parser.add_argument("--resume", type=Path, help="a file that keeps the outcomes of configurations, one a line")
    parser.add_argument("--files", type=int, default=0, help="how many files of each kind")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    fuzz_files(arguments.files)
    fuzz_configurations(arguments.count, arguments.resume)


if __name__ == "__main__":
    main()
