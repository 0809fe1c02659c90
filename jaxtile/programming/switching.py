"""When one method of a chain hands over to the next."""

import abc
from typing import Generic, Literal, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from .._types import Scalar, Weight
from ..device import AbstractPulsedDevice, SoftBounds
from ..fields import Checked, Number, choice, number, part, whole

__all__ = ["AbstractSwitch", "After", "OneHotPays", "Plateau"]

State = TypeVar("State")


class AbstractSwitch(Checked, Generic[State]):
    """A condition on the steps of one stage. To add one: subclass it and write `init` and `__call__`."""

    @abc.abstractmethod
    def init(self) -> State:
        """The state before the first step of the stage."""

    @abc.abstractmethod
    def __call__(self, steps: Int[Array, ""], error: Scalar, state: State) -> tuple[Bool[Array, ""], State]:
        """True to hand over, after so many pulse steps of the stage and at this read error; nothing more is pulsed then."""


class After(AbstractSwitch[None]):
    """After so many pulse steps.

    Attributes:
        steps: how many.
    """

    steps: Number = number(40.0, low=0.0, kw_only=False)

    def init(self) -> None:
        return None

    def __call__(self, steps: Int[Array, ""], error: Scalar, state: None) -> tuple[Bool[Array, ""], None]:
        return steps.astype(float) >= self.steps, None


class _Lowest(eqx.Module):
    error: Scalar
    step: Int[Array, ""]


class Plateau(AbstractSwitch[_Lowest]):
    """When the read error has stopped falling: it is so many steps ago that it last fell below 1 - fall times its low.

    Attributes:
        steps: how many steps it has for that.
        fall: by which part of itself the error must fall in them.
    """

    steps: int = whole(10, low=1)
    fall: Number = number(0.02, low=0.0, high=1.0)

    def init(self) -> _Lowest:
        return _Lowest(jnp.asarray(jnp.inf, float), jnp.asarray(0, jnp.int32))

    def __call__(self, steps: Int[Array, ""], error: Scalar, state: _Lowest) -> tuple[Bool[Array, ""], _Lowest]:
        fallen = error < (1 - self.fall) * state.error
        low = _Lowest(jnp.where(fallen, error, state.error), jnp.where(fallen, steps, state.step))
        return steps - low.step >= self.steps, low


class OneHotPays(Checked):
    """A gate: true if writing with one-hot vectors corrects more than half-selection undoes.

    Sweep after sweep, one-hot vectors correct in each cell what half pulses have done to it since the last time. Let a sweep send
    p_j pulses to cell j of a row, up positive, P = sum |p_j| and S = sum p_j. At the target a pulse moves a cell by s_up or s_down,
    in units of dw, and with

        pull = (s_down - s_up) / 2,    mean = (s_up + s_down) / 2

    a half pulse moves it by (+- mean - pull) / kappa. Every pulse of a row gives its other cells one up and one down, or with
    `phases="active"` one of its own direction; and takes 2 mean / kappa from its own cell. So a sweep that just makes up for the
    one before it sends, with the step s_j of the direction of p_j,

        (kappa s_j - 2 mean_j) p_j  =  a pull_j P - b mean_j S        a = 2, b = 0 with all phases;  a = b = 1 with the active ones

    and in general a sweep sends, for each pulse of the one before it,

        growth  =  sum_j |a pull_j - b mean_j m| / (kappa s_j - 2 mean_j),      m = S / P from the sum of the equations

    Where the growth of every row is below 1, errors shrink from sweep to sweep, whatever their size and that of a step; where it is
    above 1, weights shrink until it is 1. On soft bounds pull = x = w / w_max and s = 1 - |x|: the growth is nearly

        (a / kappa) sum_j |x_j| / (1 - |x_j|)

    but for rows of one sign, which active phases push up as they pull them down. Left out are the half pulses of columns that fire
    for another row alone, max |p| instead of a sum over the row. For half-selection of one kappa under V/2.

    Attributes:
        model: a nominal device, with the mean response of those of the tile.
        kappa: of the half-selected cells.
        phases: those of the half-selection.
    """

    model: AbstractPulsedDevice = part(
        AbstractPulsedDevice, "is not one pulsed device; pass one such as jaxtile.device.SoftBounds()", default=SoftBounds
    )
    kappa: Number = number(1e3, low=1.0, finite=False)
    phases: Literal["all", "active"] = choice("all", "active")

    def __call__(self, target: Weight) -> Bool[Array, ""]:
        """True if it does, for columns written one at a time; for rows, pass the transposed target."""
        return self._growth(target, self.kappa) < 1

    def boundary(self, target: Weight) -> Scalar:
        """kappa*, above which it does for this target: where the growth is 1, to one part in ten thousand."""

        def halve(_, between: tuple[Scalar, Scalar]) -> tuple[Scalar, Scalar]:
            low, high = between
            middle = jnp.sqrt(low * high)
            pays = self._growth(target, middle) < 1
            return jnp.where(pays, low, middle), jnp.where(pays, middle, high)

        ends = jnp.asarray(1.0, target.dtype), jnp.asarray(1e9, target.dtype)
        return jax.lax.fori_loop(0, 18, halve, ends)[1]

    def _growth(self, target: Weight, kappa: Scalar) -> Scalar:
        """The growth of the row in which it is largest."""
        cells = self.model.fabricate(target.shape, key=None)
        weight = self.model.clip(cells, target)
        up, down = (self.model.step(cells, weight, up=way)[0] / self.model.dw_min for way in (True, False))
        pull, mean = (down - up) / 2, (down + up) / 2
        held = kappa * jnp.where(pull > 0, up, down) - 2 * mean  # what a pulse is worth
        worth = jnp.where(held > 0, held, 1)
        if self.phases == "all":
            sent = 2 * pull / worth
        else:
            shared = jnp.sum(pull / worth, axis=1) / (1 + jnp.sum(mean / worth, axis=1))
            sent = (pull - mean * shared[:, None]) / worth
        return jnp.max(jnp.sum(jnp.where(held > 0, jnp.abs(sent), jnp.inf), axis=1))
