"""Checkpoints: the part of a solution from which another run can go on."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Int, Num, UInt32

from .._random import arange, bits
from .._types import Scalar, Weight
from ..tile import Tally, TileConfig
from .chain import Progress

__all__ = ["Checkpoint", "StageState", "checksum"]


class StageState(eqx.Module):
    """A stage where it stands: the state of its method, and its progress."""

    method: Any
    progress: Progress

    def forget_streak(self, stricter: Bool[Array, ""]) -> "StageState":
        """The same under another tolerance: steps in a row below it are none below a
        stricter one.
        """
        good = self.progress.streaks.good
        return eqx.tree_at(lambda at: at.progress.streaks.good, self, jnp.where(stricter, 0, good))


class Checkpoint(eqx.Module):
    """Where a run has ended, as far as its tile, its stats and its history do not tell.

    Attributes:
        stage: number of the stage that the run is in.
        stages: the stages as they were before the last reading, which a run that goes
            on makes again.
        tally: everything that the run has sent and read.
        before: tally of the tile before the run.
        config: configuration of the tile before the run.
        tolerance: tolerance of the run.
        target: checksum of its target.
        key: its key, in words.
        numbers: the numbers of its stages.
        methods: its methods, by their names and settings.
    """

    # where it stands
    stage: Int[Array, ""]
    stages: tuple[StageState, ...]
    tally: Tally
    # how it began
    before: Tally
    config: TileConfig
    # what it belongs to
    tolerance: Scalar
    target: UInt32[Array, ""]
    key: UInt32[Array, "..."]
    numbers: tuple[Num[Array, "..."], ...]
    methods: tuple[str, ...] = eqx.field(static=True)


def checksum(matrix: Weight) -> UInt32[Array, ""]:
    """A whole number that tells one matrix from another; every program computes the
    same.
    """
    words = jax.lax.bitcast_convert_type(matrix, jnp.uint32).ravel()
    return jnp.sum(bits(jr.key(0), arange(words.size), words), dtype=jnp.uint32)
