"""The pages that hold measured numbers are of today's code: each script's small run gives what is stored beside the page."""

import json
import runpy

import jax
import pytest
import stored
from helpers import mostly_slow

SCRIPTS = sorted(stored.names() - stored.EXAMPLES.keys())
OTHERS = sorted(path.stem for path in stored.ROOT.glob("docs/stored/others/*.json"))


@pytest.mark.parametrize("name", mostly_slow(SCRIPTS, "random_numbers"))
def test_the_small_run_gives_what_is_stored(name):
    if name.startswith("parity"):
        pytest.importorskip("aihwkit")
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):  # scripts run as users run them
        stored.check(name, runpy.run_path(str(stored.ROOT / f"docs/scripts/{name}.py"))["small"]())


@pytest.mark.parametrize("name", mostly_slow(OTHERS, "zero_shifting"))
def test_the_main_number_of_a_published_result_is_what_is_stored(name, monkeypatch):
    """Within the larger standard error, as for means of other pages."""
    monkeypatch.syspath_prepend(stored.ROOT / "docs/scripts/others")
    then = json.loads((stored.ROOT / f"docs/stored/others/{name}.json").read_text())
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        try:
            now = runpy.run_path(str(stored.ROOT / f"docs/scripts/others/{name}.py"))["small"]()
        except (FileNotFoundError, ModuleNotFoundError) as missing:  # data that are not ours to give, or an extra
            pytest.skip(str(missing))
    assert (then["name"], then["published"]) == (name, now.published)
    assert abs(now.ours - then["ours"]) <= max(now.standard_error, then["standard_error"])


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
