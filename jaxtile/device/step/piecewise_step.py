"""Piecewise linear step."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._types import Scalar, Weight, is_concrete
from ...fields import Field, Reals, array
from ..cells import Cells
from .base import AbstractPulsedDevice

__all__ = ["PiecewiseStep"]


class PiecewiseStep(AbstractPulsedDevice):
    """The step is interpolated between nodes, which lie evenly over the range of each
    device.

        w <- clip(w + step_up   u(w)(1 + dw_min_std xi))      one up pulse, xi standard normal
        w <- clip(w - step_down d(w)(1 + dw_min_std xi))      one down pulse

    where u and d are linear between nodes, whose first is at the device's own lower
    bound and whose last at its upper one. (aihwkit `PiecewiseStepDevice`.) Whole
    numbers of pulses are sent one by one, which is exact (`burst.one_by_one`).

    Attributes:
        piecewise_up, piecewise_down: u and d at the nodes, as many for both; a single
            node is a constant step.

    The other parameters: see `AbstractPulsedDevice`.
    """

    response: ClassVar[tuple[str, ...]] = ()

    piecewise_up: Field[Reals, Float[Array, " node"]] = array((1.0,))
    piecewise_down: Field[Reals, Float[Array, " node"]] = array((1.0,))

    def __check_init__(self) -> None:
        up, down = self.piecewise_up.shape, self.piecewise_down.shape
        if up != down:
            raise ValueError(
                f"PiecewiseStep.piecewise_up has shape {up} and piecewise_down {down}; pass as many nodes for both, such as "
                "[1.5, 1.0, 1.5]."
            )
        nodes = self.piecewise_up
        if is_concrete(nodes) and (middle := np.asarray(nodes)[up[0] // 2]) <= 0:
            raise ValueError(
                f"PiecewiseStep.piecewise_up is {middle:g} at the middle node, whose step is the unit of pulses; pass a "
                "number above 0 there."
            )

    def step(self, cells: Cells, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        scale, at_nodes = (cells.step_up, self.piecewise_up) if up else (cells.step_down, self.piecewise_down)
        size = scale * _interpolate(cells, weight, at_nodes)
        return size, self.dw_min_std * jnp.abs(size)

    def granularity(self) -> Scalar:
        """The mean up step at the node in the middle of the range."""
        return self.dw_min * self.piecewise_up[self.piecewise_up.size // 2]


def _interpolate(cells: Cells, weight: Weight, at_nodes: Float[Array, " node"]) -> Weight:
    sections, span = at_nodes.size - 1, cells.w_max - cells.w_min
    if sections == 0:
        return jnp.broadcast_to(at_nodes[0], weight.shape)
    place = jnp.clip((weight - cells.w_min) / jnp.where(span > 0, span, 1), 0, 1) * sections
    node = jnp.minimum(place.astype(jnp.int32), sections - 1)
    part = place - node.astype(place.dtype)
    return (1 - part) * at_nodes[node] + part * at_nodes[node + 1]
