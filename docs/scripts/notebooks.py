"""Run the tutorials, `docs/tutorials/*.py` in the percent format of jupytext, and write a page of each with its output.

    python docs/scripts/notebooks.py                    # those whose source has changed since
    python docs/scripts/notebooks.py train_on_a_chip    # this one

The site is built from the pages, so it needs no run. A page names the checksum of its source. `tests/test_tutorials.py` says which
page is stale and, as a slow test, whether today's library still prints what the page shows.

Once `pyproject.toml` names the address of the repository (`[project.urls]`, Repository), each page also gets a notebook for Colab.
It installs jaxtile from there, and the page links to it.
"""

import contextlib
import hashlib
import io
import json
import re
import sys
import tempfile
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "tutorials"
FIGURES = FOLDER.parent / "figures"
ADDRESS = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text())["project"].get("urls", {}).get("Repository")
SOURCES = {path.stem: path for path in sorted(FOLDER.glob("*.py"))}


def cells(source: str) -> list[tuple[str, str]]:
    """The cells of a notebook: pairs of "markdown" or "code", and the text."""
    found = []
    for head, text in re.findall(r"^# %%(.*)\n((?:(?!# %%).*\n?)*)", source, flags=re.MULTILINE):
        kind = "markdown" if "[markdown]" in head else "code"
        text = re.sub(r"^# ?", "", text, flags=re.MULTILINE) if kind == "markdown" else text
        found.append((kind, text.strip("\n")))
    return found


def checksum(name: str) -> str:
    """A text that changes with the source."""
    return hashlib.sha256(SOURCES[name].read_bytes()).hexdigest()[:16]


def is_current(name: str) -> bool:
    """True if the page was written from the source as it is."""
    page = FOLDER / f"{name}.md"
    return page.exists() and f"checksum {checksum(name)}" in page.read_text()


def run(name: str, folder: Path | None = None) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Run the cells in a folder of their own. Each becomes its kind, its text, and what came out: texts and figures.

    Args:
        name: the tutorial.
        folder: where figures are saved; None: they are not.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names: dict = {"__name__": name}
    done, drawn = [], 0
    with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
        for kind, text in cells(SOURCES[name].read_text()):
            out: list[tuple[str, str]] = []
            if kind == "code":
                with contextlib.redirect_stdout(io.StringIO()) as printed:
                    exec(compile(text, str(SOURCES[name]), "exec"), names)
                if printed.getvalue().strip():
                    out.append(("text", printed.getvalue().rstrip()))
                for number in plt.get_fignums():
                    figure, drawn = plt.figure(number), drawn + 1
                    file = f"{name}_{drawn}.png"
                    if folder is not None:
                        figure.savefig(folder / file, dpi=150)
                    alt = figure.axes[0].get_ylabel() + " against " + figure.axes[0].get_xlabel()
                    out.append(("figure", f"![{alt[:1].upper()}{alt[1:]}](../figures/{file})"))
                plt.close("all")
            done.append((kind, text, out))
    return done


def notebook(name: str, address: str) -> dict:
    """The tutorial as a notebook of Jupyter that first installs jaxtile from the address of a repository."""
    install = f'%pip install --quiet "jaxtile[cli,examples] @ git+{address}"'
    made = []
    for kind, text in [("code", install), *cells(SOURCES[name].read_text())]:
        empty = {"outputs": [], "execution_count": None} if kind == "code" else {}
        made.append({"cell_type": kind, "metadata": {}, "source": text.splitlines(keepends=True)} | empty)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}


def write(name: str) -> None:
    """Run a tutorial and write its page."""
    parts = [f"<!-- By docs/scripts/notebooks.py from {name}.py, checksum {checksum(name)}. -->"]
    for kind, text, out in run(name, FIGURES):
        parts.append(text if kind == "markdown" else f"```python\n{text}\n```")
        parts += [f"```text\n{shown}\n```" if form == "text" else shown for form, shown in out]
    if ADDRESS:
        (FOLDER / f"{name}.ipynb").write_text(json.dumps(notebook(name, ADDRESS), indent=1) + "\n")
        where = f"{ADDRESS.removeprefix('https://')}/blob/main/docs/tutorials/{name}.ipynb".replace("github.com", "github", 1)
        parts.append(f"[Open in Colab](https://colab.research.google.com/{where}){{ .md-button }}")
    parts.append(f"This page is a notebook: [{name}.py]({name}.py) is its source, which jupytext and most editors open.")
    (FOLDER / f"{name}.md").write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    for name in sys.argv[1:] or [name for name in SOURCES if not is_current(name)]:
        write(name)
        print(name)
