"""Learning how to program: schedules found by gradient through the whole programming loop, against schedules set by hand.

`Scheduled` is `RiskSVD` whose gain, caution and outlier change with the part of a budget of pulses that is spent. A schedule set by
hand has two ends; the learned one has six knots for each of the three, found by the gradient of the error at the end of the run. All
runs may send the same number of full pulses. What is learned and tuned, is so on some targets and chips, and judged on others.
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
shape, rank, budget, max_steps = ((6, 8), 2, 5.0, 6) if SMALL else ((48, 64), 6, 60.0, 100)
lanes, others, updates, trials = (2, 2, 2, 4) if SMALL else (16, 64, 60, 240)
KNOTS, KAPPA, DW_MIN, SPREAD, SLOTS = 6, 30.0, 1e-3, 0.3, 31
DOCS = Path(__file__).parents[1] / "docs"


# %% Pulses whose noise has a gradient
class NoisyCounts(jt.pulse.MeanField):
    """Expected counts, plus normal noise with the variances and covariances of random trains, and the cycle noise of the steps.

    A line of probability p sends n = BL p + sqrt(BL p (1 - p)) xi pulses, and a cell of the lines p and q sees

        K = BL p q + q (n - BL p) + p (m - BL q) + sqrt(BL p q ((1 - p)(1 - q) + c^2)) xi

    of which the first two noises are shared along lines, as those of trains are. Each xi is drawn once and does not depend on what
    is differentiated. Mean-field programming alone would not know that pulses are noisy, and would learn to send ever more.
    """

    def send(self, x, d, length, key):
        mean = super().send(x, d, length, key)
        p, q = jnp.minimum(d.p, 1), jnp.minimum(x.p, 1)

        def noise(tag, variance):  # a root has no slope at zero
            return jnp.sqrt(jnp.maximum(variance, 1e-4)) * jr.normal(jr.fold_in(key, tag), variance.shape, variance.dtype)

        rows, columns = noise(0, length * p * (1 - p)), noise(1, length * q * (1 - q))
        own = noise(2, mean.coincidence * ((1 - p)[:, None] * (1 - q)[None, :] + SPREAD**2))
        both = mean.coincidence + rows[:, None] * q[None, :] + p[:, None] * columns[None, :] + own
        return jt.pulse.Counts(mean.x_count + columns, mean.d_count + rows, both, x.sign, d.sign, length)


# %% A method whose numbers change with what is spent
class Spending(eqx.Module):
    inner: eqx.Module
    spent: Float[Array, ""]  # expected full pulses per cell


class Scheduled(jt.programming.AbstractMethod):
    """`RiskSVD` with schedules, each given by the logarithms of its values at evenly spaced parts of the budget.

    Attributes:
        gain: factor on what `RiskSVD` proposes.
        caution, outlier: see there.
        reach: the most pulses that a step may ask of a cell, in trains; at 1 no line is clipped.
    """

    gain: Float[Array, " knot"]
    caution: Float[Array, " knot"]
    outlier: Float[Array, " knot"]
    reach: Float[Array, ""]
    learning_rate: Float[Array, ""] = eqx.field(default=1.0, converter=jnp.asarray)

    def init(self, shape, target):
        return Spending(jt.RiskSVD().init(shape, target), jnp.zeros(()))

    def probe(self, state):
        return None

    def propose(self, reading, target, state, key):
        gain, caution, outlier = (self.at(state.spent, name) for name in ("gain", "caution", "outlier"))
        method = jt.RiskSVD(dw_min=DW_MIN, dw_min_std=SPREAD, caution=caution, outlier=outlier)
        (x, d), inner = method.propose(reading, target, state.inner, key)
        strongest = gain * jnp.max(jnp.abs(x)) * jnp.max(jnp.abs(d)) / DW_MIN
        d = d * gain * jnp.minimum(1, jnp.exp(self.reach) * SLOTS / jnp.maximum(strongest, 1e-6))
        left, asked = budget - state.spent, expected_pulses(x[0], d[0])
        part = jnp.where(left > 1e-3 * budget, jnp.minimum(1, left / jnp.maximum(asked, 1e-6)), 0)
        return (x, d * part), Spending(inner, state.spent + part * asked)

    def at(self, spent, name):
        """The value of a schedule there."""
        return jnp.exp(jnp.interp(spent / budget, jnp.linspace(0, 1, KNOTS), getattr(self, name)))


def expected_pulses(x, d):
    """Full pulses per cell that trains of these vectors send on average."""
    where = {"key": None, "columns": jnp.arange(x.size)}
    return jt.pulse.MeanField().encode(x, d, learning_rate=jnp.ones(()), granularity=jnp.asarray(DW_MIN), **where).total() / (x.size * d.size)


# %% One target on one chip
def program(method, key, pulse):
    target_key, chip_key, run_key = jr.split(key, 3)
    target = jt.targets.low_rank(shape, rank, key=target_key)
    target = 0.25 * target / jnp.max(jnp.abs(target))
    device = jt.device.SoftBounds(dw_min=DW_MIN, dw_min_std=SPREAD)
    tile = jt.init(jt.TileConfig(device=device, pulse=pulse, half_select=jt.half_select.ConstantRatio(kappa=KAPPA)), shape, key=chip_key)
    sol = jt.program(tile, target, method, key=run_key, max_steps=max_steps, tolerance=0, record=(), throw=False)
    return sol.stats | {"error": sol.stats["frobenius_error"] / jnp.linalg.norm(target)}
