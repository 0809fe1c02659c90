"""Laws for a burst of pulses: what many steps of one device sum up to.

Every law is a function of (device, cells, weight, up, down, size, noise), see `AbstractPulsedDevice.pulses`, and uses nothing of
the device but its `step` and its `clip`. `one_by_one` is exact; the others cost the same for one pulse as for thousands.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Num

from .._random import Draws
from .._types import Scalar, Weight

__all__ = ["affine", "constant", "one_by_one"]

Pulses = Num[Array, "out in"]

_FLOW_STEPS = 4


def constant(device, cells, weight: Weight, up: Pulses, down: Pulses, size: Scalar | float, noise: Draws | None) -> Weight:
    """For steps that do not depend on the weight: the sum.

        w' = w + size (up s_up - down s_down) + size sqrt(up v_up^2 + down v_down^2) xi

    with mean steps s, their spreads v and one standard normal xi. Exact in law while no bound is met within the burst; it clips
    once, at the end.
    """
    up, down = up.astype(weight.dtype), down.astype(weight.dtype)
    s_up, v_up = device.step(cells, weight, up=True)
    s_down, v_down = device.step(cells, weight, up=False)
    moved = weight + size * (up * s_up - down * s_down)
    if noise is not None:
        moved = moved + size * jnp.sqrt(up * v_up**2 + down * v_down**2) * noise.normal(weight.dtype)
    return device.clip(cells, moved)


def affine(device, cells, weight: Weight, up: Pulses, down: Pulses, size: Scalar | float, noise: Draws | None) -> Weight:
    """For steps that are affine in the weight: the geometric sum.

    One up pulse multiplies the distance to its fixed point by q_up = 1 + size s_up', one down pulse by q_down = 1 - size s_down'
    (s' is the slope of the step). With ell(q) = ln(q) / (q - 1), the burst is the flow

        Lambda = up ln q_up + down ln q_down,   V = size (up s_up ell(q_up) - down s_down ell(q_down))
        w' = w + V (e^Lambda - 1) / Lambda

    which for pulses of one direction is exactly their geometric sum, for any real number of them. If both directions occur they
    are mixed evenly; the order of single pulses is lost. The noise of a step decays with the pulses that follow it. Its variance is
    a geometric sum, too, for one direction; for both, or for steps that hardly change, it is summed along the flow by Simpson's
    rule. Bounds are clipped once, at the end, as in `constant`, and a step that is longer than the distance to its fixed point
    ends there: of devices that a few steps take across their range the law is a rough one.
    """
    up, down = up.astype(weight.dtype), down.astype(weight.dtype)

    def both(at: Weight) -> tuple[tuple[Weight, Weight], tuple[Weight, Weight]]:
        return device.step(cells, at, up=True), device.step(cells, at, up=False)

    ((s_up, v_up), (s_down, v_down)), ((ds_up, dv_up), (ds_down, dv_down)) = jax.jvp(both, (weight,), (jnp.ones_like(weight),))
    # A step longer than the distance to its fixed point would overshoot; bounds then hold it, so the factor ends at (almost) zero.
    to_up, to_down = (jnp.maximum(change, -1 + 1e-6) for change in (size * ds_up, -size * ds_down))
    total = up * jnp.log1p(to_up) + down * jnp.log1p(to_down)
    velocity = size * (up * s_up * _relative_log1p(to_up) - down * s_down * _relative_log1p(to_down))

    moved = weight + velocity * _relative_expm1(total)
    if noise is not None:
        halfway = weight + velocity / 2 * _relative_expm1(total / 2)
        (_, m_up), (_, m_down) = both(halfway)
        (_, e_up), (_, e_down) = both(moved)
        half_left, left = jnp.exp(total / 2), jnp.exp(total)
        var_up = up * ((v_up * left) ** 2 + 4 * (m_up * half_left) ** 2 + e_up**2) / (6 * (1 + to_up) ** 2)
        var_down = down * ((v_down * left) ** 2 + 4 * (m_down * half_left) ** 2 + e_down**2) / (6 * (1 + to_down) ** 2)
        var_up = jnp.where(down == 0, _geometric_variance(up, to_up, v_up, dv_up, s_up, ds_up, var_up), var_up)
        var_down = jnp.where(up == 0, _geometric_variance(down, to_down, v_down, dv_down, s_down, ds_down, var_down), var_down)
        moved = moved + size * jnp.sqrt(var_up + var_down) * noise.normal(weight.dtype)
    return device.clip(cells, moved)


def _geometric_variance(n: Weight, to: Weight, v: Weight, dv: Weight, s: Weight, ds: Weight, otherwise: Weight) -> Weight:
    """Variance of n pulses of one direction, of which each leaves q = 1 + to of what was before; `otherwise` if q is nearly 1.

    The spread before pulse k is a + b q^k, a being that at the fixed point, and n - 1 - k pulses follow it.
    """
    changes = jnp.abs(to) > 1e-3
    to, slope = jnp.where(changes, to, -0.5), jnp.where(changes, ds, 1)
    log_q = jnp.log1p(to)
    b = dv * s / slope
    a, left = v - b, jnp.exp(jnp.maximum(n - 1, 0) * log_q)
    ones, squares = jnp.expm1(n * log_q) / to, jnp.expm1(2 * n * log_q) / (to * (2 + to))
    return jnp.where(changes, a**2 * squares + 2 * a * b * left * ones + n * (b * left) ** 2, otherwise)


def one_by_one(device, cells, weight: Weight, up: Pulses, down: Pulses, size: Scalar | float, noise: Draws | None) -> Weight:
    """For any step. Whole numbers of pulses: one after another, each with its own noise and clip, up before down; exact.

    Fractional numbers of pulses (expected ones, or the many small half pulses of an aggregate): the flow
    dw/dn = size (up s_up(w) - down s_down(w)), by four Runge-Kutta steps, with the noise of all pulses added at the end.
    """
    if jnp.issubdtype(up.dtype, jnp.floating):
        return _flow(device, cells, weight, up, down, size, noise)

    def pulse(n, weight):
        s_up, v_up = device.step(cells, weight, up=True)
        s_down, v_down = device.step(cells, weight, up=False)
        xi = 0.0 if noise is None else noise.normal(weight.dtype, n)
        move = jnp.where(n < up, s_up + v_up * xi, -(s_down + v_down * xi))
        return jnp.where(n < up + down, device.clip(cells, weight + size * move), weight)

    return jax.lax.fori_loop(0, jnp.max(up + down, initial=0), pulse, weight)


def _flow(device, cells, weight, up, down, size, noise):
    def velocity(at: Weight) -> Weight:
        return size * (up * device.step(cells, at, up=True)[0] - down * device.step(cells, at, up=False)[0])

    def runge_kutta(_, at: Weight) -> Weight:
        h = 1 / _FLOW_STEPS
        k1 = velocity(at)
        k2 = velocity(at + h / 2 * k1)
        k3 = velocity(at + h / 2 * k2)
        k4 = velocity(at + h * k3)
        return device.clip(cells, at + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))

    moved = jax.lax.fori_loop(0, _FLOW_STEPS, runge_kutta, weight)
    if noise is not None:
        middle = (weight + moved) / 2
        v_up, v_down = device.step(cells, middle, up=True)[1], device.step(cells, middle, up=False)[1]
        moved = moved + size * jnp.sqrt(up * v_up**2 + down * v_down**2) * noise.normal(weight.dtype)
    return device.clip(cells, moved)


def _relative_log1p(x):
    """log(1 + x) / x, and 1 at zero."""
    small = jnp.abs(x) < 1e-4
    safe = jnp.where(small, 1, x)
    return jnp.where(small, 1 - x / 2, jnp.log1p(safe) / safe)


def _relative_expm1(x):
    """(e^x - 1) / x, and 1 at zero."""
    small = jnp.abs(x) < 1e-4
    safe = jnp.where(small, 1, x)
    return jnp.where(small, 1 + x / 2, jnp.expm1(safe) / safe)
