"""Gain correction."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Scalar, is_concrete
from .._vectors import UnitVectors
from ..tile import Tile, TileConfig
from .base import AbstractCompensation

__all__ = ["Gain"]


class Gain(AbstractCompensation):
    """Divide d by the gain that half-selection leaves of an update (for a constant ratio under V/2 it is 1 - 2 / kappa).

    Exact in the mean where that gain is: all phases driven, up and down steps that are equal and do not depend on the weight. It
    restores what an open loop loses (`SVD(refresh=False)`); a closed loop corrects the gain by itself, and only converges faster.

    Refused with `phases="active"`, where the gain is another for each pair of vectors (at kappa 10 between 0.8 and 0.98), with
    models that have no one gain, and where a known kappa of at most 2 leaves no gain; under a trace d is then left as it is.
    """

    def check(self, config: TileConfig) -> None:
        if config.half_select is None:
            return
        if config.half_select.phases != "all":
            raise ValueError(
                f"compensation=Gain() needs phases='all'; {config.half_select!r} has no gain that is the same for all x."
            )
        gain = config.half_select.gain()
        if gain is None:
            raise ValueError(
                f"compensation=Gain() needs a gain that is the same for all vectors and cells; {config.half_select!r} has none."
            )
        if is_concrete(gain) and not gain > 0:
            raise ValueError(f"compensation=Gain() needs a gain above 0; {config.half_select!r} leaves {float(gain):g}.")

    def __call__(
        self, x: Float[Array, "k in"] | UnitVectors, d: Float[Array, "k out"], tile: Tile, learning_rate: Scalar
    ) -> tuple[Float[Array, "k in"] | UnitVectors, Float[Array, "k out"]]:
        half_select = tile.config.half_select
        gain = None if half_select is None else half_select.gain()
        if gain is None:
            return x, d
        return x, d / jnp.where(gain > 0, gain, 1)
