"""Maximum likelihood for independent normal errors whose size depends on the parameters
too.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._types import Interval, Scalar

__all__ = ["Coordinates", "Maximum", "from_line", "maximise", "to_line"]

Coordinates = Float[Array, " parameter"]
Errors = Float[Array, " n"]

_SETTLED = 1e-4  # squared distance to the maximum, in standard errors, at which the search ends
_HOPELESS = 1e8  # damping at which no step can be made


class Maximum(NamedTuple):
    """Where the search stands.

    Attributes:
        at: the parameters.
        loss: minus the logarithm of the likelihood there.
        gradient: of the loss.
        information: Fisher's.
        residuals: the errors over their expected spreads.
        settled: whether the search is over.
    """

    at: Coordinates
    loss: Scalar
    gradient: Coordinates
    information: Float[Array, "parameter parameter"]
    residuals: Errors
    settled: Bool[Array, ""]

    def standard_error(self, slope: Coordinates) -> Scalar:
        """The standard error of a quantity with this derivative by the parameters, by
        the inverse of the information.
        """
        direction = slope / _scale(self.information)
        return jnp.sqrt(direction @ jnp.linalg.inv(_normed(self.information)) @ direction)


def maximise(
    model: Callable[[Coordinates], tuple[Errors, Errors]],
    start: Coordinates,
    free: Bool[Array, " parameter"],
    *,
    size: int,
    max_steps: int,
) -> Maximum:
    """Maximise the likelihood of `size` errors e of variance S, both functions of the
    parameters, of which only the free ones move.

        loss        = sum (e^2 / S + log S) / 2
        gradient    = sum e e' / S + (1 - e^2 / S) S' / 2 S
        information = sum e' e'^T / S + S' S'^T / 2 S^2         (Fisher's, for normal e)

    by Newton steps with the information for the second derivative (Fisher scoring),
    damped in proportion to its diagonal as by Levenberg and Marquardt. With S fixed it
    is their least squares. No parameter moves by more than 1 at once, a fair share of
    any on the line of `to_line`: a spread that has been sent to (almost) zero does not
    come back.
    """

    def both(at: Coordinates):
        error, variance = model(at)
        return (error, variance), (error, variance)

    def evaluate(at: Coordinates) -> Maximum:
        (d_error, d_variance), (error, variance) = jax.jacfwd(both, has_aux=True)(at)
        squared, relative = error**2 / variance, d_variance / variance[:, None]
        return Maximum(
            at,
            loss=jnp.sum(squared + jnp.log(variance)) / 2,
            gradient=jnp.where(free, (error / variance) @ d_error + (1 - squared) @ relative / 2, 0),
            information=jnp.where(
                free[:, None] & free[None, :], (d_error / variance[:, None]).T @ d_error + relative.T @ relative / 2, 0
            ),
            residuals=error / jnp.sqrt(variance),
            settled=jnp.asarray(False),
        )

    def step(state):
        point, damping, steps = state
        scale = _scale(point.information)
        damped = _normed(point.information) + damping * jnp.eye(scale.size, dtype=scale.dtype)
        move = -jnp.linalg.solve(damped, point.gradient / scale)
        left = -move @ (point.gradient / scale)  # the squared distance to the maximum, in standard errors
        move = move / scale
        new = evaluate(point.at + move / jnp.maximum(1, jnp.max(jnp.abs(move))))
        rounding = 1e-6 * jnp.abs(point.loss)
        better = jnp.isfinite(new.loss) & jnp.isfinite(new.information).all() & (new.loss <= point.loss + rounding)
        # A noise that is not there goes to zero for ever, at no gain.
        idle = (left < _SETTLED) | (new.loss > point.loss - rounding)
        settled = better & jnp.isfinite(point.loss) & (damping < 0.1) & idle
        point = jax.tree.map(lambda new, old: jnp.where(better, new, old), new, point)
        return point._replace(settled=settled), jnp.where(better, damping / 10, damping * 5), steps + 1

    def unsettled(state):
        point, damping, steps = state
        return ~point.settled & (damping < _HOPELESS) & (steps < max_steps)

    # The first step stays where it is, so that what evaluates a point is compiled once.
    nowhere = jnp.asarray(jnp.inf, start.dtype)
    nothing = jnp.eye(start.size, dtype=start.dtype), jnp.zeros(size, start.dtype), jnp.asarray(False)
    first = Maximum(start, nowhere, jnp.zeros_like(start), *nothing), jnp.asarray(1e-2, start.dtype), jnp.asarray(-1, jnp.int32)
    return jax.lax.while_loop(unsettled, step, first)[0]


def _scale(information):
    """The inverse of what each parameter is known to on its own; 1 where nothing is
    known of it.
    """
    diagonal = jnp.diagonal(information)
    return jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1))


def _normed(information):
    """The information in units of its diagonal, which is solvable in single precision
    whatever the units of the parameters.
    """
    scale = _scale(information)
    return information / scale[:, None] / scale[None, :] + 1e-7 * jnp.eye(scale.size, dtype=scale.dtype)


def to_line(domain: Interval, value: Scalar, start: Scalar) -> Scalar:
    """Map an interval smoothly onto the real line, with `start` at a distance of the
    order of 1 from where it matters.
    """
    if math.isinf(domain.low) and math.isinf(domain.high):
        return value / _unit(start)
    if math.isinf(domain.low):
        return jnp.log(domain.high - value)
    if math.isinf(domain.high):
        return jnp.log(value - domain.low)
    return jax.scipy.special.logit((value - domain.low) / (domain.high - domain.low))


def from_line(domain: Interval, place: Scalar, start: Scalar) -> Scalar:
    """The inverse of `to_line`."""
    if math.isinf(domain.low) and math.isinf(domain.high):
        return place * _unit(start)
    if math.isinf(domain.low):
        return domain.high - jnp.exp(place)
    if math.isinf(domain.high):
        return domain.low + jnp.exp(place)
    return domain.low + (domain.high - domain.low) * jax.nn.sigmoid(place)


def _unit(start: Scalar) -> Scalar:
    return jnp.where(start == 0, 1, jnp.abs(start))
