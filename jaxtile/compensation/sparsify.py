"""Silent lines."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Scalar, number
from .._vectors import UnitVectors
from ..device import AbstractCrosspoint
from ..tile import Tile, TileConfig
from .base import AbstractCompensation

__all__ = ["Sparsify"]

_SWEEPS = 10


class Sparsify(AbstractCompensation):
    """Keep lines silent whose entries are not worth the noise and the half pulses that they send.

        minimise |d^T x - d_0^T x_0|^2 + 2 tau |d|_1 |x|_1   for each pair,    tau = caution dw / (2 learning_rate)

    |d_i x_j| learning_rate / dw is how many pulses a cell gets, and their variance is as large: with caution 1 the second term is
    the squared error that they add. It is the risk of `RiskSVD`, of the proposal instead of the residual. For a fixed x its minimum
    is a soft threshold, d_i = soft(d_0i x_0.x, tau |x|_1) / |x|^2 with soft(a, t) = sign(a) max(|a| - t, 0), and likewise for x:
    alternating sweeps lower it each time. A small entry sends few full pulses, yet half pulses to all cells of its line. What
    is left out of the change is for the next read to find: of use in a closed loop only. Pairs that are not worth
    their noise come out zero. Unit vectors have no small entries, and are left as they are together with their d.

    Attributes:
        caution: factor on the threshold; 0 sends all.
    """

    caution: Scalar = number(1.0, low=0.0)

    def check(self, config: TileConfig) -> None:
        if not config.is_pulsed:
            raise ValueError(
                f"compensation={self!r} needs pulses; device={config.device!r} with pulse={config.pulse!r} sends none."
            )

    def __call__(
        self, x: Float[Array, "k in"] | UnitVectors, d: Float[Array, "k out"], tile: Tile, learning_rate: Scalar
    ) -> tuple[Float[Array, "k in"] | UnitVectors, Float[Array, "k out"]]:
        if isinstance(x, UnitVectors):
            return x, d
        assert isinstance(tile.device, AbstractCrosspoint)
        threshold = (self.caution * tile.device.granularity() / (2 * learning_rate)).astype(d.dtype)

        def best(proposed: Float[Array, " a"], size: Scalar, other: Float[Array, " b"]) -> Float[Array, " a"]:
            """One factor, given the other; `size` is the product of the other with what was proposed for it."""
            square = jnp.sum(other**2)
            kept = jnp.maximum(jnp.abs(proposed * size) - threshold * jnp.sum(jnp.abs(other)), 0)
            return jnp.sign(proposed * size) * kept / jnp.where(square > 0, square, 1)

        def sparse(x0: Float[Array, " in"], d0: Float[Array, " out"]) -> tuple[Float[Array, " in"], Float[Array, " out"]]:
            def rows(x: Float[Array, " in"]) -> Float[Array, " out"]:
                return best(d0, jnp.sum(x0 * x), x)

            def sweep(_, x: Float[Array, " in"]) -> Float[Array, " in"]:
                d = rows(x)
                return best(x0, jnp.sum(d0 * d), d)

            x = jax.lax.fori_loop(0, _SWEEPS, sweep, x0)
            return x, rows(x)

        return jax.vmap(sparse)(x, d)
