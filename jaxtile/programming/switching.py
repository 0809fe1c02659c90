"""When one method of a chain hands over to the next."""

import abc
from typing import Generic, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from .._types import Checked, Scalar, Weight, number, whole

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

    A sweep of one-hot vectors that corrects errors of mean size e sends e / dw pulses along each row line for each of the N_in
    columns. A cell is half selected by those of all other columns, with every phase driven once up and once down, and such a pair
    pulls it towards zero by 2 dw w / (kappa w_max): the two half steps are dw (1 -+ w / w_max) / kappa. In a sweep that adds up to

        N_in (e / dw) 2 dw w / (kappa w_max)  =  e kappa* / kappa,      kappa* = 2 N_in w_rms / w_max

    so a sweep multiplies the error by about kappa* / kappa whatever its size and that of a step: above kappa* sweeps converge,
    below they do more harm than good, and a method that sends few pulses a row, such as `SVD`, is to go on. With
    `phases="active"` a cell sees one half of each pair only: half the pull, and N_in displacements of size e / kappa whose signs
    are those of the errors; for errors of random sign that is kappa* = hypot(N_in w_rms / w_max, sqrt(N_in)), not much less.

    Attributes:
        kappa: of the half-selected cells.
        w_max: mean bound of the devices.
    """

    kappa: Scalar = number(1e3, low=1.0, finite=False)
    w_max: Scalar = number(0.6, low=0.0, open=True)

    def __call__(self, target: Weight) -> Bool[Array, ""]:
        """Whether it does, at the size of the target's weights."""
        return self.kappa > 2 * target.shape[1] * jnp.sqrt(jnp.mean(target**2)) / self.w_max
