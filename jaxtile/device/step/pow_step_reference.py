"""Power-law step with a reference."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ..._types import Key, Weight
from ...fields import whole
from .pow_step import AbstractPowDevice, PowCells
from .reference import AbstractReferenceDevice

__all__ = ["PowStepReference"]

_HALVINGS = 60  # of the range: more than any precision resolves


class PowReferenceCells(PowCells):
    """Adds the reference that a weight is counted from."""

    reference: Weight


class PowStepReference(AbstractPowDevice, AbstractReferenceDevice):
    """The power-law step of a conductance v, of which a reference is subtracted: w = v
    - reference.

        v <- clip(v + step_up   ((v_max - v) / (v_max - v_min))^gamma_up   (1 + dw_min_std xi))    one up pulse, xi standard normal
        v <- clip(v - step_down ((v - v_min) / (v_max - v_min))^gamma_down (1 + dw_min_std xi))    one down pulse

    with each device's own bounds v_min and v_max, and exponents. (aihwkit
    `PowStepReferenceDevice`.)

    Attributes:
        n_estimation_steps: how many pairs of noiseless pulses from v = 0 find the
            symmetry point; -1: find it exactly. (For aihwkit -1 is ten times the pulses
            that the range holds, but 10000 at most, which small steps leave short of
            it.)

    The other parameters: see `AbstractPowDevice`, `AbstractReferenceDevice` and
    `AbstractPulsedDevice`.
    """

    n_estimation_steps: int = whole(-1, low=-1)

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> PowReferenceCells:
        cells = super().fabricate(shape, key=key)
        symmetry_point = self._symmetry_point(cells) if self.subtract_symmetry_point else None
        return PowReferenceCells(**self.referred(cells, shape, symmetry_point, key=key))

    def _symmetry_point(self, cells: PowCells) -> Weight:
        def excess(v: Weight) -> Weight:
            return self.step(cells, v, up=True)[0] - self.step(cells, v, up=False)[0]

        def halve(_, ends: tuple[Weight, Weight]) -> tuple[Weight, Weight]:
            middle = (ends[0] + ends[1]) / 2
            below = excess(middle) > 0
            return jnp.where(below, middle, ends[0]), jnp.where(below, ends[1], middle)

        if self.n_estimation_steps > 0:
            point = jax.lax.fori_loop(0, self.n_estimation_steps, lambda _, v: v + excess(v), jnp.zeros_like(cells.w_max))
        else:
            ends = jax.lax.stop_gradient((cells.w_min, cells.w_max))
            point = jax.lax.stop_gradient(jax.lax.fori_loop(0, _HALVINGS, halve, ends)[0])
            point = _with_slope(excess, point)
        return jnp.where((cells.w_max > 0) & (cells.w_min < 0), point, 0)


def _with_slope(excess: Callable[[Weight], Weight], root: Weight) -> Weight:
    """A root, with the derivatives that those of the function give it, which halving
    has not.
    """
    here, steepness = jax.jvp(excess, (root,), (jnp.ones_like(root),))
    correction = here / jax.lax.stop_gradient(jnp.where(steepness == 0, 1, steepness))
    return root - (correction - jax.lax.stop_gradient(correction))
