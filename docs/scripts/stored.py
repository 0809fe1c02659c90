"""Small runs of the scripts that measure, stored beside the pages: whether today's code still gives what a page says.

`docs/stored/NAME.json` is one line: the numbers of a run of seconds at fixed seeds, and the commit that it was made at.

    python docs/scripts/NAME.py --small > docs/stored/NAME.json
    python docs/scripts/stored.py EXAMPLE > docs/stored/EXAMPLE.json

`tests/test_pages.py` and `tests/test_examples.py` repeat the runs. A number that stands alone is the same to rounding: no pulse can
flip in it. A pair is a mean and its standard error over independent runs, which a flipped pulse changes by a part of that error.
"""

import datetime
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def commit() -> str:
    """The commit of the code that runs."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def mean(samples) -> list[float]:
    """Mean and standard error of independent samples."""
    samples = np.ravel(np.asarray(samples, float))
    return [samples.mean(), samples.std(ddof=1) / samples.size**0.5]


def line(numbers: dict) -> str:
    """One line of JSON with the commit and the named numbers, to six digits."""
    rounded = {name: [float(f"{v:.6g}") for v in np.atleast_1d(value)] for name, value in numbers.items()}
    return json.dumps({"commit": commit(), **{name: v if len(v) > 1 else v[0] for name, v in rounded.items()}})


def put(page: str, mark: str, text: str) -> None:
    """Put a text between a mark of a page of `docs/` and the next end; the page has its own words."""
    path, start, end = ROOT / "docs" / page, f"<!-- {mark} -->", "<!-- end -->"
    head, found, rest = path.read_text().partition(start)
    assert found, f"{path} has no {start}"
    path.write_text(f"{head}{start}\n\n{text}\n\n{end}{rest.partition(end)[2]}")


def replace(page: str, mark: str, text: str, *, note: str = "") -> None:
    """Put what was measured there, after its date and its commit."""
    put(page, mark, f"Measured on {datetime.date.today()} at commit {commit()}{note}.\n\n{text}")


def run(small, full) -> None:
    """Print the small run if `--small` is asked for; measure and write the page if not."""
    if "--small" in sys.argv[1:]:
        print(line(small()))
    else:
        full()


def check(name: str, numbers: dict) -> None:
    """Raise if numbers differ from the stored ones.

    Means may differ by the larger of their standard errors; the draws are the same, so the
    difference of two programs that round differently is smaller.
    """
    stored = json.loads((ROOT / f"docs/stored/{name}.json").read_text())
    at = stored.pop("commit")
    assert stored.keys() == numbers.keys(), f"docs/stored/{name}.json has {list(stored)}, the script gives {list(numbers)}"
    for key, then in stored.items():
        now, then = np.atleast_1d(numbers[key]), np.atleast_1d(then)
        allowed = max(now[1], then[1]) if then.size > 1 else 1e-3 * abs(then[0])
        assert abs(now[0] - then[0]) <= allowed + 1e-6, (
            f"{name}: {key} is {now[0]:.6g}; it was {then[0]:.6g} at {at}. "
            "If the change is meant, measure the page anew and store the small run"
        )


def names() -> set[str]:
    """The scripts and examples whose small run is stored."""
    return {path.stem for path in ROOT.glob("docs/stored/*.json")}


EXAMPLES = {  # the numbers of an example's small run, from its names
    "digits": lambda names: {
        "accuracy in digital": names["in_digital"],
        **{f"{method} at the lowest kappa": mean(survived[-1]) for method, (survived, _) in names["results"].items()},
    },
    "fit_device": lambda names: {
        name: mean(names["simulated"].estimates[name]) for name in ("dw_min", "up_down", "w_max", "w_min")
    },
    "half_select_study": lambda names: {
        f"{method} at kappa {kappa:g}": mean(
            names["numbers"](names["found"], method, "error", device="soft bounds", kappa=kappa, rank=0)
        )
        for method in names["found"]
        for kappa in names["kappas"]
    },
    "learned_schedule": lambda names: {
        f"{name} at kappa {kappa:.0f}": mean(names["error"](at[f"kappa {kappa:.0f}"]))
        for kappa, schedules in names["found"].items()
        for name, at in schedules.items()
    },
    "notebook": lambda names: {
        f"{device}, {name}": mean(solution.stats["spectral_error"])
        for device, compared in names["solutions"].items()
        for name, solution in compared.items()
    },
    "reference_offsets": lambda names: {
        f"{algorithm} at an offset of {offset:g}": mean(error[0, k])
        for algorithm, error in names["errors"].items()
        for k, offset in enumerate(names["offsets"])
    },
}


if __name__ == "__main__":
    os.environ |= {"JAXTILE_SMALL": "1", "MPLBACKEND": "Agg"}
    sys.stdout, out = sys.stderr, sys.stdout  # the example's own words are not the result
    names = runpy.run_path(str(ROOT / f"examples/{sys.argv[1]}.py"))
    print(line(EXAMPLES[sys.argv[1]](names)), file=out)
