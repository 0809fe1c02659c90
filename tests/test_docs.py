"""Every Python block of the README and of the documentation runs, the blocks of a page one after another."""

import importlib
import inspect
import pathlib
import re

import matplotlib.pyplot as plt
import pytest
from helpers import mostly_slow

import jaxtile as jt

ROOT = pathlib.Path(__file__).parent.parent
PAGES = {
    page.stem: page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if "```python" in page.read_text() and not page.with_suffix(".py").exists()  # those of notebooks have tests of their own
}


@pytest.mark.parametrize("name", mostly_slow(PAGES, "README"))
def test_code_in_documentation_runs(name, monkeypatch, tmp_path):
    page = PAGES[name]
    if name == "bridge":
        pytest.importorskip("aihwkit")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)  # where blocks write their files
    names = {"__name__": page.stem}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
        exec(compile(block, str(page), "exec"), names)
    plt.close("all")


def test_links_between_pages_are_not_broken():
    broken = []
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")):
        for link, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)[^)]*\)", page.read_text()):
            to = page.parent / link if link else page
            if not link.startswith("http") and not (to.exists() and (not anchor or to.is_dir() or anchor in anchors(to))):
                broken.append(f"{page.name}: {link}#{anchor}")
    assert not broken


def anchors(page):
    """Anchors that links into a page may name: its headings, as GitHub and the site write them."""
    headings = re.findall(r"^#+ (.*?)(?: \{.*\})?$", page.read_text(), flags=re.MULTILINE)
    named = re.findall(r"(?:\{ ?#|id=\")([\w-]+)", page.read_text())
    return {re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-") for heading in headings} | {*named}


def test_every_public_name_is_in_the_reference():
    pages = "\n".join(page.read_text() for page in (ROOT / "docs/reference").glob("*.md"))
    entries = re.findall(r"^::: (jaxtile\S*)\.(\w+)$", pages, flags=re.MULTILINE)
    described = [getattr(importlib.import_module(module), name) for module, name in entries]
    described += [getattr(room, name) for room in filter(inspect.ismodule, described) for name in room.__all__]
    rooms = [jt, *(room for name, room in inspect.getmembers(jt, inspect.ismodule) if name in jt.__all__)]
    public = {f"{room.__name__}.{name}": getattr(room, name) for room in rooms for name in room.__all__ if name != "__version__"}
    missing = [name for name, thing in public.items() if thing not in rooms and all(thing is not known for known in described)]
    assert not missing
    # The site takes a function for the module of its name, unless the entry says where it stands.
    modules = [getattr(thing, "__module__", "") for thing in described[: len(entries)]]
    assert not [
        (there, name)
        for (there, name), module in zip(entries, modules, strict=True)
        if module.endswith(f".{name}") and module != there
    ]
