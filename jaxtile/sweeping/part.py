"""`Part`: a share of the blocks of a sweep."""

from typing import Any, TypeVar

from .._types import is_whole

__all__ = ["WHOLE", "Part"]

One = TypeVar("One")


class Part:
    """One of several parts of a sweep, each a job of its own: every n-th block.

    Attributes:
        number: which one, from 1.
        of: how many there are.
    """

    def __init__(self, part: Any):
        pair = isinstance(part, tuple | list) and len(part) == 2 and all(is_whole(one, 1) for one in part)
        if not pair or part[0] > part[1]:
            raise ValueError(f"part={part!r:.80} must be two whole numbers, such as (3, 16): the third of sixteen parts.")
        self.number, self.of = map(int, part)

    def among(self, blocks: list[One]) -> list[One]:
        """Those of all blocks that belong to this part."""
        return blocks[self.number - 1 :: self.of]


WHOLE = Part((1, 1))
