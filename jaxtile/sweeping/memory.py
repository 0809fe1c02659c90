"""Free memory."""

import math
import pathlib
import re
from typing import Any

import jax

__all__ = ["free_in_groups", "free_memory", "free_on_host"]

# Of control groups, newest version first: what a line of /proc/self/cgroup names, where
# the folders are, and the files in them.
_GROUPS = (("", "", "memory.max", "memory.current"), ("memory", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"))


def free_memory(device: Any) -> int | float:
    """Bytes that are free on a device, infinite where nothing is known."""
    stats = device.memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    return free_on_host() / jax.local_device_count()


def free_on_host() -> int | float:
    """Bytes that are free to this process beside its devices, infinite where nothing is
    known.
    """
    meminfo = pathlib.Path("/proc/meminfo")
    found = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text()) if meminfo.exists() else None
    machine = int(found[1]) * 1024 if found else math.inf
    return min(machine, free_in_groups())


def free_in_groups(own: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> float:
    """Memory that the limits of a container or a batch job (Linux's control groups, of
    both versions) leave to this process.
    """
    if not pathlib.Path(own).exists():
        return math.inf
    free = math.inf
    for line in pathlib.Path(own).read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for named, base, limit, usage in _GROUPS:
            if named in controllers.split(","):
                here = pathlib.Path(path.lstrip("/"))
                for folder in (here, *here.parents):  # a limit of any of them holds; within a container the path leads nowhere
                    free = min(free, _free(pathlib.Path(root, base, folder), limit, usage))
    return free


def _free(folder: pathlib.Path, limit: str, usage: str) -> float:
    try:
        most, used, stat = ((folder / name).read_text() for name in (limit, usage, "memory.stat"))
    except OSError:
        return math.inf
    if most.strip() == "max":
        return math.inf
    cached = re.findall(r"^(?:total_)?inactive_file (\d+)", stat, re.MULTILINE)  # files that the kernel drops when it must
    return float(max(0, int(most) - int(used) + int(cached[-1] if cached else 0)))
