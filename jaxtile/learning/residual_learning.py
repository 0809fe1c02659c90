"""Residual learning over several arrays, with a warm start."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from ..fields import Number, flag, number
from ..tile import Tile
from .transfer import Transfer

__all__ = ["ResidualLearning", "has_plateau", "next_stage"]


class ResidualLearning(Transfer):
    """Residual learning: each array learns what the later ones leave of the weight.

        weight = sum of gamma^(n - 1 - k) weight_k
        weight_(k + 1)[line] <- weight_(k + 1)[line] + transfer_lr learning_rate weight_k[line]      every_k vectors apart

    So arrays of few states make one weight of many. Earlier arrays count less and move
    more often: Li et al. have `transfer_every_vec` of 2, 10, 50, ..., 0. (Wu et al.,
    NeurIPS, 2025, Eq. 10 and 11, for two arrays; Li, Wu, Liu, Gokmen and Chen,
    arXiv:2510.02516, AISTATS, 2026, Eq. 6 and 7.)

    With a warm start lines of the first array go to the last one at first, which counts
    most; `next_stage` makes it the one before, and so on. After n - 1 stages each goes
    to the next, as above. The period is that of the first array. (Algorithm 1 of Li et
    al.; `has_plateau` is when they start the next stage.)

    Attributes:
        gamma: see `AbstractTransfer`; above 0.
        warm_start: start with the last array.

    The other parameters: see `AbstractTransfer`.
    """

    gamma: Number = number(0.5, low=0.0, open=True)
    warm_start: bool = flag(True)

    def remember(self, shape: tuple[int, int]) -> Int[Array, ""]:
        """The number of stages of the warm start that are done."""
        return jnp.asarray(0 if self.warm_start else len(self.devices) - 1, jnp.int32)

    @property
    def routes(self) -> tuple[tuple[int, int], ...]:
        n = len(self.devices)
        return (*((0, k) for k in range(n - 1, 1, -1) if self.warm_start), *super().routes)

    def is_open(self, memory: Any, source: int, target: int) -> Bool[Array, ""]:
        n = len(self.devices)
        warm = (memory < n - 1) & (target == n - 1 - memory) if source == 0 else False
        return warm | ((memory >= n - 1) & (target == min(source + 1, n - 1)))


def next_stage(model: Any) -> Any:
    """Start the next stage of a warm start, in a tile or in each tile of a model.

    Args:
        model: a tile, or what holds tiles. Tiles of other algorithms stay as they are.
    """

    def start(tile: Any) -> Any:
        if not (isinstance(tile, Tile) and isinstance(tile.device, ResidualLearning)):
            return tile
        done = jnp.minimum(tile.state.memory + 1, len(tile.device.devices) - 1)
        return tile.with_state(dataclasses.replace(tile.state, memory=done))

    return jax.tree.map(start, model, is_leaf=lambda one: isinstance(one, Tile))


def has_plateau(losses: Sequence[float], stage: int) -> bool:
    """True if the losses of a stage have stopped to fall, one of each epoch.

    Up to the fourth stage they have once the last one is a rise; later, once two of the
    last five are.

    Args:
        losses: since the stage began.
        stage: number of stages that are done.
    """
    rises = [later > earlier for earlier, later in zip(losses, losses[1:], strict=False)]
    return rises[-1:] == [True] if stage <= 3 else len(rises) >= 5 and sum(rises[-5:]) >= 2
