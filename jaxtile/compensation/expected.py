"""Model-based correction."""

import dataclasses

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Float

from .._linalg import product, safe_norm
from .._numerics import divisor, safe_sqrt
from .._types import Scalar, Weight
from .._vectors import UnitVectors
from ..datasheet import Datasheet
from ..fields import Number, number, whole
from ..pulse import MeanField
from ..tile import Tile, get_weights, set_weights
from ..updating import update
from .base import AbstractCompensation, D, X, check_pulsed, noise_threshold
from .sparsify import Sparsify

__all__ = ["Expected"]

_PRODUCTS = 10  # with the Jacobian and its transpose in each step: singular values of a rank-one change are nearly alike
_DAMPING = (1e-3, 0.1, 10.0)  # least, first, most; in units of the proposal the Jacobian is of order one


class Expected(AbstractCompensation):
    """Send the x and d whose total effect has the least expected squared error,
    half-selection and the noise of pulses included.

        minimise |E(x, d) / learning_rate + d_0^T x_0|^2 + 2 tau sum_k |d_k|_1 |x_k|_1    over x and d

    where (x_0, d_0) is the proposal, k numbers its pairs and tau = caution dw / (2
    learning_rate), as in `Sparsify`: the second term is the variance of the pulses
    sent. E is what `update` does to a nominal copy of the tile. Its devices have no
    spread, and the weights of the tile, clipped to the nominal bounds. Its counts are
    expected ones (`jt.pulse.MeanField`) of trains as long as the tile's. Its half
    pulses are those of the same model with all of its phases. So it knows the gain,
    what skipped phases leave, and how steps depend on the weight. Errors that no
    proposal of this rank can undo stay, such as most of the pull of soft bounds. So
    does a change beyond the longest train.

    Levenberg-Marquardt steps, each solved by conjugate gradients on the damped normal
    equations, which take products with the Jacobian J and never form it:

        (J^T J + mu) step = -J^T excess,    mu a tenth after a step that lessens the excess, fivefold after one that does not

    The excess is what is off in each cell and, as one more entry, the root of the
    second term. (The gauge, x larger and d smaller, is a null direction of J that the
    damping closes.) The steps start from what `Sparsify` makes of the proposal. Entries
    that are silent there stay so, since |d_i| has no slope at zero. A step that does
    not lessen the sum of squares is not taken. So in the model the vectors sent are
    never worse than that start.

    A controller must know the weights (a read of all of them), the nominal device and
    the half-selection. Refused: devices without pulses or with order="slot", models
    that remember half pulses, and unit vectors, whose x is not there to be solved for.

    Attributes:
        steps: Levenberg-Marquardt steps.
        caution: factor on the noise; 0 asks for the expected change alone.
    """

    steps: int = whole(8, low=1)
    caution: Number = number(1.0, low=0.0)

    def check(self, sheet: Datasheet) -> None:
        check_pulsed(self, sheet)
        half_select = sheet.hardware.half_select
        if half_select is not None and half_select.remembers:
            raise ValueError(f"compensation={self!r} needs half pulses without memory; {half_select!r} remembers them.")
        if sheet.hardware.crosspoint.order == "slot":
            raise ValueError(f"compensation={self!r} expects counts, which have no slots; use a device with order='aggregate'.")

    def __call__(self, x: X, d: D, sheet: Datasheet, weight: Weight, learning_rate: Scalar) -> tuple[X, D]:
        if isinstance(x, UnitVectors):
            raise TypeError(f"compensation={self!r} solves for x, and the method sends UnitVectors; use Gain().")
        copy = _nominal(sheet, weight)
        before = get_weights(copy)
        wanted = -learning_rate * product(d.T, x)
        # In units of the proposal all numbers are of order one, whatever the scale of
        # weights and steps.
        x_size, d_size, size = _size(x), _size(d), _size(wanted)
        risk = 2 * learning_rate**2 * noise_threshold(self.caution, sheet, learning_rate).astype(d.dtype)
        x, d = Sparsify(caution=self.caution)(x, d, sheet, weight, learning_rate)
        assert not isinstance(x, UnitVectors)

        def vectors(shift: Float[Array, "k line"]) -> tuple[Float[Array, "k in"], Float[Array, "k out"]]:
            width = x.shape[1]
            return x + x_size * jnp.where(x != 0, shift[:, :width], 0), d + d_size * jnp.where(d != 0, shift[:, width:], 0)

        def excess(shift: Float[Array, "k line"]) -> Float[Array, " entry"]:
            x, d = vectors(shift)
            after = update(copy, x, d, learning_rate=learning_rate, key=jax.random.key(0))  # which draws nothing
            noise = safe_sqrt(risk * jnp.sum(jnp.sum(jnp.abs(d), axis=1) * jnp.sum(jnp.abs(x), axis=1)))
            return jnp.append(get_weights(after) - before - wanted, noise) / size

        def step(_, state: tuple[Float[Array, "k line"], Scalar]) -> tuple[Float[Array, "k line"], Scalar]:
            shift, damping = state
            left, slopes = jax.linearize(excess, shift)
            transposed = jax.linear_transpose(slopes, shift)
            change, _ = cg(lambda c: transposed(slopes(c))[0] + damping * c, transposed(-left)[0], tol=1e-4, maxiter=_PRODUCTS)
            better = jnp.sum(excess(shift + change) ** 2) < jnp.sum(left**2)
            damping = jnp.clip(damping * jnp.where(better, 0.1, 5), least, most).astype(d.dtype)
            return jnp.where(better, shift + change, shift), damping

        least, first, most = _DAMPING
        start = jnp.zeros_like(jnp.concatenate([x, d], axis=1)), jnp.asarray(first, d.dtype)
        return vectors(jax.lax.fori_loop(0, self.steps, step, start)[0])


def _nominal(sheet: Datasheet, weight: Weight) -> Tile:
    """A tile of these weights whose devices are all nominal and get expected pulses."""
    trains = sheet.hardware.trains
    planned = {name: getattr(trains, name) for name in ("desired_bl", "update_bl_management", "update_management", "um_grad_scale")}
    config = dataclasses.replace(sheet.hardware, pulse=MeanField(**planned))
    return set_weights(Datasheet(config, sheet.shape).tile(), weight)


def _size(values: Float[Array, "..."]) -> Scalar:
    """The norm; 1 of zero."""
    return divisor(safe_norm(values))
