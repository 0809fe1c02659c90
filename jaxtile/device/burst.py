"""Bursts of pulses, and the laws of what many steps of one device sum up to.

Every law is a function of (device, cells, weight, *bursts), see
`AbstractCrosspoint.pulses`. It uses nothing of the device but its `step`, its `clip`
and (`affine`) `mult_noise`. `one_by_one` is exact; the others cost the same for one
pulse as for thousands, but whole numbers in `in_parts`.
"""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Num

from .._random import Draws
from .._types import Scalar, Weight

__all__ = ["Burst", "affine", "constant", "in_parts", "mixed", "one_by_one"]

Pulses = Num[Array, "..."]
Size = Scalar | Weight | float

_FLOW_STEPS = 4
_PARTS = 4


class Burst(eqx.Module):
    """Pulses of one kind, such as the full pulses of a vector or its half pulses.

    Attributes:
        up, down: pulses of each cell in either direction: whole numbers, or fractional
            ones for expected pulses and the many small half pulses. Of whole numbers a
            cell gets one kind only; fractional ones of both kinds are mixed evenly.
        size_up, size_down: step of one pulse relative to a full one, for all cells or
            for each.
        noise: the cycle noise; None leaves it out.
        most: whole numbers are no larger than this. (Static: the smaller, the cheaper
            is their sum.)
    """

    up: Pulses
    down: Pulses
    size_up: Size = 1.0
    size_down: Size = 1.0
    noise: Draws | None = None
    most: int = eqx.field(default=2**31 - 1, static=True)

    def step(self, device, cells, weight: Weight, *, up: bool) -> tuple[Weight, Weight]:
        """Mean and spread of the next step of a pulse of this kind."""
        mean, spread = device.step(cells, weight, up=up)
        size = self.size_up if up else self.size_down
        return size * mean, size * spread

    @property
    def is_whole(self) -> bool:
        """True if the numbers of pulses are whole ones by their type."""
        return not jnp.issubdtype(self.up.dtype, jnp.floating)

    def part(self, n: Int[Array, ""], number: int) -> "Burst":
        """Part n of so many equal ones, with noise of its own."""
        noise = None if self.noise is None else self.noise.fold(n)
        return dataclasses.replace(self, up=self.up / number, down=self.down / number, noise=noise)


def constant(device, cells, weight: Weight, *bursts: Burst) -> Weight:
    """For steps that do not depend on the weight: the sum over all bursts.

        w' = w + up_1 s_up - down_1 s_down + sqrt(up_2 v_up^2 + down_2 v_down^2) xi,     up_p = sum of size_up^p up

    with mean steps s and spreads v of a full pulse, and one standard normal xi, that of
    the first burst: a second normal would cost as much as all the rest. If the other
    bursts are absent or of no size, the result is that of the first burst alone, with
    the same xi. Exact in law while no bound is met; it clips once, at the end.
    """
    up, down, up_2, down_2 = 4 * [jnp.zeros((), weight.dtype)]
    for burst in bursts:
        rises, falls = burst.up.astype(weight.dtype), burst.down.astype(weight.dtype)
        up, down = up + burst.size_up * rises, down + burst.size_down * falls
        up_2, down_2 = up_2 + burst.size_up**2 * rises, down_2 + burst.size_down**2 * falls
    s_up, v_up = device.step(cells, weight, up=True)
    s_down, v_down = device.step(cells, weight, up=False)
    moved, noise = weight + (up * s_up - down * s_down), bursts[0].noise
    if noise is not None:
        moved = moved + jnp.sqrt(up_2 * v_up**2 + down_2 * v_down**2) * noise.normal(weight.dtype)
    return device.clip(cells, moved)


def affine(device, cells, weight: Weight, *bursts: Burst) -> Weight:
    """For steps that are affine in the weight: the geometric sum, one burst after
    another.

    One up pulse multiplies the distance to its fixed point by q_up = 1 + s_up', one
    down pulse by q_down = 1 - s_down'. Here s is the step at the size of the burst's
    pulses, and s' is its slope. Whole numbers of pulses, of one direction for each
    cell, sum up to

        w' = w +- s S_n(q),     S_n(q) = 1 + q + ... + q^(n - 1)

    and the noise of a step decays with the pulses that follow it. Its spread v is
    constant, or (`device.mult_noise`) in proportion to the step, which decays as well:

        variance = v^2 S_n(q^2)     or     n (v q^(n - 1))^2

    Fractional numbers may be of both directions, mixed evenly; the order of single
    pulses is lost. With ell(q) = ln(q) / (q - 1) they are the flow

        Lambda = up ln q_up + down ln q_down,   V = up s_up ell(q_up) - down s_down ell(q_down)
        w' = w + V (e^Lambda - 1) / Lambda

    which for one direction is the same sum, and the variance of the noise is summed
    along it by Simpson's rule. Bounds are clipped once, at the end, as in `constant`. A
    step that is longer than the distance to its fixed point ends there. So the law is a
    rough one for devices that a few steps take across their range.
    """
    for burst in bursts:
        law = _geometric if burst.is_whole else _mixed
        moved, variance = law(device, cells, weight, burst)
        if burst.noise is not None:
            moved = moved + _spread(variance) * burst.noise.normal(weight.dtype)
        weight = device.clip(cells, moved)
    return weight


def mixed(device, cells, weight: Weight, *bursts: Burst) -> Weight:
    """For steps that are affine in the weight, and the pulses of many vectors: the flow
    of `affine`, of all fractional bursts at once,

        Lambda = sum over bursts of up ln q_up + down ln q_down,     V likewise

    with one standard normal, that of the first of them. Full and half pulses of many
    vectors alternate, so neither kind comes first. Whole numbers of pulses are sent before.
    """
    whole, real = _apart(bursts)
    weight = affine(device, cells, weight, *whole)
    if not real:
        return weight
    moved, variance = _mixed(device, cells, weight, *real)
    if real[0].noise is not None:
        moved = moved + _spread(variance) * real[0].noise.normal(weight.dtype)
    return device.clip(cells, moved)


def _apart(bursts: tuple[Burst, ...]) -> tuple[list[Burst], list[Burst]]:
    """Those of whole numbers, and those of fractional ones."""
    return [burst for burst in bursts if burst.is_whole], [burst for burst in bursts if not burst.is_whole]


# A step longer than the distance to its fixed point would overshoot; bounds then hold
# it, so that (almost) nothing is left of it.
_LEAST = -1 + 1e-6
# Steps that grow by more than e to this power meet a bound all the same, and their square
# is finite in single precision.
_MOST_GROWTH = 40.0
_MOST_SUM = 2e17  # e^40


def _with_slope(device, cells, weight: Weight, burst: Burst, *, up: bool) -> tuple[Weight, Weight, Weight]:
    """Mean and spread of a step, and how the mean changes with the weight."""
    step = functools.partial(burst.step, device, cells, up=up)
    (s, v), (slope, _) = jax.jvp(step, (weight,), (jnp.ones_like(weight),))
    return s, v, slope


def _geometric(device, cells, weight: Weight, burst: Burst) -> tuple[Weight, Weight]:
    """Mean and variance after n pulses of one direction."""
    n, rises = burst.up + burst.down, burst.up > 0
    both = (_with_slope(device, cells, weight, burst, up=direction) for direction in (True, False))
    s, v, slope = (jnp.where(rises, *pair) for pair in zip(*both, strict=True))
    sign = jnp.where(rises, 1, -1).astype(weight.dtype)
    to = jnp.maximum(sign * slope, _LEAST)  # q - 1
    but_last = _series(jnp.maximum(n - 1, 0), to, burst.most)
    total = jnp.where(n > 0, 1 + but_last + to * but_last, 0)
    if device.mult_noise:
        variance = n.astype(weight.dtype) * jnp.minimum(v * (1 + to * but_last), _MOST_SUM) ** 2
    else:
        variance = v**2 * _series(n, to * (2 + to), burst.most)
    return weight + sign * s * total, variance


def _series(n: Num[Array, "out in"], to: Weight, most: int) -> Weight:
    """1 + q + ... + q^(n - 1) with q = 1 + to, for whole n.

    By doubling, S_2k = S_k (2 + to S_k) and S_(k + 1) = 1 + S_k + to S_k: products and
    sums, which XLA fuses into one pass, where (q^n - 1) / (q - 1) by logarithm and
    exponential takes six; and without its cancellation.
    """
    total = jnp.zeros_like(to)
    for digit in reversed(range(most.bit_length())):
        total = total * (2 + to * total)
        total = jnp.where((n >> digit) & 1 == 1, 1 + total + to * total, total)
    return jnp.minimum(total, _MOST_SUM)


def _mixed(device, cells, weight: Weight, *bursts: Burst) -> tuple[Weight, Weight]:
    """Mean and variance after real numbers of pulses of both directions, mixed evenly."""

    def sums(*, up: bool) -> tuple[Weight, Weight, Weight]:
        """V, Lambda, and the number of pulses weighted by their variance, of one direction."""
        (s, _), (slope, _) = jax.jvp(functools.partial(device.step, cells, up=up), (weight,), (jnp.ones_like(weight),))
        along = slope if up else -slope
        velocity, total, noisy = 3 * [jnp.zeros((), weight.dtype)]
        for burst in bursts:
            count, size = (burst.up, burst.size_up) if up else (burst.down, burst.size_down)
            count, to = count.astype(weight.dtype), jnp.maximum(size * along, _LEAST)  # q - 1
            log = jnp.log1p(to)
            velocity = velocity + count * (size * _relative(log, to, -0.5))
            total = total + count * log
            noisy = noisy + count * (size / (1 + to)) ** 2
        return s * velocity, total, noisy

    (v_up, log_up, n_up), (v_down, log_down, n_down) = sums(up=True), sums(up=False)
    total, velocity = jnp.minimum(log_up + log_down, _MOST_GROWTH), v_up - v_down
    grown = jnp.expm1(total / 2)  # by halfway; of exponentials of a cell this one is enough
    half = velocity * _relative(grown, total / 2, 0.5) / 2
    halfway, moved, left = weight + half, weight + half * (2 + grown), 1 + grown

    def variance(number: Weight, *, up: bool) -> Weight:
        start, middle, end = (device.step(cells, at, up=up)[1] for at in (weight, halfway, moved))
        return number * ((start * left**2) ** 2 + 4 * (middle * left) ** 2 + end**2) / 6

    return moved, variance(n_up, up=True) + variance(n_down, up=False)


def one_by_one(device, cells, weight: Weight, *bursts: Burst) -> Weight:
    """For any step, one burst after another. Whole numbers of pulses: each with its own
    noise and clip, up before down; exact.

    Fractional numbers of pulses are expected ones, or the many small half pulses of an
    aggregate. They follow the flow dw/dn = up s_up(w) - down s_down(w), by four
    Runge-Kutta steps. The noise of all pulses is added at the end.
    """
    for burst in bursts:
        law = _each if burst.is_whole else _flow
        weight = law(device, cells, weight, burst)
    return weight


def in_parts(device, cells, weight: Weight, *bursts: Burst) -> Weight:
    """For any step, and many pulses of both directions: in four equal parts of all
    bursts, with steps that are affine within each.

    Fractional numbers of pulses may move a weight through all of its range: where the
    Runge-Kutta steps of `one_by_one` would diverge, each part ends where its steps
    vanish. Whole numbers of pulses are sent first, each with its own noise and clip.
    """
    whole, real = _apart(bursts)

    def send(n, weight):
        return mixed(device, cells, weight, *(burst.part(n, _PARTS) for burst in real))

    return jax.lax.fori_loop(0, _PARTS, send, one_by_one(device, cells, weight, *whole))


def _each(device, cells, weight: Weight, burst: Burst) -> Weight:
    up, down, noise = burst.up, burst.down, burst.noise

    def pulse(n, weight):
        s_up, v_up = burst.step(device, cells, weight, up=True)
        s_down, v_down = burst.step(device, cells, weight, up=False)
        xi = 0.0 if noise is None else noise.normal(weight.dtype, n)
        move = jnp.where(n < up, s_up + v_up * xi, -(s_down + v_down * xi))
        return jnp.where(n < up + down, device.clip(cells, weight + move), weight)

    return jax.lax.fori_loop(0, jnp.max(up + down, initial=0), pulse, weight)


def _flow(device, cells, weight: Weight, burst: Burst) -> Weight:
    up, down = burst.up, burst.down

    def velocity(at: Weight) -> Weight:
        return up * burst.step(device, cells, at, up=True)[0] - down * burst.step(device, cells, at, up=False)[0]

    def runge_kutta(_, at: Weight) -> Weight:
        h = 1 / _FLOW_STEPS
        k1 = velocity(at)
        k2 = velocity(at + h / 2 * k1)
        k3 = velocity(at + h / 2 * k2)
        k4 = velocity(at + h * k3)
        return device.clip(cells, at + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))

    moved = jax.lax.fori_loop(0, _FLOW_STEPS, runge_kutta, weight)
    if burst.noise is not None:
        middle = (weight + moved) / 2
        v_up, v_down = (burst.step(device, cells, middle, up=way)[1] for way in (True, False))
        moved = moved + _spread(up * v_up**2 + down * v_down**2) * burst.noise.normal(weight.dtype)
    return device.clip(cells, moved)


def _spread(variance: Weight) -> Weight:
    """The root of a variance, which rounding of expected counts of idle cells (slots
    less those of the lines) takes below zero.
    """
    return jnp.sqrt(jnp.maximum(variance, 0))


def _relative(value: Weight, x: Weight, second: float) -> Weight:
    """A function x + second x^2 + ... of x with this value, over x, also at zero."""
    small = jnp.abs(x) < 1e-4
    return jnp.where(small, 1 + second * x, value / jnp.where(small, 1, x))
