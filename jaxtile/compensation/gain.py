"""Gain correction."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._numerics import divisor, unit_of
from .._types import Scalar, Weight, is_concrete
from .._vectors import UnitVectors
from ..datasheet import Datasheet
from ..fields import Number, number
from .base import AbstractCompensation, D, X, noise_threshold

__all__ = ["Gain"]


class Gain(AbstractCompensation):
    """Divide d by the gain that half-selection leaves of an update, as far as that is
    worth the noise of its pulses.

        minimise |(1 - gain g) d^T x|^2 + 2 tau g |d|_1 |x|_1 over g for each pair,    tau = caution dw / (2 learning_rate)

    and send g d, g = max(1 / gain - tau |d|_1 |x|_1 / (gain^2 |d|^2 |x|^2), 0). The
    second term is the variance of the pulses, as in `Sparsify`. For a constant ratio
    under V/2 the gain is 1 - 2 / kappa; there is one where all phases are driven, and
    up and down steps are equal and do not depend on the weight. With caution 0 the
    change is then exact in the mean, which restores what an open loop loses
    (`SVD(refresh=False)`). A closed loop corrects the gain by itself, and to it longer
    steps are mostly longer steps with more noise; with caution 1 pairs are shortened
    the more, the less they are worth. No half-selection is a gain of 1, as kappa
    infinite is.

    It is refused with `phases="active"`, where the gain is another for each pair of
    vectors (at kappa 10 between 0.8 and 0.98). It is refused with models that have no
    one gain, and where a known kappa of at most 2 leaves no gain. Under a trace such a
    gain counts as 1.

    Attributes:
        caution: factor on the noise; 0 divides by the gain.
    """

    caution: Number = number(1.0, low=0.0)

    def check(self, sheet: Datasheet) -> None:
        half_select = sheet.hardware.half_select
        if half_select is None:
            return
        if half_select.phases != "all":
            raise ValueError(f"compensation={self!r} needs phases='all'; {half_select!r} has no gain that is the same for all x.")
        gain = half_select.gain()
        if gain is None:
            raise ValueError(
                f"compensation={self!r} needs a gain that is the same for all vectors and cells; {half_select!r} has none."
            )
        if is_concrete(gain) and not gain > 0:
            raise ValueError(f"compensation={self!r} needs a gain above 0; {half_select!r} leaves {float(gain):g}.")

    def __call__(self, x: X, d: D, sheet: Datasheet, weight: Weight, learning_rate: Scalar) -> tuple[X, D]:
        half_select = sheet.hardware.half_select
        gain = jnp.ones(()) if half_select is None else half_select.gain()
        assert gain is not None, "see `check`"
        gain = divisor(gain).astype(d.dtype)
        spread = _spread(d) if isinstance(x, UnitVectors) else _spread(d) * _spread(x)
        threshold = noise_threshold(self.caution, sheet, learning_rate).astype(d.dtype)
        factor = 1 / gain - threshold * spread / gain**2
        return x, d * jnp.maximum(factor, 0)[:, None]


def _spread(vectors: Float[Array, "k line"]) -> Float[Array, " k"]:
    """|v|_1 / |v|^2 of each vector, 1 of a unit vector; 0 of zero."""
    unit = unit_of(vectors)
    vectors = vectors / unit
    return jnp.sum(jnp.abs(vectors), axis=1) / divisor(jnp.sum(vectors**2, axis=1)) / unit
