"""Silent lines."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._linalg import sparse_factor, sparse_line
from .._numerics import unit_of
from .._types import Scalar, Weight
from .._vectors import UnitVectors
from ..datasheet import Datasheet
from ..fields import Number, number
from .base import AbstractCompensation, D, X, check_pulsed, noise_threshold

__all__ = ["Sparsify"]


class Sparsify(AbstractCompensation):
    """Keep lines silent whose entries are not worth the noise and the half pulses that
    they send.

        minimise |d^T x - d_0^T x_0|^2 + 2 tau |d|_1 |x|_1   for each pair,    tau = caution dw / (2 learning_rate)

    |d_i x_j| learning_rate / dw is how many pulses a cell gets, and their variance is
    as large: with caution 1 the second term is the squared error that they add, but for
    cycle noise. A caution of 1 + c^2 counts its spread c, too, as `RiskSVD` does. It is
    the risk of `RiskSVD`, of the proposal instead of the residual. For a fixed x its
    minimum is a soft threshold, d_i = soft(d_0i x_0.x, tau |x|_1) / |x|^2 with soft(a,
    t) = sign(a) max(|a| - t, 0), and likewise for x: alternating sweeps lower it each
    time. A small entry sends few full pulses, yet half pulses to all cells of its line.
    What is left out of the change is for the next read to find: of use in a closed loop
    only. Pairs that are not worth their noise come out zero. Unit vectors have no small
    entries, and are left as they are together with their d.

    Attributes:
        caution: factor on the noise; 0 sends all.
    """

    caution: Number = number(1.0, low=0.0)

    def check(self, sheet: Datasheet) -> None:
        check_pulsed(self, sheet)

    def __call__(self, x: X, d: D, sheet: Datasheet, weight: Weight, learning_rate: Scalar) -> tuple[X, D]:
        if isinstance(x, UnitVectors):
            return x, d
        of_x, of_d = unit_of(x), unit_of(d)  # products of large or small ones would leave the range of single precision
        x, d = x / of_x, d / of_d
        threshold = noise_threshold(self.caution, sheet, learning_rate).astype(d.dtype) / of_x / of_d

        def sparse(x0: Float[Array, " in"], d0: Float[Array, " out"]) -> tuple[Float[Array, " in"], Float[Array, " out"]]:
            def times(x: Float[Array, " in"]) -> Float[Array, " out"]:
                return d0 * jnp.sum(x0 * x)

            x = sparse_line(times, lambda d: x0 * jnp.sum(d0 * d), x0, threshold)
            return x, sparse_factor(times(x), x, threshold)

        x, d = jax.vmap(sparse)(x, d)
        return of_x * x, of_d * d
