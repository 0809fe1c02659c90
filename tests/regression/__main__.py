"""`python -m tests.regression` stores the results anew; with `--compare` it says what differs from those that are stored."""

import tests.conftest  # noqa: F401, I001  the options of the tests, before jax is imported

import argparse
from pathlib import Path

from .comparison import STORED, compare, load, store
from .configurations import NAMES, results


def main() -> None:
    """Run all configurations, and store or compare their results."""
    parser = argparse.ArgumentParser(prog="python -m tests.regression", description=__doc__)
    parser.add_argument("--compare", action="store_true", help="compare, and store nothing")
    parser.add_argument("--only", nargs="+", choices=NAMES, help="compare these alone")
    parser.add_argument("--file", type=Path, default=STORED, help="where results are stored")
    arguments = parser.parse_args()
    if arguments.compare or arguments.only:
        for name in arguments.only or NAMES:
            report(name, arguments.file)
    else:
        store(arguments.file, {name: results(name) for name in NAMES})


def report(name: str, path: Path) -> None:
    """Print what differs in one configuration."""
    found = results(name)
    different = list(compare(found, load(path, name)))
    print(f"{name}: {len(found) - len(different)} of {len(found)} arrays have the same bits", flush=True)
    for difference in different:
        print(f"    {difference}", flush=True)


if __name__ == "__main__":
    main()
