"""The tutorials of the site are of today's sources and, as slow tests, of today's library."""

import re

import jax
import notebooks
import pytest

NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"


@pytest.mark.parametrize("name", notebooks.SOURCES)
def test_a_page_was_written_from_its_source(name):
    assert notebooks.is_current(name), f"docs/tutorials/{name}.py has changed; run docs/scripts/notebooks.py {name}"


def test_there_are_five_tutorials_in_the_percent_format():
    assert len(notebooks.SOURCES) >= 5
    for path in notebooks.SOURCES.values():
        kinds = [kind for kind, _ in notebooks.cells(path.read_text())]
        assert kinds[0] == "markdown"
        assert "code" in kinds


def test_a_notebook_for_colab_installs_from_the_repository():
    made = notebooks.notebook("study", "https://github.com/owner/name")
    first, *others = made["cells"]
    assert first["source"] == ['%pip install --quiet "jaxtile[cli,examples] @ git+https://github.com/owner/name"']
    sources = notebooks.cells(notebooks.SOURCES["study"].read_text())
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in others] == sources
    assert all(("outputs" in cell) == (cell["cell_type"] == "code") for cell in made["cells"])


@pytest.mark.slow
@pytest.mark.parametrize("name", notebooks.SOURCES)
def test_the_library_still_prints_what_a_page_shows(name):
    """Words are the same, and numbers are within a tenth: other machines round differently, and a flipped pulse changes a run."""
    page = (notebooks.FOLDER / f"{name}.md").read_text()
    shown = re.findall(r"```text\n(.*?)\n```", page, flags=re.DOTALL)
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):  # tutorials run as users run them
        printed = [text for _, _, out in notebooks.run(name) for form, text in out if form == "text"]
    assert len(printed) == len(shown)
    for now, then in zip(printed, shown, strict=True):
        assert re.sub(NUMBER, "#", now).split() == re.sub(NUMBER, "#", then).split()
        assert [*map(float, re.findall(NUMBER, now))] == pytest.approx([*map(float, re.findall(NUMBER, then))], rel=0.1, abs=0.05)
