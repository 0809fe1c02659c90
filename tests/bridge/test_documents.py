"""The example runs, and the documentation names tests that exist."""

import pathlib
import re
import runpy
import sys

import matplotlib

ROOT = pathlib.Path(__file__).parents[2]


def test_the_example_runs(monkeypatch):
    matplotlib.use("Agg")
    monkeypatch.setattr(sys, "argv", ["bridge_notebook.py", "--small"])
    results = runpy.run_path(str(ROOT / "examples" / "bridge_notebook.py"))
    matplotlib.pyplot.close("all")
    assert results["ideal"]["svd"]["jaxtile"][-1] < 1e-2
    for curves in results["pulsed"].values():
        assert all(errors[-1] < errors[0] for errors in curves.values())
    assert all(sum(loss[-10:]) < sum(loss[:10]) for loss in results["losses"].values())


def test_every_difference_is_pinned():
    table = (ROOT / "docs" / "bridge.md").read_text().split("## Differences")[1]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, row
        assert all(f"def {name}(" in written for name in named), named
