"""Timing side by side: both sides take turns in one process, so that what slows the machine slows both."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

__all__ = ["Side", "measure"]


class Side(NamedTuple):
    """One contender.

    Attributes:
        call: does the work once; what it returns is waited for.
        share: how much of the work one call does (a rival that takes minutes does a part).
    """

    call: Callable[[], object]
    share: float = 1.0


_TURN = 0.1  # seconds: calls are repeated within a turn, or each would find caches and memory swept by the others


def measure(sides: dict[str, Side], *, seconds: float, most: int = 300) -> dict[str, dict[str, float]]:
    """Median time of the whole work in ms, the first call's extra in s, and the most memory a call added in MiB, of each side."""
    first = {name: _timed(side, 1) for name, side in sides.items()}
    memory = {name: _memory(side) for name, side in sides.items()}
    calls = {name: max(1, round(_TURN / _timed(side, 1))) for name, side in sides.items()}
    turns, start = [], time.perf_counter()
    while len(turns) < 5 or (time.perf_counter() - start < seconds and len(turns) < most):
        turns.append({name: _timed(side, calls[name]) for name, side in sides.items()})
    median = {name: float(np.median([turn[name] for turn in turns])) for name in sides}
    return {
        name: {"ms": 1e3 * median[name] / side.share, "first_s": max(0.0, first[name] - median[name]), "mib": memory[name]}
        for name, side in sides.items()
    }


def _timed(side: Side, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        jax.block_until_ready(side.call())
    return (time.perf_counter() - start) / calls


def _memory(side: Side) -> float:
    """How far one call raises the peak of this process (Linux only; elsewhere not a number)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts from what is used now
        before = _status("VmRSS")
        jax.block_until_ready(side.call())
        return max(0.0, _status("VmHWM") - before)
    except OSError:
        return float("nan")


def _status(field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")
