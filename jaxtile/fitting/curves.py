"""Measured curves of several devices, from the file of a laboratory."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from .._paths import readable
from .._text_table import TextTable, read_text_table

__all__ = ["Curves"]

_PULSE = {"pulse", "pulses"}
_DEVICE = {"device"}
_READ = {"weight", "conductance", "g"}
_MOST = 1_000_000  # pulses between two measurements


class Curves(NamedTuple):
    """Measured curves, as `fit` takes them: `fit(device, curves.weights,
    curves.pulses)`.

    Attributes:
        names: of the devices.
        weights: what was read of each device, before the first pulse and after each;
            NaN: not measured.
        pulses: 1 (up), -1 (down) or 0 (only a read) before each measurement but the
            first, for each device; NaN: a new start.
    """

    names: tuple[str, ...]
    weights: np.ndarray
    pulses: np.ndarray

    @classmethod
    def from_csv(cls, path: str | Path) -> "Curves":
        """Read curves from a text file, one line for each measurement, in turn.

        The column "pulse" says what was sent before the measurement: 1 up, -1 down, 0
        only a read, and n or -n for n pulses without a measurement between. It is empty
        where a curve starts, also in the middle of a record, after a reset. The others
        hold what was read, in one of two forms:

            pulse, A, B          a column for each device; an empty entry: not measured
            device, pulse, g     a line for each device; "device" is its number,
                                 "weight", "conductance" or "g" what was read

        Curves may differ in length. Tabs, semicolons, commas or spaces separate the
        columns. Conductances become weights by `Conductance.weight`.

        Raises:
            OSError: there is no such file, or it cannot be opened.
            ValueError: it holds no such curves; the message names file and line.
        """
        path = readable(path, "curves")
        try:
            table = read_text_table(path, header=True, empty=True)
            names, records = _records(table)
            return _together(names, [_record(*record) for record in records])
        except ValueError as error:
            raise ValueError(f"curves {path}: {error}.") from None


def _records(table: TextTable):
    """The name of each device, and its lines: their numbers, pulses and reads."""
    columns = dict(zip([name.casefold() for name in table.names or ()], table.values.T, strict=table.names is not None))
    pulse = next((columns.pop(name) for name in _PULSE & {*columns}), None)
    if pulse is None:
        raise ValueError('it has no column "pulse"; name the columns in the first line: pulse, and one for each device')
    lines = np.asarray(table.lines)
    if not _DEVICE & {*columns}:
        names = tuple(name for name in table.names or () if name.casefold() not in _PULSE)
        records = [(lines, pulse, column) for column in columns.values()]
    else:
        device, read = columns.pop("device"), [columns[name] for name in columns if name in _READ]
        if len(read) != 1 or len(columns) > 1 or np.isnan(device).any():
            raise ValueError("beside a number in each line of device, and pulse, it needs one column of weight, conductance or g")
        order = list(dict.fromkeys(device.tolist()))
        names = tuple(f"{number:g}" for number in order)
        records = [(lines[own], pulse[own], read[0][own]) for own in (device == number for number in order)]
    if not records or not lines.size:
        raise ValueError("it holds no measurements; write a column for each device, and a line for each measurement")
    return names, records


def _record(lines, pulse, read) -> tuple[list[float], list[float]]:
    """Reads and pulses of one device, one of each for every single pulse."""
    known = pulse[1:][np.isfinite(pulse[1:])]
    if known.size > 3 and (np.diff(known) == 1).all():
        raise ValueError(
            f"line {lines[1]}: pulse counts on, {known[0]:g}, {known[1]:g}, {known[2]:g} ...; write what was sent before each "
            "measurement, 1 up or -1 down, not its number"
        )
    weights, pulses = [], []
    for line, sent, seen in zip(lines, pulse, read, strict=True):
        start = not weights or np.isnan(sent)
        if start and np.isnan(seen):
            continue  # before the first measurement, or where a device took no part
        if not start and (abs(sent) > _MOST or sent != round(sent)):
            raise ValueError(
                f"line {line}: {sent:g} is no number of pulses; write 1 up, -1 down, 0 only a read, and leave starts empty"
            )
        count = 1 if start else max(1, int(abs(sent)))
        weights += [np.nan] * (count - 1) + [seen]
        pulses += [np.nan] if start else [float(np.sign(sent))] * count
    if not weights:
        raise ValueError("a device was not measured once; leave its column out")
    return weights, pulses[1:]


def _together(names: tuple[str, ...], records: list[tuple[list[float], list[float]]]) -> Curves:
    """Records of different lengths in one array: after its end nothing is sent to a
    device and nothing measured.
    """
    longest = max(len(weights) for weights, _ in records)
    weights, pulses = np.full((len(records), longest), np.nan), np.zeros((len(records), longest - 1))
    for n, (seen, sent) in enumerate(records):
        weights[n, : len(seen)], pulses[n, : len(sent)] = seen, sent
    return Curves(names, weights, pulses)
