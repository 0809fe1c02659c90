"""Names of jaxtile that a page holds as code become links to their entries in the reference."""

import inspect
import re

import jaxtile

_ROOMS = [jaxtile, *(room for _, room in inspect.getmembers(jaxtile, inspect.ismodule) if hasattr(room, "__all__"))]
_LINKED_OR_CODE = re.compile(r"<(a|autoref|h\d|pre)\b.*?</\1>|<code>([\w.]+)(\([^<]*\))?</code>", flags=re.DOTALL)


def on_page_content(content: str, **_) -> str:
    """Link what is not a link yet (an event of mkdocs)."""
    return _LINKED_OR_CODE.sub(_link, content)


def _link(match: re.Match) -> str:
    entry = _ENTRIES.get(match[2])
    return f'<autoref identifier="{entry}" optional>{match[0]}</autoref>' if entry else match[0]


def _entries() -> dict[str, str]:
    """The entry of each `jt.name`, `jt.room.name` and `room.name`; of `Name` too if only one room has such a class."""
    entries, classes = {}, {}
    for room in _ROOMS:
        prefix = room.__name__.replace("jaxtile", "jt")
        for name in room.__all__:
            thing = getattr(room, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                entry = f"{thing.__module__}.{thing.__qualname__}"
                entries |= {f"{prefix}.{name}": entry, f"{prefix.removeprefix('jt.')}.{name}": entry}
                if inspect.isclass(thing):
                    classes.setdefault(name, set()).add(entry)
    return entries | {name: next(iter(places)) for name, places in classes.items() if len(places) == 1}


_ENTRIES = _entries()
