"""Gates: conditions under which a stage of a chain is worth while."""

import abc
import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from .._types import Scalar, Weight, real_matrix
from ..datasheet import Datasheet
from ..device import AbstractCrosspoint
from ..fields import Checked, OptionalNumber, choice, number, part

__all__ = ["AbstractGate", "OneHotPays"]


class AbstractGate(Checked):
    """A condition on the target and the hardware. To add one: subclass it and write
    `__call__`.
    """

    @abc.abstractmethod
    def __call__(self, target: Weight, sheet: Datasheet) -> Bool[Array, ""]:
        """True where the stage is worth while for a target on this hardware."""


class OneHotPays(AbstractGate):
    """A gate: true if writing with one-hot vectors corrects more than half-selection
    undoes.

    Sweep after sweep, one-hot vectors correct in each cell what half pulses have done
    to it since the last time. Let a sweep send p_j pulses to cell j of a row, up
    positive, P = sum |p_j| and S = sum p_j. At the target a pulse moves a cell by s_up
    or s_down, in units of dw, and with

        pull = (s_down - s_up) / 2,    mean = (s_up + s_down) / 2

    a half pulse moves it by (+- mean - pull) / kappa. Every pulse of a row gives its
    other cells one up and one down, or with `phases="active"` one of its own direction;
    and takes 2 mean / kappa from its own cell. A sweep that exactly undoes the disturb
    of the previous sweep sends p_j pulses. With s_j the step in the direction of p_j,

        (kappa s_j - 2 mean_j) p_j  =  a pull_j P - b mean_j S        a = 2, b = 0 with all phases;  a = b = 1 with the active ones

    and in general a sweep sends, for each pulse of the one before it,

        growth  =  sum_j |a pull_j - b mean_j m| / (kappa s_j - 2 mean_j),      m = S / P from the sum of the equations

    Where the growth of every row is below 1, errors shrink from sweep to sweep,
    whatever their size and that of a step; where it is above 1, weights shrink until it
    is 1. On soft bounds pull = x = w / w_max and s = 1 - |x|: the growth is nearly

        (a / kappa) sum_j |x_j| / (1 - |x_j|)

    but for rows of one sign, which active phases push up as they pull them down. Left
    out are the half pulses of columns that fire for another row alone, max |p| instead
    of a sum over the row. For half-selection of one kappa under V/2.

    Where there is no half-selection it always pays.

    Attributes:
        model: a device with the nominal response of those of the tile; None: as the
            datasheet says.
        kappa: of the half-selected cells; None: as the datasheet says.
        phases: those of the half-selection; None: as the datasheet says, or all of
            them.
    """

    model: AbstractCrosspoint | None = part(
        AbstractCrosspoint, "is not a pulsed device; pass one such as jaxtile.device.SoftBounds()", optional=True
    )
    kappa: OptionalNumber = number(None, low=1.0, finite=False)
    phases: Literal["all", "active"] | None = choice(None, "all", "active")

    def __call__(self, target: Weight, sheet: Datasheet | None = None) -> Bool[Array, ""]:
        """True where it pays, for columns written one at a time; for rows, pass the
        transposed target.

        Args:
            target: the weights wanted.
            sheet: says what the gate was not told; None: it was told enough.

        Raises:
            ValueError: the model or kappa is said by nobody.
        """
        gate, target = self._told(sheet), real_matrix(target, "target")
        if gate.kappa is None:
            what = "no datasheet" if sheet is None else repr(sheet.hardware.half_select)
            raise ValueError(f"OneHotPays.kappa=None, and {what} has no kappa that holds for all half pulses; pass kappa.")
        return (gate._growth(target, gate.kappa) < 1) | jnp.isinf(gate.kappa)

    def boundary(self, target: Weight, sheet: Datasheet | None = None) -> Scalar:
        """kappa*, above which it pays for this target: where the growth is 1, to one
        part in ten thousand.
        """
        gate, target = self._told(sheet), real_matrix(target, "target")

        def halve(_, between: tuple[Scalar, Scalar]) -> tuple[Scalar, Scalar]:
            low, high = between
            middle = jnp.sqrt(low * high)
            pays = gate._growth(target, middle) < 1
            return jnp.where(pays, low, middle), jnp.where(pays, middle, high)

        ends = jnp.asarray(1.0, target.dtype), jnp.asarray(1e9, target.dtype)
        return jax.lax.fori_loop(0, 18, halve, ends)[1]

    def _told(self, sheet: Datasheet | None) -> "OneHotPays":
        """The same gate with the numbers of a datasheet in place of those left at None."""
        if sheet is None:
            return self
        half_select = sheet.hardware.half_select
        said = {"model": sheet.device, "kappa": sheet.kappa, "phases": None if half_select is None else half_select.phases}
        return dataclasses.replace(self, **{name: value for name, value in said.items() if getattr(self, name) is None})

    def _growth(self, target: Weight, kappa: Scalar) -> Scalar:
        """The growth of the row in which it is largest."""
        model = self.model
        if model is None:
            raise ValueError(
                "OneHotPays.model=None, and there is no datasheet to take it from; pass a model such as device.SoftBounds()."
            )
        up, down = (model.nominal_step(target, up=way)[0] / model.granularity() for way in (True, False))
        pull, mean = (down - up) / 2, (down + up) / 2
        held = kappa * jnp.where(pull > 0, up, down) - 2 * mean  # what a pulse is worth
        worth = jnp.where(held > 0, held, 1)
        if self.phases == "active":
            shared = jnp.sum(pull / worth, axis=1) / (1 + jnp.sum(mean / worth, axis=1))
            sent = (pull - mean * shared[:, None]) / worth
        else:
            sent = 2 * pull / worth
        return jnp.max(jnp.sum(jnp.where(held > 0, jnp.abs(sent), jnp.inf), axis=1))
