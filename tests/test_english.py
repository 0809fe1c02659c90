"""Plain English: pages and the docstrings of the public API are read by people who learnt English at school."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name not in ("records", "reference")),
]
MOST = 35
TYPICAL = 16
HEADLESS = re.compile(r"(What|Of|Likewise)\b(?!.*\?$)")


def sentences(text):
    """The sentences of a page in Markdown, or of a docstring; code, formulas, tables, headings and comments are left out."""
    text = re.sub(r"(?ms)<!--.*?-->|^ *```.*?^ *```$|^ *\\\[.*?\\\]$|^    .*?$(?=\n|\Z)", "\n\n", text)
    text = re.sub(r"\]\([^)]*\)|!\[[^\]]*\]", "]", text)
    text = re.sub(r"`[^`]*`|\$[^$\n]*\$|\\\(.*?\\\)", "code", text)
    text = re.sub(r"(?m)^#.*$|^ *\|.*$", "\n\n", text)
    text = re.sub(r"\b(Figs?|Eq|cf|e\.g|i\.e|et al|vs|Sec|No|pp|Nat|Commun|Front|Neurosci|Phys|Rev)\.", r"\1", text)
    for block in re.split(r"\n\s*\n|\n\s*(?:[-*+]|\d+\.) |\n:   ", text):
        yield from (one for one in re.split(r"(?<=[.?!])[)\"*]*\s+", " ".join(block.split())) if re.search(r"\w", one))


def words(sentence):
    return len([word for word in sentence.split() if re.search(r"\w", word)])


def docstrings():
    """Those of public names of the library: modules, classes, functions, methods."""
    for path in sorted((ROOT / "jaxtile").rglob("*.py")):
        if any(part.startswith("_") and part != "__init__.py" for part in path.relative_to(ROOT).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            named = getattr(node, "name", "")
            if (
                isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
                and not named.startswith("_")
                and ast.get_docstring(node)
            ):
                yield f"{path.relative_to(ROOT)}: {named}", ast.get_docstring(node)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_sentences_of_pages_are_short(page):
    long = [one for one in sentences(page.read_text()) if words(one) > MOST]
    assert not long, "\n".join(long)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_typical_sentence_of_a_page_is_short(page):
    """Half of the sentences have at most so many words; items of a list that are no sentence do not count."""
    lengths = [words(one) for one in sentences(page.read_text()) if one.rstrip(')*_"')[-1:] in (".", "?", "!", ":")]
    assert np.median(lengths or [0]) <= TYPICAL


def test_docstrings_begin_with_what_they_describe():
    """With a verb or a noun, and their sentences are short."""
    headless = [name for name, text in docstrings() if HEADLESS.match(text)]
    # Sections of arguments are tables of fragments.
    prose = ((name, re.split(r"\n\w[\w ]*:\n", text)[0]) for name, text in docstrings())
    long = [f"{name}: {one}" for name, text in prose for one in sentences(text) if words(one) > MOST]
    assert not headless
    assert not long, "\n".join(long)
