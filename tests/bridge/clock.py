"""aihwkit's random numbers from a seed, though aihwkit takes none.

Each of its C++ tiles draws devices, noise and trains of pulses from generators that it
seeds from `std::chrono::system_clock`, the C library's `rand` among them. Its library calls
that clock through a table of addresses, which the linker has filled: there the tests put
a clock of their own. So they draw the same in every run, and one that fails fails again.
"""

import contextlib
import ctypes
import pathlib
import random

from aihwkit.simulator import rpu_base

__all__ = ["seed"]

_times = random.Random()
_now = ctypes.CFUNCTYPE(ctypes.c_int64)(lambda: _times.getrandbits(31))


def seed(number: int) -> None:
    """Let all tiles of aihwkit draw the same as after any other call with this number."""
    _times.seed(number)
    ctypes.CDLL(None).srand(number)  # a new tile does it again, by the clock


def _replace() -> None:
    """Put `_now` where aihwkit's library holds the address of its clock."""
    library = pathlib.Path(rpu_base.__file__).resolve()
    clock = ctypes.CDLL(str(library))._ZNSt6chrono3_V212system_clock3nowEv
    theirs, ours = (ctypes.cast(function, ctypes.c_void_p).value for function in (clock, _now))
    for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
        span, mode, *_, path = line.split(maxsplit=5)
        if path == str(library) and mode.startswith("rw"):
            start, end = (int(address, 16) for address in span.split("-"))
            words = (ctypes.c_uint64 * ((end - start) // 8)).from_address(start)
            for place in (k for k, word in enumerate(words) if word == theirs):
                words[place] = ours


with contextlib.suppress(AttributeError, OSError):  # off Linux the time of day goes on; `test_clock` fails
    _replace()
