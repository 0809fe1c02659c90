"""Devices that are known by their statistics."""

from typing import ClassVar, NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._random import Draws, Source, arange
from .._types import Key, Scalar, Weight, Weights
from ..fields import part
from ..noise import PCM, AbstractNoiseModel, Mapping
from .base import AbstractDevice
from .ideal import NoCells

__all__ = ["Programmed", "Statistical"]

Conductances = Float[Array, "device out in"]


class Programmed(eqx.Module):
    """The state of statistical devices.

    Attributes:
        weight: the weight that is read.
        target: conductances that were asked for, uS.
        conductances: conductances that the write left, uS.
        coefficient: drift coefficient of each device, until it is written again; None:
            devices have none of their own.
        mapping: the weight that conductances stand for.
        age: time since the write, s.
    """

    weight: Weight
    target: Conductances
    conductances: Conductances
    coefficient: Conductances | None
    mapping: Mapping
    age: Scalar


class Statistical(AbstractDevice):
    """Devices that are written once, by whatever means, and then read: a noise model
    says how they come out and what time does.

    `jt.set_weights` with a key writes them with programming noise, without a key as
    asked for; `jt.drift` counts time in seconds, and draws their read noise. They are
    not pulsed, and there is no update of them.

    Attributes:
        noise_model: one of `jaxtile.noise`.
    """

    takes_pulses: ClassVar[bool] = False

    noise_model: AbstractNoiseModel = part(
        AbstractNoiseModel, "is no noise model; pass one of jaxtile.noise, such as PCM()", default=PCM, kw_only=False
    )

    def fabricate(self, shape: tuple[int, int], *, key: Key | None) -> NoCells:
        return NoCells()

    def start(self, shape: tuple[int, int]) -> Programmed:
        return self._written(jnp.zeros(shape, float), None)

    def weight(self, state: Programmed) -> Weights:
        return state.weight

    def target(self, state: Programmed) -> Weight:
        """The weights that were asked for."""
        return self.noise_model.converter.weight(state.target, state.mapping)

    def write(self, cells: NoCells, state: Programmed, weight: Weight, *, noise: Draws | None = None) -> Programmed:
        return self._written(weight, noise)

    def add(self, cells: NoCells, state: Programmed, change: Weight, *, noise: Draws | None = None) -> NoReturn:
        raise TypeError("Statistical devices are not updated: train others, then call jaxtile.apply_programming_noise.")

    def clip(self, cells: NoCells, weight: Weight) -> Weight:
        return weight

    def bounds(self) -> None:
        return None

    @property
    def drifts(self) -> bool:
        return True

    @eqx.filter_jit
    def drift(self, cells: NoCells, state: Programmed, time: Scalar, noise: Draws) -> Programmed:
        model, age = self.noise_model, state.age + time
        programmed, mapping = state.conductances, state.mapping
        if model.aihwkit_compatible:
            programmed, mapping = model.converter.conductances(model.converter.weight(programmed, mapping))

        def later(draws, target, programmed, coefficient):
            return model.age(target, programmed, coefficient, age, draws)

        conductances = _each(later, noise, state.target, programmed, state.coefficient)
        weight = model.converter.weight(conductances, mapping)
        return Programmed(weight, state.target, state.conductances, state.coefficient, state.mapping, age)

    @eqx.filter_jit
    def _written(self, weight: Weight, noise: Draws | None) -> Programmed:
        model = self.noise_model
        target, mapping = model.converter.conductances(weight)
        conductances, coefficient = _each(lambda d, g: (model.program(g, d), model.drift_coefficient(g, d)), noise, target)
        weight = model.converter.weight(conductances, mapping)
        return Programmed(weight, target, conductances, coefficient, mapping, jnp.zeros((), weight.dtype))


def _each(law, noise: Draws | None, *arrays):
    """The law for each device of a unit cell, which has draws of its own."""

    def one(k, *arrays):
        return law(None if noise is None else noise.fold(Source.PART).fold(k), *arrays)

    return jax.vmap(one)(arange(arrays[0].shape[0]), *arrays)
