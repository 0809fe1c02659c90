"""Numbers from text files, as spreadsheets, instruments and programs write them: the
one reader of targets, tables of steps and measured curves.
"""

import codecs
import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["TextTable", "read_text_table"]

_MARKS = {  # the longer before the shorter: the mark of UTF-16 begins that of UTF-32
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SEPARATORS = ("\t", ";", ",")  # if there is none of these: spaces
_MISSING = {"", "-", "--", "na", "n/a", "nan", "null", "none"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE | re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
_REMEDY = "separate numbers by commas, semicolons, tabs or spaces, and write 0.5 (or, between semicolons or tabs, 0,5)"


class TextTable(NamedTuple):
    """The contents of a text file.

    Attributes:
        names: of the columns; None: the file has no header.
        values: the numbers, [line, column]; NaN where an entry is empty.
        lines: the number of each line in the file, from 1.
    """

    names: tuple[str, ...] | None
    values: np.ndarray
    lines: tuple[int, ...]


def read_text_table(path: Path, *, header: bool, empty: bool = False) -> TextTable:
    """Read numbers from a text file.

    Columns are separated by tabs, semicolons, commas or spaces, whichever of these
    comes first in this order and occurs. Lines that begin with "#" are comments. The
    file is in UTF-8, UTF-16, UTF-32 or Latin-1. A decimal comma is read between tabs,
    semicolons and quotation marks.

    Args:
        path: the file.
        header: whether the first line, or a comment just above the numbers, may name
            the columns.
        empty: whether entries may be empty.

    Raises:
        OSError: the file cannot be opened.
        ValueError: an entry is no number, lines differ in length, or two columns have
            one name; the message says the line and the remedy, not the file.
    """
    try:
        comments, rows, separator = _split(_decode(path.read_bytes()))
    except csv.Error as error:
        raise ValueError(f"it is no table of numbers ({error}); {_REMEDY}") from None
    if not rows and header:
        return TextTable((), np.empty((0, 0)), ())
    if not rows:
        raise ValueError("it holds no numbers; write one line of them for each row")
    commas = separator != " " and _decimal_commas([entry for _, row in rows for entry in row])
    number, first = rows[0]
    names = None
    if header and any(_parse(entry, commas) is None for entry in first):
        names, rows = _names(number, first), rows[1:]
    elif header:
        above = [(line, row) for line, row in comments if line == number - 1 and len(row) == len(first)]
        names = _names(*above[0]) if above else None
    width = len(names or first)
    remedy = _REMEDY if header else f"delete a header and an index, {_REMEDY}"
    values = np.empty((len(rows), width))
    for (line, row), numbers in zip(rows, values, strict=True):
        if len(row) != width:
            raise ValueError(
                f"line {line}: {','.join(row)!r:.60} is not {width} numbers, since the number of columns changed from {width} to "
                f"{len(row)}; write as many entries in every line, and {_REMEDY}"
            )
        for column, entry in enumerate(row):
            value = _parse(entry, commas)
            if value is None:
                raise ValueError(
                    f"could not convert string {entry!r:.40} to a number in line {line}, column {column + 1}; {remedy}"
                )
            if not empty and entry.lower() in _MISSING - {"nan"}:
                raise ValueError(f"the entry {entry!r} in line {line}, column {column + 1}, is no number; {remedy}")
            numbers[column] = value
    return TextTable(names, values, tuple(line for line, _ in rows))


def _decode(content: bytes) -> str:
    marked = [encoding for mark, encoding in _MARKS.items() if content.startswith(mark)]
    if not marked and b"\0" in content:  # UTF-16 of plain numbers, its mark lost: every other byte is zero
        first, second = content[::2].count(0), content[1::2].count(0)
        if min(first, second) or 4 * max(first, second) < len(content):
            raise ValueError("it holds zero bytes, which no text does; save it as text in UTF-8")
        marked = ["utf-16-be" if first else "utf-16-le"]
    try:
        return content.decode(marked[0] if marked else "utf-8")
    except UnicodeDecodeError as error:
        if marked:
            raise ValueError(f"it is no text in {marked[0]} ({error.reason}); save it as text in UTF-8") from None
        return content.decode("latin-1")


def _split(text: str) -> tuple[list, list, str]:
    """Comments and the other lines, each with its number and entries, and what
    separates these.
    """
    lines = [(number, line.strip(" \n\r")) for number, line in enumerate(io.StringIO(text.replace("\N{MINUS SIGN}", "-"), None), 1)]
    declared = re.fullmatch(r'"?sep=(.)"?', lines[0][1], re.IGNORECASE) if lines else None  # as Excel takes it
    lines = lines[1:] if declared else lines
    comments = [(number, line.lstrip("# ")) for number, line in lines if line.startswith("#")]
    data = [(number, line.split("#")[0]) for number, line in lines]
    data = [(number, line) for number, line in data if line.strip()]
    numbers = [line for _, line in data if not re.search(r"[^\W\d_]{2}", line)]  # words may hold other separators
    found = (mark for mark in _SEPARATORS if any(mark in line for line in numbers or [line for _, line in data]))
    separator = declared[1] if declared else next(found, " ")

    def entries(line: str) -> list[str]:
        row = line.split() if separator == " " else next(csv.reader([line], delimiter=separator, skipinitialspace=True))
        return [entry.strip() for entry in row]

    rows = [(number, entries(line)) for number, line in data]
    if rows and all(row[-1] == "" for _, row in rows):  # a separator at the end of every line
        rows = [(number, row[:-1]) for number, row in rows]
    return [(number, entries(line)) for number, line in comments if line], rows, separator


def _decimal_commas(entries: list[str]) -> bool:
    """True if commas stand for decimal points in a file whose columns they do not
    separate.
    """
    commas = [entry for entry in entries if "," in entry and _DECIMAL_COMMA.fullmatch(entry)]
    if not commas or any("." in entry for entry in entries if _NUMBER.fullmatch(entry)):
        return False
    return not all(_THOUSANDS.fullmatch(entry) for entry in commas)


def _parse(entry: str, commas: bool) -> float | None:
    """The number that an entry stands for; None: it is none."""
    if commas and _DECIMAL_COMMA.fullmatch(entry):
        entry = entry.replace(",", ".")
    if entry.lower() in _MISSING:
        return float("nan")
    return float(entry) if _NUMBER.fullmatch(entry) else None


def _names(line: int, names: list[str]) -> tuple[str, ...]:
    seen = [name.casefold() for name in names]
    twice = next((name for name, low in zip(names, seen, strict=True) if low and seen.count(low) > 1), None)
    if twice is not None:
        places = ", ".join(str(place) for place, low in enumerate(seen, 1) if low == twice.casefold())
        raise ValueError(f"line {line}: {twice!r} names columns {places}; give each column a name of its own, or delete one")
    return tuple(names)
