"""Gain correction."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import is_concrete
from .._vectors import UnitVectors
from ..tile import TileConfig
from .base import AbstractCompensation

__all__ = ["Gain"]


class Gain(AbstractCompensation):
    """Divide d by the gain that half-selection leaves of an update (for a constant ratio 1 - 2 / kappa).

    Exact in the mean where that gain is: signed x and d, up and down steps that are equal and do not depend on the weight. It
    restores what an open loop loses (`SVD(refresh=False)`); a closed loop corrects the gain by itself, and only converges faster.

    A model that leaves no gain (kappa of at most 2) cannot be compensated this way: with a kappa that is known the call is refused,
    under a trace d is left as it is.
    """

    def check(self, config: TileConfig) -> None:
        gain = None if config.half_select is None else config.half_select.gain()
        if gain is not None and is_concrete(gain) and not gain > 0:
            raise ValueError(f"compensation=Gain() needs a gain above 0; {config.half_select!r} leaves {float(gain):g}.")

    def __call__(
        self, x: Float[Array, "k in"] | UnitVectors, d: Float[Array, "k out"], config: TileConfig
    ) -> tuple[Float[Array, "k in"] | UnitVectors, Float[Array, "k out"]]:
        if config.half_select is None:
            return x, d
        gain = config.half_select.gain()
        return x, d / jnp.where(gain > 0, gain, 1)
