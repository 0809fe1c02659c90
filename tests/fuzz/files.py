"""Files of numbers as people, instruments and programs write them: each is read as what was written, or refused with a remedy."""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from safetensors.numpy import save as save_safetensors

from jaxtile import targets
from jaxtile.device import Curves, Table
from jaxtile.device.record import take_record

__all__ = ["FILES"]

SEPARATORS = (",", ", ", " , ", ";", "; ", "\t", " ", "   ")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1")
LINE_ENDS = ("\n", "\r\n", "\r")
FORMATS = ("{!r}", "{:.3f}", "{:.2e}", "{:+.4g}", "{:.6G}")
WORDS = ("x", "1_000", "0x1F", "--5", "1e", "1.2.3", "\N{INFINITY}", "5%", "1/2")
REMEDIES = (
    "write",
    "save",
    "delete",
    "give",
    "pass",
    "name the columns",
    "separate",
    "leave",
    "sort",
    "normalise",
    "needs",
    "measure",
)
NUMBERS = st.floats(-9, 9, allow_subnormal=False) | st.sampled_from([0.0, 1.0, -1.0, 1e-6, 12345.678, -2e10])


class Text(NamedTuple):
    """How a file is written, beside what it says."""

    separator: str
    comma: bool  # in the place of the decimal point
    encoding: str
    line_end: str
    form: str
    extras: tuple[str, ...]

    def number(self, value: float) -> str:
        """The number as it stands in the file."""
        text = self.form.format(float(value))
        text = text.replace("-", "\N{MINUS SIGN}") if "a typographic minus" in self.extras else text
        return text.replace(".", ",") if self.comma else text

    def content(self, rows: list[list[str]]) -> bytes:
        """The file of these entries."""
        quoted = self.separator.strip() == "," and self.comma
        lines = [self.separator.join(f'"{entry}"' if quoted else entry for entry in row) for row in rows]
        if "separators at the ends" in self.extras and self.separator.strip():
            lines = [line + self.separator.strip() for line in lines]
        if "comments" in self.extras:
            lines = ["# Gr\u00f6\u00dfe, 1;2", lines[0], "", *lines[1:], "#"]
        if "a declared separator" in self.extras and self.separator.strip():
            lines = [f"sep={self.separator.strip()}", *lines]
        return (self.line_end.join(lines) + ("" if "no last line end" in self.extras else self.line_end)).encode(self.encoding)


EXTRAS = ("separators at the ends", "comments", "a declared separator", "no last line end", "a typographic minus")


@st.composite
def texts(draw, width: int) -> Text:
    """Ways to write that leave no doubt about what they say."""
    separator = draw(st.sampled_from(SEPARATORS))
    comma = width > 1 and bool(separator.strip()) and draw(st.booleans())
    encoding, extras = draw(st.sampled_from(ENCODINGS)), tuple(extra for extra in EXTRAS if draw(st.integers(0, 3)) == 3)
    if encoding == "latin-1":
        extras = tuple(extra for extra in extras if extra != "a typographic minus")
    return Text(separator, comma, encoding, draw(st.sampled_from(LINE_ENDS)), draw(st.sampled_from(FORMATS)), extras)


def said(text: Text, values: np.ndarray) -> tuple[list[list[str]], np.ndarray]:
    """The entries of a matrix, and the numbers that they say."""
    exact = np.array([[float(text.form.format(value)) for value in row] for row in values.tolist()]).reshape(values.shape)
    return [[text.number(value) for value in row] for row in values.tolist()], exact


def is_doubtful(rows: list[list[str]]) -> bool:
    """True if there are decimal commas, and each may as well stand before thousands."""
    marked = [entry.lstrip("+-\N{MINUS SIGN}") for row in rows for entry in row if "," in entry]
    return bool(marked) and all(len(entry.partition(",")[2]) == 3 and entry[0] != "0" for entry in marked)


def read_or_refused(read: Callable[[], Any], *needs: str, remedy: bool = True) -> Any:
    """The value that is read; None: it is refused with all that a refusal needs, and a remedy."""
    try:
        return read()
    except (TypeError, ValueError) as error:
        message = str(error)
    missing = [need for need in needs if need not in message]
    assert not missing, f"refused without {missing}: {message}"
    assert not remedy or any(word in message for word in REMEDIES), f"refused without a remedy: {message}"
    assert len(message) < 600, message
    return None


@st.composite
def matrices(draw, columns: int = 5) -> np.ndarray:
    shape = draw(st.integers(1, 4)), draw(st.integers(1, columns))
    return np.reshape(draw(st.lists(NUMBERS, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])), shape)


def text_targets(draw, folder: Path) -> str:
    """A matrix in a text file, whole or with one fault."""
    values = draw(matrices())
    text, path = draw(texts(values.shape[1])), folder / "m.csv"
    rows, exact = said(text, values)
    fault = draw(st.sampled_from(["none", "none", "none", "ragged", "word", "empty", "header", "cut", "zero bytes"]))
    at = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, len(rows[0]) - 1))
    needs: tuple[str, ...] = () if fault == "none" else ("line",)
    if fault == "ragged":
        rows[at[0]] = [*rows[at[0]], *rows[at[0]]]
        needs = () if len(rows) == 1 else needs
    elif fault in ("word", "empty"):
        rows[at[0]][at[1]] = draw(st.sampled_from(WORDS)) if fault == "word" else ""
        needs = () if fault == "empty" and len(rows) * len(rows[0]) == 1 else needs
    elif fault == "header":
        rows = [[f"column {n}" if text.separator.strip() else f"c{n}x" for n in range(len(rows[0]))], *rows]
    word = fault == "word" and rows[at[0]][at[1]]
    if word == "\N{INFINITY}" and text.encoding == "latin-1":
        text = text._replace(encoding="utf-8")
    content = text.content(rows)
    if fault == "cut":
        content, needs = content[: len(content) // 2], ()
    elif fault == "zero bytes":
        middle = len(content) // 2
        content, needs = content[:middle] + b"\0" + content[middle:], ()
    path.write_bytes(content)
    found = read_or_refused(partial(targets.load, path), path.name, *needs)
    if found is None:
        assert fault != "none" or is_doubtful(rows), f"refused: {content!r}"
        return "refused"
    if fault == "none":
        np.testing.assert_array_equal(found, exact, err_msg=repr(content))
        return "read"
    # What still says something may be read: a file cut at the end of a line, one line of more entries, or a hole between spaces.
    alone = fault == "ragged" and len(rows) == 1
    hole = fault == "empty" and (not text.separator.strip() or exact.shape[1] == 1 or len(rows) == 1)
    assert fault in ("cut", "zero bytes") or alone or hole, f"{fault} is read: {content!r} as {found}"
    if fault == "cut":
        whole = found.shape[0] <= exact.shape[0]
        assert whole, f"{content!r} is read as {found}"
    return "read"


KINDS = ("bool", "i1", "u2", "i4", "i8", "u8", "f2", "f4", "f8", ">f4", ">i2", "g", "c8", "U3", "O")


def binary_targets(draw, folder: Path) -> str:
    """An array of any type in a file of NumPy or of safetensors, whole or cut."""
    kind, ending = draw(st.sampled_from(KINDS)), draw(st.sampled_from([".npy", ".npz", ".safetensors", ".NPZ"]))
    shape = draw(st.sampled_from([(2, 3), (1, 1), (4, 1), (3,), (), (2, 0), (1, 2, 3)]))
    size = int(np.prod(shape))
    values = np.reshape(draw(st.lists(st.integers(-100, 100), min_size=size, max_size=size)), shape)
    array = values.astype(bool) if kind == "bool" else np.abs(values).astype(kind) if kind.startswith("u") else values.astype(kind)
    if draw(st.booleans()):
        array = np.asfortranarray(array)
    broken = kind in ("f2", "f4", "f8", ">f4", "g") and size and draw(st.integers(0, 4)) == 4
    if broken:
        array.flat[0] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    name, path = draw(st.sampled_from(["w", "layer:0", "fc/weight", "", "\u00fc"])), folder / f"m{ending}"
    buffer = io.BytesIO()
    if ending == ".npy":
        np.save(buffer, array)
    elif ending == ".safetensors":
        if kind in ("g", "c8", "U3", "O", ">f4", ">i2"):
            return "not written"
        buffer.write(save_safetensors({name: np.ascontiguousarray(array).reshape(shape)}))
    else:
        np.savez(buffer, **{name or "w": array})
    content = buffer.getvalue()
    cut = draw(st.integers(0, 3)) == 3
    if cut:
        content = content[: draw(st.integers(0, len(content) - 1))]
    path.write_bytes(content)
    found = read_or_refused(partial(targets.load, path), path.name, remedy=not cut)
    is_matrix = len(shape) == 2 and size and kind not in ("c8", "U3", "O") and not broken
    if found is None:
        assert cut or not is_matrix, f"{array!r} in {path} is refused"
        return "refused"
    assert is_matrix, f"{array!r} is read as {found}"
    np.testing.assert_array_equal(found, array.astype(float))
    return "read"


def tables(draw, folder: Path) -> str:
    """A table of steps, its depression written in either sign, its columns in any order."""
    states = draw(st.integers(2, 5))
    state = np.linspace(-1, 1, states)
    steps = st.lists(st.floats(0.01, 0.2), min_size=states, max_size=states)
    columns = {"state": state, "up": np.array(draw(steps)), "down": np.array(draw(steps))}
    if draw(st.booleans()):
        columns |= {"up_noise": np.array(draw(steps)), "down_noise": np.array(draw(steps))}
    sign = draw(st.sampled_from([1, -1]))
    names = draw(st.permutations([*columns]))
    text, path = draw(texts(len(names))), folder / "steps.csv"
    text = text._replace(form="{!r}")
    written = np.stack([sign * columns[name] if name == "down" else columns[name] for name in names], axis=1)
    rows, _ = said(text, written)
    fault = draw(st.sampled_from(["none", "none", "none", "twice", "missing", "unknown", "backwards", "ragged", "word"]))
    header, needs = [name.upper() if draw(st.booleans()) else name for name in names], ()
    if fault == "twice":
        header, rows, needs = [*header, header[0]], [[*row, row[0]] for row in rows], ("line",)
    elif fault == "missing":
        header[names.index("up")] = "upwards"
    elif fault == "unknown":
        header, rows = [*header, "T"], [[*row, text.number(300.0)] for row in rows]
    elif fault == "backwards":
        rows = rows[::-1]
    elif fault == "ragged":
        rows[0], needs = rows[0][:-1], ("line",)
    elif fault == "word":
        rows[-1][0], needs = "abc", ("line", "column")
    content = text.content([header, *rows])
    path.write_bytes(content)
    found = read_or_refused(partial(Table.from_csv, path), path.name, *needs)
    if found is None:
        assert fault != "none" or is_doubtful(rows), f"refused: {content!r}"
        return "refused"
    assert fault == "none", f"{fault} is read: {content!r}"
    for name, column in columns.items():
        np.testing.assert_allclose(getattr(found, name), column, rtol=1e-6, err_msg=repr(content))
    return "read"


def curves(draw, folder: Path) -> str:
    """Curves of up to three devices, a column or a line for each, some with gaps and new starts."""
    devices, length = draw(st.integers(1, 3)), draw(st.integers(2, 6))
    pulses = [None, *draw(st.lists(st.sampled_from([1, -1, 1, -1, 0, 2, -3, None]), min_size=length - 1, max_size=length - 1))]
    reads = np.reshape(draw(st.lists(NUMBERS, min_size=devices * length, max_size=devices * length)), (length, devices))
    gaps = np.reshape(draw(st.lists(st.integers(0, 4), min_size=reads.size, max_size=reads.size)), reads.shape) == 4
    gaps[[n for n, pulse in enumerate(pulses) if pulse is None]] = False
    wide = draw(st.booleans())
    text, path = draw(texts(2)), folder / "curves.csv"
    if not text.separator.strip():
        text = text._replace(separator=";")  # there are no empty entries between spaces
    text = text._replace(comma=False, extras=tuple(extra for extra in text.extras if extra != "separators at the ends"))
    rows, exact = said(text, reads)
    rows = [["" if gap else entry for entry, gap in zip(*pair, strict=True)] for pair in zip(rows, gaps, strict=True)]
    sent = ["" if pulse is None else str(pulse) for pulse in pulses]
    if wide:
        names = [f"D{n}" for n in range(devices)]
        lines = [["pulse", *names], *([pulse, *row] for pulse, row in zip(sent, rows, strict=True))]
    else:
        names = [str(7 + n) for n in range(devices)]
        own = [[name, pulse, row[n]] for pulse, row in zip(sent, rows, strict=True) for n, name in enumerate(names)]
        lines = [["device", "pulse", draw(st.sampled_from(["g", "weight", "Conductance"]))], *own]
    fault = draw(st.sampled_from(["none", "none", "none", "half a pulse", "word", "twice", "no pulse", "counts on"]))
    at, needs = draw(st.integers(2, len(lines) - 1)), ("line",)
    place = lines[0].index("pulse")
    if fault == "half a pulse":
        lines[at][place] = "0.5"
        needs = ("line",) if wide else ()
    elif fault == "word":
        lines[at][place] = "up"
    elif fault == "twice":
        lines = [[*row, row[-1]] for row in lines]
    elif fault == "no pulse":
        lines[0][place], needs = "sent", ()
    elif fault == "counts on":
        lines = [["pulse", "A"], ["", "0"], *([str(n), f"{n / 10}"] for n in range(1, 7))]
    content = text.content(lines)
    path.write_bytes(content)
    found = read_or_refused(partial(Curves.from_csv, path), path.name, *(needs if fault != "none" else ()))
    if found is None:
        assert fault != "none", f"refused: {content!r}"
        return "refused"
    if fault == "half a pulse" and not wide and at <= devices:
        return "read"  # what was sent before the first measurement of a device does not matter
    assert fault == "none", f"{fault} is read: {content!r}"
    assert list(found.names) == names
    for weights, known, device in zip(found.weights, found.pulses, range(devices), strict=True):
        np.testing.assert_array_equal(weights[np.isfinite(weights)], exact[~gaps[:, device], device], err_msg=repr(content))
        assert np.nansum(known) == sum(pulse or 0 for pulse in pulses[1:]), repr(content)
        assert np.nansum(np.abs(known)) == sum(abs(pulse or 0) for pulse in pulses[1:]), repr(content)
    return "read"


def records(draw, folder: Path) -> str:
    """Pulses in the codes that people use for them; those of another code are refused by what the weights did."""
    length, size = draw(st.integers(10, 40)), draw(st.floats(0.01, 0.5))
    ways = np.tile([1.0, 1.0, -1.0, -1.0, 1.0], length)[:length]
    noise = np.random.default_rng(draw(st.integers(0, 99))).normal(size=length + 1)
    weights = np.concatenate([[0.0], np.cumsum(size * ways)]) + 0.02 * size * noise
    code = draw(st.sampled_from(["1 and -1", "1 and 0", "0 and -1", "exchanged", "booleans", "2 and 1"]))
    codes = {"1 and -1": ways, "1 and 0": ways > 0, "0 and -1": -1.0 * (ways < 0), "exchanged": -ways, "2 and 1": 1.5 + ways / 2}
    pulses = codes[code].astype(float) if code in codes else ways > 0
    found = read_or_refused(lambda: take_record(weights[None], pulses)[1], "pulses")
    assert (found is None) == (code != "1 and -1"), f"pulses of {code} are {'refused' if found is None else 'taken'}"
    if found is None:
        return "refused"
    np.testing.assert_array_equal(np.ravel(found), ways)
    return "read"


FILES = {"text targets": text_targets, "binary targets": binary_targets, "tables": tables, "curves": curves, "records": records}
