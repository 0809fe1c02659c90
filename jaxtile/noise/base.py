"""The statistics of devices that are written once and then read for a long time. Knows
no tile.

Noise is named by the time at which it is drawn. *Programming noise* is drawn with each
write, together with the drift coefficient of each device. *Read noise* (the 1/f noise
that has piled up, and relaxation) is drawn each time that time is let pass.
Conductances are in uS, times in seconds.
"""

import abc
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._random import Draws, Source
from .._types import Scalar
from ..fields import Checked, flag, part
from .converter import AbstractConverter, NPair

__all__ = ["AbstractNoiseModel", "converter", "standard_normal"]

Conductance = Float[Array, "*devices"]


def converter(default: Callable[[], AbstractConverter]) -> Any:
    """Declare the converter of a noise model."""
    return part(AbstractConverter, "is no converter; pass one of jaxtile.noise, such as NPair()", default=default)


class AbstractNoiseModel(Checked):
    """A law of what a conductance becomes that is asked for. All methods work device by
    device.

    Attributes:
        converter: how weights become conductances, and the range of those.
        aihwkit_compatible: repeat what aihwkit's code does where that is not what it
            means, see `docs/explanation/differences.md`.
    """

    converter: AbstractConverter = converter(NPair)
    aihwkit_compatible: bool = flag(False)

    @abc.abstractmethod
    def program(self, target: Conductance, draws: Draws | None) -> Conductance:
        """Conductances right after a write; without draws they have no programming
        noise.
        """

    def drift_coefficient(self, target: Conductance, draws: Draws | None) -> Conductance | None:
        """The drift coefficient of each device, from write to write; without draws its
        mean. None: it has none of its own.
        """
        return None

    @abc.abstractmethod
    def age(
        self, target: Conductance, programmed: Conductance, coefficient: Conductance | None, time: Scalar, draws: Draws
    ) -> Conductance:
        """Conductances a `time` after the write, with the read noise of then."""


def standard_normal(draws: Draws | None, source: Source, like: Conductance) -> Conductance:
    """One for each device; without draws zero."""
    return jnp.zeros_like(like) if draws is None else draws.fold(source).normal(like.dtype)
