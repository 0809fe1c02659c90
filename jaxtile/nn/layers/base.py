"""The contract of what stands for a layer of equinox, and the way back to it."""

import abc
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

__all__ = ["AbstractConverted", "to_digital"]


class AbstractConverted(eqx.Module):
    """A layer with matrices on tiles that has its like in equinox."""

    @abc.abstractmethod
    def to_digital(self) -> Any:
        """The layer of equinox with the weights that the tiles hold now."""


def to_digital(model: PyTree) -> PyTree:
    """The model with layers of equinox in the place of those on tiles: their weights are
    those that the tiles hold now, and what only hardware has is left out.
    """
    return jax.tree.map(lambda node: node.to_digital() if _is_converted(node) else node, model, is_leaf=_is_converted)


def _is_converted(node: Any) -> bool:
    return isinstance(node, AbstractConverted)
