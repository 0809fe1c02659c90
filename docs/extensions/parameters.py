"""A table of parameters for every class of fields, inherited ones included.

Equinox makes the constructor of such a class when the class is made. The source, which
the site is built from, does not show it.
"""

import dataclasses
import pydoc
from collections.abc import Iterator

import griffe

_SHARED = "AbstractPulsedDevice"  # its twenty parameters are described there alone, and only listed elsewhere


class Parameters(griffe.Extension):
    """Add the table, described by what the class and its bases say under "Attributes"."""

    def on_package(self, *, pkg: griffe.Module, **_) -> None:
        """Visit the classes of a package (an event of griffe)."""
        documented = [cls for cls in _classes(pkg) if cls.docstring and dataclasses.is_dataclass(pydoc.locate(cls.path))]
        sections = [_sections(cls) for cls in documented]  # of all, before the first is changed
        for cls, new in zip(documented, sections, strict=True):
            cls.docstring.parsed = new


def _classes(module: griffe.Module) -> Iterator[griffe.Class]:
    for member in module.members.values():
        if member.is_alias:
            continue
        if member.is_module:
            yield from _classes(member)
        elif member.is_class:
            yield member


def _sections(cls: griffe.Class) -> list[griffe.DocstringSection]:
    """The docstring with its "Attributes" replaced by a table of parameters."""
    known = cls.all_members  # fields that aihwkit's classes bring along are not
    fields = {field.name: field for field in dataclasses.fields(pydoc.locate(cls.path)) if field.init and field.name in known}
    texts, shared = {}, {}
    for base in reversed([cls, *cls.mro()]):
        shared = {name: field for name, field in shared.items() if name not in base.members}
        if base.name == _SHARED and base is not cls:
            shared = {name: field for name, field in fields.items() if name in base.members}
        for section in base.docstring.parsed if base.docstring else ():
            if section.kind is griffe.DocstringSectionKind.attributes:
                for entry in section.value:
                    texts |= dict.fromkeys(_names(entry), entry.description)
    sections = [section for section in cls.docstring.parsed if section.kind is not griffe.DocstringSectionKind.attributes]
    table = [_parameter(known[name], field, texts.get(name, "")) for name, field in fields.items() if name not in shared]
    if table:
        sections.append(griffe.DocstringSectionParameters(table))
    if shared:
        listed = ", ".join(f"`{name}={_default(field)}`" for name, field in shared.items())
        sections.append(griffe.DocstringSectionText(f"Parameters of every `{_SHARED}`: {listed}."))
    return sections


def _names(entry: griffe.DocstringAttribute) -> list[str]:
    first, comma, _ = entry.name.partition(",")  # griffe takes the rest of `up, down: ...` for a type
    return [first, *str(entry.annotation).strip("()").split(", ")] if comma else [first]


def _parameter(attribute: griffe.Attribute, field: dataclasses.Field, text: str) -> griffe.DocstringParameter:
    domain, units = field.metadata.get("domain"), field.metadata.get("units", "1")
    if domain is not None:
        text += f" *({domain}{'' if units == '1' else f'; unit: {units}'})*"
    return griffe.DocstringParameter(field.name, description=text, annotation=attribute.annotation, value=_default(field))


def _default(field: dataclasses.Field) -> str | None:
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    elif field.default is not dataclasses.MISSING:
        default = field.default
    else:
        return None
    return getattr(default, "__name__", repr(default))  # of a function or a class, else an object
