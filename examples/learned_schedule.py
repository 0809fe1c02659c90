"""Learning how to program: schedules found by the gradient through all of `program`, against schedules set by hand.

`Scheduled` is `RiskSVD` whose gain, caution and outlier change with the part of a budget of pulses that is spent. A schedule set by
hand has one or two numbers for each of them, found by trial; the learned one has six, found by the gradient of the error at the end
of the run. All may send the same number of full pulses, and are judged on targets and chips that neither has seen.
"""

# %% Size
import os
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
import optax
from jaxtyping import Array, Float

import jaxtile as jt

SMALL = bool(os.environ.get("JAXTILE_SMALL"))  # as in the tests
shape, rank, budget, max_steps = ((6, 8), 2, 5.0, 6) if SMALL else ((48, 64), 6, 120.0, 120)
lanes, others, updates, trials = (2, 3, 2, 4) if SMALL else (16, 64, 60, 240)
KNOTS, KAPPA, DW_MIN, SPREAD, SLOTS = 6, 30.0, 1e-3, 0.3, 31
DOCS = Path(__file__).parents[1] / "docs"


# %% Pulses whose noise has a gradient
class NoisyCounts(jt.pulse.MeanField):
    """Expected counts, plus normal noise with the variances and covariances of random trains and of the steps from cycle to cycle.

    A line of probability p sends n = BL p + sqrt(BL p (1 - p)) xi pulses, and a cell of lines p and q, whose other line sends m,

        K = BL p q + q (n - BL p) + p (m - BL q) + sqrt(BL p q ((1 - p) (1 - q) + c^2)) xi

    Each xi is a standard normal that does not depend on what is differentiated. In the plain mean field pulses cost nothing.
    """

    def send(self, x, d, length, key):
        mean = super().send(x, d, length, key)
        p, q = jnp.minimum(d.p, 1), jnp.minimum(x.p, 1)

        def noise(tag, variance):
            floor = jnp.maximum(variance, 1e-4)  # a root has no slope at zero
            return jnp.sqrt(floor) * jr.normal(jr.fold_in(key, tag), variance.shape, variance.dtype)

        rows, columns = noise(0, length * p * (1 - p)), noise(1, length * q * (1 - q))
        own = noise(2, mean.coincidence * ((1 - p)[:, None] * (1 - q)[None, :] + SPREAD**2))
        both = mean.coincidence + rows[:, None] * q[None, :] + p[:, None] * columns[None, :] + own
        return jt.pulse.Counts(mean.x_count + columns, mean.d_count + rows, both, x.sign, d.sign, length)


# %% A method whose numbers change with what is spent
class Spending(eqx.Module):
    inner: eqx.Module
    spent: Float[Array, ""]  # expected full pulses per cell


class Scheduled(jt.programming.AbstractMethod):
    """`RiskSVD` with schedules: the logarithms of their values at evenly spaced parts of the budget, straight lines between.

    Attributes:
        gain: factor on what `RiskSVD` proposes.
        caution, outlier: see there.
        reach: logarithm of the most pulses that a step may ask of a cell, in trains; 0: no line is clipped.
    """

    gain: Float[Array, " knot"]
    caution: Float[Array, " knot"]
    outlier: Float[Array, " knot"]
    reach: Float[Array, ""]

    @property
    def learning_rate(self):
        return jnp.ones(())

    def init(self, shape, target):
        return Spending(jt.RiskSVD().init(shape, target), jnp.zeros(()))

    def probe(self, state):
        return None

    def propose(self, reading, target, state, key):
        part = state.spent / budget
        gain, caution, outlier = (at(part, knots) for knots in (self.gain, self.caution, self.outlier))
        method = jt.RiskSVD(dw_min=DW_MIN, dw_min_std=SPREAD, caution=caution, outlier=outlier)
        (x, d), inner = method.propose(reading, target, state.inner, key)
        strongest = gain * jnp.max(jnp.abs(x)) * jnp.max(jnp.abs(d)) / DW_MIN
        d = d * gain * jnp.minimum(1, jnp.exp(self.reach) * SLOTS / jnp.maximum(strongest, 1e-6))
        asked, left = expected_pulses(x[0], d[0]), budget - state.spent
        sent = jnp.where(left > 1e-3 * budget, jnp.minimum(1, left / jnp.maximum(asked, 1e-6)), 0)
        return (x, sent * d), Spending(inner, state.spent + sent * asked)


def at(part, knots):
    return jnp.exp(jnp.interp(part, jnp.linspace(0, 1, knots.size), knots))


def expected_pulses(x, d):
    """Full pulses per cell that trains of these vectors send on average."""
    numbers = {"learning_rate": jnp.ones(()), "granularity": jnp.asarray(DW_MIN), "key": None, "columns": jnp.arange(x.size)}
    return jt.pulse.MeanField().encode(x, d, **numbers).total() / (x.size * d.size)


# %% Programming: a target and a chip for each key
def program(method, key, pulse, *, rank=rank, kappa=KAPPA, run=0):
    target_key, chip_key, run_key = jr.split(key, 3)
    target = jt.targets.low_rank(shape, rank, key=target_key)
    target = target * 0.06 / jnp.sqrt(jnp.mean(target**2))  # largest weights of about 0.25
    device = jt.device.SoftBounds(dw_min=DW_MIN, dw_min_std=SPREAD)
    config = jt.TileConfig(device=device, pulse=pulse, half_select=jt.half_select.ConstantRatio(kappa=kappa))
    tile = jt.init(config, shape, key=chip_key)
    run_key = jr.fold_in(run_key, run)
    sol = jt.program(tile, target, method, key=run_key, max_steps=max_steps, tolerance=0, record=(), throw=False)
    return sol.stats | {"error": 100 * sol.stats["frobenius_error"] / jnp.linalg.norm(target)}  # per cent


def on_all(method, keys, pulse, **settings):
    return jax.vmap(lambda key: program(method, key, pulse, **settings))(keys)


training, unseen = jr.split(jr.key(1), lanes), jr.split(jr.key(2), others)
trains = jt.pulse.StochasticCompressed(desired_bl=SLOTS)


# %% Schedules set by hand, and their numbers by trial
RANGES = {"gain": (0.3, 4.0), "caution": (0.3, 12.0), "outlier": (1.5, 20.0), "reach": (0.5, 8.0)}


def by_hand(reach, *, gain, caution=None, outlier=None, linear=False):
    """A schedule from one or both of its ends, given as places in the ranges (of the logarithms)."""

    def knots(name, ends, absent=None):
        if ends is None:
            return jnp.full(KNOTS, np.log(absent))
        low, high = np.log(RANGES[name])
        first, last = (low + (high - low) * end for end in (ends[0], ends[-1]))
        between = jnp.linspace(0, 1, KNOTS)
        return jnp.log((1 - between) * jnp.exp(first) + between * jnp.exp(last)) if linear else (1 - between) * first + between * last

    return Scheduled(knots("gain", gain), knots("caution", caution, 1e-6), knots("outlier", outlier, 1e3), knots("reach", [reach])[0])


FAMILIES = {
    "SVD, constant gain": lambda u: by_hand(u[0], gain=u[1:2]),
    "SVD, linear gain": lambda u: by_hand(u[0], gain=u[1:3], linear=True),
    "SVD, exponential gain": lambda u: by_hand(u[0], gain=u[1:3]),
    "RiskSVD, constant": lambda u: by_hand(u[0], gain=u[1:2], caution=u[3:4], outlier=u[5:6]),
    "RiskSVD, exponential": lambda u: by_hand(u[0], gain=u[1:3], caution=u[3:5], outlier=u[5:7]),
}


@eqx.filter_jit
def tune(family, key):
    """The best of so many trials on the training set: half of them anywhere, half near the best so far."""

    def one(best, i):
        anywhere, near = jr.uniform(jr.fold_in(key, i), (7,)), 0.1 * jr.normal(jr.fold_in(key, i), (7,))
        u = jnp.where(i < trials // 2, anywhere, jnp.clip(best[0] + near, 0, 1))
        error = jnp.mean(on_all(family(u), training, trains)["error"])
        best = jax.tree.map(lambda new, old: jnp.where(error < best[1], new, old), (u, error), best)
        return best, best[1]

    (u, _), errors = jax.lax.scan(one, (jnp.zeros(7), jnp.inf), jnp.arange(trials))
    return family(u), errors


# %% The learned one, from the defaults of RiskSVD on
@eqx.filter_jit
def learn(method):
    """Adam on the mean error of the training set, with new noise for each update."""
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(0.15, updates)))

    def loss(method, i):
        return jnp.mean(jnp.log(on_all(method, training, NoisyCounts(desired_bl=SLOTS), run=i)["error"]))

    def one(carry, i):
        method, state = carry
        error, gradient = jax.value_and_grad(loss)(method, i)
        change, state = optimiser.update(gradient, state)
        return (optax.apply_updates(method, change), state), error

    (method, _), errors = jax.lax.scan(one, (method, optimiser.init(method)), jnp.arange(updates))
    return method, jnp.exp(errors)
