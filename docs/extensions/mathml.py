"""Formulas become MathML when the site is built: a reader needs neither a network nor a script."""

import html
import re

from math_core import LatexToMathML

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', flags=re.DOTALL)
_convert = LatexToMathML().convert_with_local_state


def on_page_content(content: str, **_) -> str:
    """Replace what arithmatex has marked (an event of mkdocs)."""
    return _FORMULA.sub(_mathml, content)


def _mathml(match: re.Match) -> str:
    tag, kind, tex = match.groups()
    return f'<{tag} class="formula">{_convert(html.unescape(tex), displaystyle=kind == "[")}</{tag}>'
