"""Rank-one corrections that weigh the noise of their own pulses."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._linalg import leading_triplets, product, sparse_factor, sparse_line, starting_block
from .._numerics import unit_of
from .._types import Key, Scalar, Weight
from ..datasheet import Datasheet
from ..fields import Number, OptionalNumber, number
from .base import AbstractMethod, Proposal
from .svd import BLOCK

__all__ = ["RiskSVD"]


class _State(eqx.Module):
    block: Float[Array, "in block"]
    noise: Scalar  # dw (1 + c^2)


class RiskSVD(AbstractMethod[_State]):
    """The rank-one change that minimises the *expected* squared error, the noise of its
    own pulses included.

    A stochastic train gives a cell about |d_i x_j| / dw coincidences, whose number
    varies as much as it is large (Poisson; less where lines saturate), and each step
    has cycle noise of spread c = dw_min_std. So the variance of a cell's change is dw
    (1 + c^2) |d_i x_j|, and of the residual R = W - T the expected squared error after
    the step is

        E |R - d x^T + noise|^2  =  |R - d x^T|^2 + dw (1 + c^2) |d|_1 |x|_1

    For a fixed x this is a sum over the rows. Each is a parabola in d_i with a kink at
    0, whose minimum is a soft threshold

        d_i = soft((R x)_i, tau |x|_1) / |x|^2,    soft(a, t) = sign(a) max(|a| - t, 0),    tau = caution dw (1 + c^2) / 2

    and likewise for x with d fixed: alternating the two lowers the risk in every half
    sweep. It starts from the leading triplet of R. Entries too small to be worth their
    noise come out zero, so their lines stay silent; and where no triplet is worth its
    noise the proposal is zero: the run stops by itself (stalled). With `caution` 0 it
    is plain `SVD`; above 1, steps are fewer and sparser, which pays when they are many.
    Devices that take no pulses make no noise.

    A cell whose own bound lies inside the target keeps a large residual whatever is
    sent. A few of them make up a leading triplet of their own. A method that follows it
    disturbs all other cells of their lines in vain, again and again. So entries of R
    beyond `outlier` times its root mean square count as that much only.

    Derivatives (with `jt.pulse.MeanField`) take x as given by the residual that there
    is, and follow all else that it depends on, and all of d. A small change early in a
    run can turn about which triplet leads, so that the complete derivative of a long
    run is mostly noise.

    An oracle read, like `SVD`; a step costs one read-out of all weights and pulses as
    one of `SVD`, fewer by what is thresholded.

    Attributes:
        dw_min: mean size of a step of the weight at weight zero; None: as the datasheet
            says.
        dw_min_std: its cycle noise, relative; None: as the datasheet says.
        caution: factor on the threshold.
        outlier: the largest residual that counts, in units of the root mean square of
            all; infinity counts all as they are.
        learning_rate: the part of the change that is made.
    """

    dw_min: OptionalNumber = number(None, low=0.0, open=True, units="weight")
    dw_min_std: OptionalNumber = number(None, low=0.0)
    caution: Number = number(1.0, low=0.0)
    outlier: Number = number(4.0, low=0.0, open=True, finite=False)
    learning_rate: Number = number(1.0, low=0.0, open=True)

    def init(self, sheet: Datasheet, target: Weight) -> _State:
        dw_min = sheet.dw_min if self.dw_min is None else self.dw_min
        spread = sheet.dw_min_std if self.dw_min_std is None else self.dw_min_std
        block = starting_block(sheet.shape[1], min(BLOCK, *sheet.shape), target.dtype)
        return _State(block, dw_min * (1 + spread**2))

    def probe(self, state: _State) -> None:
        return None

    def propose(self, reading: Weight, target: Weight, state: _State, key: Key) -> tuple[Proposal, _State]:
        residual = reading - target
        unit = unit_of(residual)  # of all that follows, whose products would leave the range of single precision
        residual = residual / unit
        rms = jnp.sqrt(jnp.mean(residual**2))
        most = jnp.where(rms > 0, self.outlier * rms, 0).astype(residual.dtype)  # infinitely many times nothing is nothing
        residual = jnp.clip(residual, -most, most)
        # Not followed by derivatives: see the class.
        given = jax.lax.stop_gradient(residual)
        leading, block = leading_triplets(given, state.block)
        threshold = (self.caution * state.noise / 2 / unit).astype(residual.dtype)
        x = sparse_line(partial(product, given), partial(product, given.T), leading.v[0], threshold)
        return (x[None], unit * sparse_factor(product(residual, x), x, threshold)[None]), _State(block, state.noise)
