"""Objects as people see them: in a terminal, inside of others, and in a notebook."""

from collections.abc import Iterable
from html import escape
from typing import Any

import wadler_lindig as wl

__all__ = ["html_table", "text_of"]


def text_of(thing: object, **_: Any) -> wl.AbstractDoc:
    """The `repr` of an object for the printer of equinox, which else shows each number
    inside of another module as its type. A class takes it as `__pdoc__`.
    """
    return wl.TextDoc(repr(thing))


def html_table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and texts under a title.

    Args:
        title: text above the table.
        rows: pairs of a name and a text.
    """
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in rows
    )
    return f"<table><caption>{escape(title)}</caption>{cells}</table>"
