"""The contract of a programming method.

A method never touches a tile. It knows the datasheet of the hardware, and says what it
wants read. From the reading and the target it proposes a pair of vectors or a batch of
them. `program` does the reading, the compensation and the pulsing. To add one: subclass
`AbstractMethod` and write `init`, `probe` and `propose`.
"""

import abc
import dataclasses
from typing import Any, Generic, TypeVar

import equinox as eqx
from jaxtyping import Array, Float

from .._types import Key, Real, Weight
from ..datasheet import Datasheet
from ..fields import Checked, Number
from .inputs import Inputs
from .reading import Probe

__all__ = ["AbstractMethod", "Proposal"]

State = TypeVar("State")
Proposal = tuple[Inputs, Float[Array, "k out"]]


class AbstractMethod(Checked, Generic[State]):
    """A programming method.

    Attributes:
        learning_rate: with which its proposals are executed.
    """

    learning_rate: eqx.AbstractVar[Number]

    @abc.abstractmethod
    def init(self, sheet: Datasheet, target: Weight) -> State:
        """The state before the first step.

        It holds whatever `propose` needs to know of the hardware: the numbers that the
        method was given, and those of the sheet in place of numbers left at None.

        Args:
            sheet: says what the hardware is; `sheet.shape` is (out, in).
            target: the weights wanted, [out, in].
        """

    @abc.abstractmethod
    def probe(self, state: State) -> Probe:
        """The inputs whose outputs it wants to see, `Reads` in both directions, or None
        for the weights themselves.
        """

    @abc.abstractmethod
    def propose(self, reading: Any, target: Weight, state: State, key: Key) -> tuple[Proposal, State]:
        """Propose x [k, in] and d [k, out], so that `W - learning_rate d^T x` comes
        nearer to the target.

        Args:
            reading: the outputs [k, out] for its inputs, what `Reads` asked for, or the
                weights [out, in].
            target: the weights wanted, [out, in].
            state: its own.
            key: of this step.
        """

    def steps_in_pass(self, shape: tuple[int, int]) -> int:
        """Number of steps that look at the whole tile once: that many in a row decide
        that it is done.
        """
        return 1

    def for_gamma(self, gamma: Real) -> "AbstractMethod":
        """The same method for a device of which each step counts gamma times as much in
        the weight; see `residual`.

        The learning rate is divided by gamma. Numbers that it was given in units of
        weight, such as the size of a step, are multiplied; those of the datasheet count
        gamma already.
        """
        given = (field.name for field in dataclasses.fields(self) if field.metadata.get("units") == "weight")
        steps = {name: value * gamma for name in given if (value := getattr(self, name)) is not None}
        return dataclasses.replace(self, learning_rate=self.learning_rate / gamma, **steps)
