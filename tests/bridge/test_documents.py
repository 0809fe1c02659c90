"""The example runs, and the documentation names tests that exist."""

import ast
import pathlib
import re
import runpy
import sys

import matplotlib
import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.slow
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
    """By tests that there are, that can fail, and that are not left out."""
    table = (ROOT / "docs/explanation/bridge.md").read_text().split("## Differences")[1]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    pinning = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and can_fail(node)
    }
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row)
        assert named, row
        assert pinning.issuperset(named), row


def can_fail(test: ast.FunctionDef) -> bool:
    """Whether a test asserts something, and no mark leaves it out."""
    asserts = any(
        isinstance(node, ast.Assert)
        or (isinstance(node, ast.Call) and re.search(r"\b(assert_|raises\b|warns\b)", ast.unparse(node.func)))
        for node in ast.walk(test)
    )
    return asserts and not re.search(r"mark\.(skip|xfail)", " ".join(map(ast.unparse, test.decorator_list)))
