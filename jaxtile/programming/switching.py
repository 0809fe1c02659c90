"""When one method of a chain hands over to the next."""

import abc
from typing import Generic, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from .._types import Scalar
from ..fields import Checked, Number, number, whole

__all__ = ["AbstractSwitch", "After", "Plateau"]

State = TypeVar("State")


class AbstractSwitch(Checked, Generic[State]):
    """A condition on the steps of one stage. To add one: subclass it and write `init`
    and `__call__`.
    """

    @abc.abstractmethod
    def init(self) -> State:
        """The state before the first step of the stage."""

    @abc.abstractmethod
    def __call__(self, steps: Int[Array, ""], error: Scalar, state: State) -> tuple[Bool[Array, ""], State]:
        """True to hand over, after so many pulse steps of the stage and at this read
        error; nothing more is pulsed then.
        """


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
    """When the read error has stopped falling: it is so many steps ago that it last
    fell below 1 - fall times its low.

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
