"""Formulas become MathML when the site is built: a reader needs neither a network nor a script."""

import html
import re

from latex2mathml.converter import convert

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', flags=re.DOTALL)


def on_page_content(content: str, **_) -> str:
    """Replace what arithmatex has marked (an event of mkdocs)."""
    return _FORMULA.sub(_mathml, content)


def _mathml(match: re.Match) -> str:
    tag, kind, tex = match.groups()
    return f'<{tag} class="formula">{convert(html.unescape(tex), display="block" if kind == "[" else "inline")}</{tag}>'
