"""Conductances that stand for a weight, in one device or in several, and their worth."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._numerics import divisor
from .._types import Scalar, Weight, is_concrete, real_matrix, takes_reals
from ..fields import Checked, Field, Number, Reals, array, number

__all__ = ["AbstractConverter", "Conductances", "CustomPair", "Mapping", "NPair", "SingleDevice"]

Conductances = Float[Array, "device out in"]


class Mapping(eqx.Module):
    """The mapping of the weights of one matrix to conductances.

    Attributes:
        ratio: uS for each unit of weight.
        offset: the weight of devices at `g_min`.
    """

    ratio: Scalar
    offset: Scalar


class AbstractConverter(Checked):
    """Maps a matrix to the range of its devices, and back.

    Attributes:
        g_max, g_min: the range of a device, uS.
    """

    g_max: eqx.AbstractVar[Number]
    g_min: eqx.AbstractVar[Number]

    def __check_init__(self) -> None:
        if is_concrete(self.g_max) and is_concrete(self.g_min) and float(self.g_min) >= float(self.g_max):
            raise ValueError(f"{type(self).__name__}: g_min={float(self.g_min):g} must be below g_max={float(self.g_max):g}.")

    @abc.abstractmethod
    def conductances(self, weight: Weight) -> tuple[Conductances, Mapping]:
        """The conductance that each device is to be programmed to, uS."""

    @abc.abstractmethod
    def weight(self, conductances: Conductances, mapping: Mapping) -> Weight:
        """The weights of devices that were mapped so."""


class NPair(AbstractConverter):
    """Pairs of devices, of which the first takes the weight; each next one only what
    exceeds the range of those before it.

        w k   = sum_n f_n (g_n+ - g_n-),   k = sum_n f_n (g_max - g_min) / max|W|
        g_n+- = clip((max(+-w k, 0) - L_n) / f_n + g_min, g_min, g_max),   L_n = sum_(m < n) f_m (g_max - g_min)

    One of the two devices of a pair is at `g_min`. One factor makes aihwkit's
    `SinglePairConductanceConverter`, two its `DualPairConductanceConverter`.

    Attributes:
        f_lst: significance of each pair, f_n, from the first to be used to the last.
        g_max, g_min: the range of a device, uS.
    """

    f_lst: Field[Reals, Float[Array, " pair"]] = array((1.0,))
    g_max: Number = number(25.0, low=0.0, open=True)
    g_min: Number = number(0.0, low=0.0)

    def __check_init__(self) -> None:
        _check_factors("NPair", self.f_lst)

    def conductances(self, weight: Weight) -> tuple[Conductances, Mapping]:
        weight = real_matrix(weight, "weight")
        spans = self.f_lst * (self.g_max - self.g_min)
        ratio = jnp.sum(spans) / _largest(weight)
        signed = jnp.stack([jnp.maximum(weight * ratio, 0), jnp.maximum(-weight * ratio, 0)])

        def pair(factor: Scalar, below: Scalar) -> Float[Array, "2 out in"]:
            return jnp.clip((signed - below) / factor + self.g_min, self.g_min, self.g_max)

        return jax.vmap(pair)(self.f_lst, jnp.cumsum(spans) - spans).reshape(-1, *weight.shape), _without_offset(ratio)

    @takes_reals
    def weight(self, conductances: Conductances, mapping: Mapping) -> Weight:
        return _of_pairs(self.f_lst, conductances) / mapping.ratio


class CustomPair(AbstractConverter):
    """Pairs of devices whose conductances are any functions of the weight, given by
    lists that are interpolated.

        w k = sum_n f_n (g_n+ - g_n-),   k = max of it over the lists / max|W|

    The entries of a list belong to equal steps of the weight from -max|W| to max|W|.
    (aihwkit's `CustomPairConductanceConverter`.)

    Attributes:
        f_lst: significance of each pair, f_n.
        g_lst: the lists, uS: of g_1+, g_1-, g_2+, ...
        g_max, g_min: the range of a device, uS, to which noise models refer.

    Raises:
        ValueError: the lists do not fit the pairs, or what they are worth is no
            straight line of the weight.
    """

    f_lst: Field[Reals, Float[Array, " pair"]] = array()
    g_lst: Field[Reals, Float[Array, "device point"]] = array(ndim=2)
    g_max: Number = number(25.0, low=0.0, open=True)
    g_min: Number = number(0.0, low=0.0)

    def __check_init__(self) -> None:
        _check_factors("CustomPair", self.f_lst)
        if self.g_lst.shape[0] != 2 * self.f_lst.size or self.g_lst.shape[1] < 2:
            raise ValueError(
                f"CustomPair.g_lst has shape {self.g_lst.shape}; pass two lists, of at least two conductances, for each of the "
                f"{self.f_lst.size} factors."
            )
        if is_concrete(self.f_lst) and is_concrete(self.g_lst):
            f, g = np.asarray(self.f_lst), np.asarray(self.g_lst)
            worth = f @ (g[0::2] - g[1::2])
            line = np.linspace(-1, 1, worth.size) * np.max(np.abs(worth))
            if not np.allclose(worth, line, atol=1e-4 * np.max(np.abs(worth))):
                raise ValueError(
                    f"CustomPair.g_lst: the pairs add up to {np.array2string(worth, precision=4)}, which is no straight line from "
                    f"{line[0]:g} to {line[-1]:g}. Weights would not come back as they were; choose lists that do."
                )

    def conductances(self, weight: Weight) -> tuple[Conductances, Mapping]:
        weight = real_matrix(weight, "weight")
        largest = _largest(weight)
        places = jnp.linspace(-largest, largest, self.g_lst.shape[1])
        worth = jnp.max(jnp.abs(_of_pairs(self.f_lst, self.g_lst)))
        return jax.vmap(lambda g: jnp.interp(weight, places, g))(self.g_lst), _without_offset(worth / largest)

    @takes_reals
    def weight(self, conductances: Conductances, mapping: Mapping) -> Weight:
        return _of_pairs(self.f_lst, conductances) / mapping.ratio


class SingleDevice(AbstractConverter):
    """One device: the smallest weight at `g_min`, the largest at `g_max`.

        g = (w - min W) k + g_min,   k = (g_max - g_min) / (max W - min W)

    (aihwkit's `SingleDeviceConductanceConverter`.)

    Attributes:
        g_max, g_min: the range of a device, uS.
    """

    g_max: Number = number(88.199997, low=0.0, open=True)
    g_min: Number = number(9.0, low=0.0)

    def conductances(self, weight: Weight) -> tuple[Conductances, Mapping]:
        weight = real_matrix(weight, "weight")
        lowest = jnp.min(weight)
        span = jnp.max(weight) - lowest
        ratio = (self.g_max - self.g_min) / divisor(span)
        return ((weight - lowest) * ratio + self.g_min)[None], Mapping(ratio, lowest)

    @takes_reals
    def weight(self, conductances: Conductances, mapping: Mapping) -> Weight:
        return (conductances[0] - self.g_min) / mapping.ratio + mapping.offset


def _of_pairs(factors: Float[Array, " pair"], g: Float[Array, "..."]) -> Float[Array, "..."]:
    difference = g[0::2] - g[1::2]
    return jnp.sum(factors.reshape(-1, *(1,) * (g.ndim - 1)) * difference, axis=0)


def _largest(weight: Weight) -> Scalar:
    """A matrix of zeros may be mapped by any number."""
    return divisor(jnp.max(jnp.abs(weight)))


def _without_offset(ratio: Scalar) -> Mapping:
    return Mapping(ratio, jnp.zeros_like(ratio))


def _check_factors(name: str, factors: Any) -> None:
    if is_concrete(factors) and np.any(np.asarray(factors) <= 0):
        raise ValueError(f"{name}.f_lst={np.asarray(factors).tolist()} must be above 0.")
