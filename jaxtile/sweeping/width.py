"""How many tiles a block has."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax

from .layout import block_of
from .memory import free_memory
from .one_by_one import keeps_checkpoints
from .running import Program, Work
from .threads import side_by_side

__all__ = ["compile_at_a_width"]

_WIDEST = 256  # tiles: wider blocks gain nothing more on a CPU, and make tiles that have stopped wait longer for the rest
_CELLS = 2**20  # of a block on a CPU: of large tiles, a few take as long as many small ones
_BLOCKS = 8  # of each kind, at least, so that the first lands early ...
_FEW = 64  # ... unless they would be narrower
_SHARE = 0.25  # of the free memory, because two calls are under way at a time


def compile_at_a_width(
    work: Work, check: Callable[[dict[int, Program]], None], points: int, given: int | None
) -> tuple[dict[int, Program], dict[str, int]]:
    """Compile every subject, at the given width or at the widest one that leaves enough of
    the free memory to all of them.

    Args:
        work: what is run.
        check: refuses programs, before they are compiled.
        points: of each kind, for one part or worker.
        given: the width that a user asks for, if any.

    Returns:
        The programs, and the shape of a block.

    Raises:
        ValueError: the given width does not fit into memory.
    """
    free = min(free_memory(device) for device in jax.local_devices())
    width = _default_width(work, points) if given is None else given
    while True:
        block = block_of(work.grid.sizes, width)
        width = math.prod(block.values()) if given is None else given
        made = {group: work.compile(group, width, jax.local_devices()) for group in range(len(work.subjects))}
        check(made)
        most = max(side_by_side([blocks.compile for blocks in made.values()]))
        if given is not None and most > free:
            raise ValueError(
                f"width={width} takes {most / 2**30:.3g} GiB on each device, and {free / 2**30:.3g} GiB are free; pass fewer, or "
                "None for as many as fit."
            )
        if most <= _SHARE * free or width == 1 or given is not None:
            return made, block
        width = max(1, min(width - 1, int(_SHARE * width * free / most)))


def _default_width(work: Work, points: int) -> int:
    """Few enough tiles for the first block to land early, and for each device to have
    some.
    """
    most, few = _WIDEST, _FEW
    if any(keeps_checkpoints(subject.run) for subject in work.subjects):
        return 1
    if work.targets is None:  # whose functions may take long
        few = 1
    elif jax.default_backend() == "cpu":
        most = max(1, _CELLS // math.prod(work.targets.shape[1:]))
    return min(_WIDEST, most, max(few, -(-points // _BLOCKS)), -(-points // jax.device_count()))
