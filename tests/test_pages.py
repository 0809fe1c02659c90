"""The pages that hold measured numbers are of today's code: each script's small run gives what is stored beside the page."""

import json
import runpy

import pytest
import stored
from helpers import mostly_slow

SCRIPTS = sorted(stored.names() - stored.EXAMPLES.keys())


@pytest.mark.parametrize("name", mostly_slow(SCRIPTS, "parity_reading", "random_numbers"))
def test_the_small_run_gives_what_is_stored(name):
    if name.startswith("parity"):
        pytest.importorskip("aihwkit")
    stored.check(name, runpy.run_path(str(stored.ROOT / f"docs/scripts/{name}.py"))["small"]())


def test_every_stored_run_has_a_script_and_a_commit():
    for name in stored.names():
        assert name in stored.EXAMPLES or (stored.ROOT / f"docs/scripts/{name}.py").exists()
        assert "commit" in json.loads((stored.ROOT / f"docs/stored/{name}.json").read_text())


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
