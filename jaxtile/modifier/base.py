"""Modifiers: weights that training reads see instead of the true ones."""

import abc

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._numerics import divisor, straight_through
from .._random import Draws, Source, arange, as_key, cell_index
from .._types import Key, Scalar, Weight, real_matrix
from ..fields import Checked, OptionalNumber, flag, optional

__all__ = ["AbstractModifier", "rounded"]


class AbstractModifier(Checked):
    """A noisy, coarse or thinned copy of the weights, for training that must get along
    with such weights (aihwkit's names).

    Sizes are in units of A, the largest |W|. A gradient passes straight through to W.
    For a copy of its own for each vector, as aihwkit's `per_batch_sample`, `jax.vmap`
    over keys.

    Attributes:
        assumed_wmax: A, if it is not to be that of the actual weights.
        pdrop: chance of a weight to be read as zero; None: none is.
        copy_last_column: leave the last column, which may hold a bias, as it is.
    """

    assumed_wmax: OptionalNumber = optional(low=0.0, open=True)
    pdrop: OptionalNumber = optional(low=0.0, high=1.0)
    copy_last_column: bool = flag(False)

    @abc.abstractmethod
    def change(self, weight: Weight, largest: Scalar, draws: Draws) -> Weight:
        """The copy, but for dropped weights; `largest` is A."""

    def __call__(self, weight: Weight, *, key: Key) -> Weight:
        """The weights that are read; the key is that of the draw."""
        weight = real_matrix(weight, "weight")
        draws = Draws(as_key(key), cell_index(weight.shape[0], arange(weight.shape[1]), weight.shape[1]))
        new = self.change(weight, self._largest(weight), draws)
        if self.pdrop is not None:
            new = jnp.where(draws.fold(Source.DROP).uniform(weight.dtype) < self.pdrop, 0, new)
        if self.copy_last_column:
            new = new.at[:, -1].set(weight[:, -1])
        return straight_through(weight, new)

    def _largest(self, weight: Weight) -> Scalar:
        if self.assumed_wmax is not None:
            return self.assumed_wmax
        return divisor(jnp.max(jnp.abs(weight[:, :-1] if self.copy_last_column else weight), initial=0.0))


def rounded(value: Float[Array, "out in"], step: Scalar, draws: Draws | None) -> Float[Array, "out in"]:
    """To multiples of `step` (0: as it is), half away from zero; up or down by chance,
    to the right mean, if there are draws.
    """
    scaled = value / divisor(step)
    if draws is not None:
        scaled = scaled + draws.fold(Source.MODIFY_ROUND).uniform(value.dtype) - 0.5
    return jnp.where(step > 0, jnp.sign(scaled) * jnp.floor(jnp.abs(scaled) + 0.5) * step, value)
