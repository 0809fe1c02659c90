"""The pages that hold measured numbers are of today's code: each script's small run gives what is stored beside the page."""

import json
import runpy

import pytest
import stored
from helpers import mostly_slow

SCRIPTS = sorted(
    path.stem for path in stored.ROOT.glob("docs/scripts/*.py") if "stored.run(" in path.read_text() and path.stem != "stored"
)
CHEAP = ("methods", "parity_reading", "random_numbers")


@pytest.mark.parametrize("name", mostly_slow(SCRIPTS, *CHEAP))
def test_the_small_run_gives_what_is_stored(name):
    if name.startswith("parity"):
        pytest.importorskip("aihwkit")
    stored.check(name, runpy.run_path(str(stored.ROOT / f"docs/scripts/{name}.py"))["small"]())


def test_every_stored_run_is_repeated():
    """By this module or by that of the examples; each names its commit."""
    kept = {path.stem: json.loads(path.read_text()) for path in stored.ROOT.glob("docs/stored/*.json")}
    assert kept.keys() == {*SCRIPTS, *stored.EXAMPLES}
    assert all("commit" in numbers for numbers in kept.values())


def test_a_number_that_has_changed_is_refused(monkeypatch, tmp_path):
    """A single number by rounding, a mean by its own standard error; names that are gone, too."""
    (tmp_path / "docs/stored").mkdir(parents=True)
    (tmp_path / "docs/stored/page.json").write_text('{"commit": "abc", "alone": 2.0, "mean": [1.0, 0.1]}')
    monkeypatch.setattr(stored, "ROOT", tmp_path)
    stored.check("page", {"alone": 2.001, "mean": [1.09, 0.05]})
    for wrong, said in (
        ({"alone": 2.01, "mean": [1.0, 0.1]}, "alone"),
        ({"alone": 2.0, "mean": [1.2, 0.1]}, "mean"),
        ({}, "gives"),
    ):
        with pytest.raises(AssertionError, match=said):
            stored.check("page", wrong)
