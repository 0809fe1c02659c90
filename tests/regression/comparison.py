"""Comparison of results with those that are stored.

Equal bits hold on one machine only: others round differently. Rounding can carry a
random number across the probability of a pulse, which flips that pulse; what a method
sends after a flipped pulse differs too, so that a run is then judged by its last error.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file

__all__ = ["STORED", "Difference", "compare", "load", "store"]

STORED = Path(__file__).parent / "stored.safetensors"
ROUNDING = 1e-6
FLIPPED = 3  # entries of one array, at most
CLOSE = 0.02

Results = dict[str, np.ndarray]


class Difference(NamedTuple):
    """One array that has not the stored bits.

    Attributes:
        what: the array.
        verdict: "rounding", "flipped", "close" (a run with nearly the same last error), or "differs".
        largest: largest difference of an entry, relative to 1 + its size.
        entries: how many differ by more than rounding, and of how many.
    """

    what: str
    verdict: str
    largest: float
    entries: str

    def __str__(self) -> str:
        return f"{self.verdict:9} {self.what}: {self.entries} entries, by at most {self.largest:.2g}"


def load(path: Path, name: str) -> Results:
    """Stored results of one configuration."""
    return {key.removeprefix(f"{name}/"): array for key, array in load_file(path).items() if key.startswith(f"{name}/")}


def store(path: Path, results: dict[str, Results]) -> None:
    """Store results of several configurations."""
    save_file({f"{name}/{what}": array for name, found in results.items() for what, array in found.items()}, path)


def compare(found: Results, stored: Results) -> Iterator[Difference]:
    """Arrays whose bits are not the stored ones."""
    for what in sorted(found.keys() | stored.keys()):
        if what not in found or what not in stored or found[what].shape != stored[what].shape:
            yield Difference(what, "differs", np.inf, "all")
        elif not np.array_equal(found[what], stored[what], equal_nan=True):
            off = _differences(found[what], stored[what])
            beyond = off > ROUNDING
            yield Difference(what, _verdict(what, found, stored, beyond), off.max(), f"{beyond.sum()} of {beyond.size}")


def _differences(found: np.ndarray, stored: np.ndarray) -> np.ndarray:
    both_nan = np.isnan(found) & np.isnan(stored)
    off = np.abs(found - stored) / (1 + np.abs(stored))
    return np.where(both_nan, 0, np.where(np.isnan(off), np.inf, off))


def _verdict(what: str, found: Results, stored: Results, beyond: np.ndarray) -> str:
    if not beyond.any():
        return "rounding"
    if what.startswith("program"):
        last, before = (_last(results["program, error"]) for results in (found, stored))
        return "close" if abs(last - before) <= CLOSE * before + ROUNDING else "differs"
    moved = np.abs(found[what] - stored[what]).sum()
    return "flipped" if beyond.sum() <= FLIPPED and moved <= CLOSE * np.abs(stored[what]).sum() else "differs"


def _last(errors: np.ndarray) -> float:
    return float(errors[~np.isnan(errors)][-1])
