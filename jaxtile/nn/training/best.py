"""Keeping the best model, and stopping when nothing gets better."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PyTree

from ..._types import Scalar
from ...fields import Checked, OptionalNumber, flag, optional

__all__ = ["Best", "Leader"]


class Leader(eqx.Module):
    """The best model so far.

    Attributes:
        value: what made it the best.
        epoch: number of epochs after which it stood.
        model: its numbers.
    """

    value: Scalar
    epoch: Int[Array, ""]
    model: PyTree


class Best(Checked):
    """The rule that keeps the model of the best epoch.

    Attributes:
        of: name of the history that is to be best, such as "accuracy" or "loss".
        highest: the highest value is best; False: the lowest.
        patience: epochs without a better one after which training stops; None: it goes
            on.
    """

    of: str = eqx.field(static=True)
    highest: bool = flag(True)
    patience: OptionalNumber = optional(low=1.0)

    def init(self, model: PyTree) -> Leader:
        """The leader before the first epoch."""
        return Leader(jnp.asarray(-jnp.inf if self.highest else jnp.inf, float), jnp.asarray(0, jnp.int32), model)

    def follow(self, leader: Leader, value: Scalar, epoch: Int[Array, ""], model: PyTree) -> Leader:
        """The best model, one epoch later."""
        better = value > leader.value if self.highest else value < leader.value
        new = Leader(value.astype(leader.value.dtype), epoch, model)
        return jax.tree.map(lambda new, old: jnp.where(better, new, old), new, leader)

    def stops(self, leader: Leader, epoch: Int[Array, ""]) -> Bool[Array, ""] | bool:
        """True when patience has run out."""
        return False if self.patience is None else (epoch - leader.epoch).astype(float) >= self.patience
