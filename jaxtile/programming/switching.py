"""When one method of a chain hands over to the next."""

import abc
from typing import Generic, Literal, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from .._types import Checked, Scalar, Weight, choice, number, whole

__all__ = ["AbstractSwitch", "After", "OneHotPays", "Plateau"]

State = TypeVar("State")


class AbstractSwitch(Checked, Generic[State]):
    """A condition on the steps of one stage. To add one: subclass it and write `init` and `__call__`."""

    @abc.abstractmethod
    def init(self) -> State:
        """The state before the first step of the stage."""

    @abc.abstractmethod
    def __call__(self, steps: Int[Array, ""], error: Scalar, state: State) -> tuple[Bool[Array, ""], State]:
        """Whether to hand over, after so many pulse steps of the stage and at this read error; nothing more is pulsed if so."""


class After(AbstractSwitch[None]):
    """After so many pulse steps.

    Attributes:
        steps: how many.
    """

    steps: Scalar = number(40.0, low=0.0)

    def init(self) -> None:
        return None

    def __call__(self, steps: Int[Array, ""], error: Scalar, state: None) -> tuple[Bool[Array, ""], None]:
        return steps.astype(float) >= self.steps, None


class _Lowest(eqx.Module):
    error: Scalar
    step: Int[Array, ""]


class Plateau(AbstractSwitch[_Lowest]):
    """When the read error has stopped falling: in the last `steps` steps it was never lower by `fall` than at its last low.

    Attributes:
        steps: how many steps it has.
        fall: by which part of itself the error must fall in them.
    """

    steps: int = whole(10, low=1)
    fall: Scalar = number(0.02, low=0.0, high=1.0)

    def init(self) -> _Lowest:
        return _Lowest(jnp.asarray(jnp.inf, float), jnp.asarray(0, jnp.int32))

    def __call__(self, steps: Int[Array, ""], error: Scalar, state: _Lowest) -> tuple[Bool[Array, ""], _Lowest]:
        fallen = error < (1 - self.fall) * state.error
        low = _Lowest(jnp.where(fallen, error, state.error), jnp.where(fallen, steps, state.step))
        return steps - low.step >= self.steps, low


class OneHotPays(Checked):
    """Whether writing with one-hot vectors corrects more than half-selection undoes, on soft bounds.

    A cell of weight w, x = |w| / w_max, is pulled towards zero by the half pulses of its row and corrected by its own full pulses.
    Let a sweep of one-hot vectors send n_j pulses to cell j of a row. With every phase driven, each of them gives others of its row
    a pair of half pulses, up and down, of which dw 2 x / kappa towards zero is left; with `phases="active"` one half pulse, of
    which dw x / kappa is such a pull. (Its other part, +- dw / kappa for all cells of the row alike, is taken back by the columns
    that are written afterwards.) A full pulse moves its cell by dw (1 - x), less dw a / kappa for the half pulses that come with
    it. A sweep that just makes up for the one before it sends

        (1 - x_j - a / kappa) n_j  =  (a x_j / kappa) sum_k n_k,      a = 2 with all phases, 1 with the active ones

    which has a solution for one kappa only: above it errors shrink from sweep to sweep, whatever their size and that of a step;
    below it weights shrink until it holds for them. For x well below 1 it is

        kappa*  =  a (1 + sum_j x_j / (1 - x_j))          the largest of all rows counts

    Below kappa* a method that sends few pulses a row, such as `RiskSVD`, is to go on.

    Attributes:
        kappa: of the half-selected cells.
        w_max: mean bound of the devices; infinite for steps that do not depend on the weight, which have no pull.
        phases: those of the half-selection.
    """

    kappa: Scalar = number(1e3, low=1.0, finite=False)
    w_max: Scalar = number(0.6, low=0.0, open=True, finite=False)
    phases: Literal["all", "active"] = choice("all", "active")

    def __call__(self, target: Weight) -> Bool[Array, ""]:
        """Whether it does, for columns written one at a time; for rows, pass the transposed target."""
        return self.kappa > self.boundary(target)

    def boundary(self, target: Weight) -> Scalar:
        """kappa* of these weights; infinite where one of them is not within the bounds."""
        part = jnp.abs(target) / self.w_max
        pull = jnp.sum(jnp.where(part < 1, part / (1 - part), jnp.inf), axis=1)
        return (2 if self.phases == "all" else 1) * (1 + jnp.max(pull))
