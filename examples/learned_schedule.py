"""Learning how to program: schedules found by the gradient through all of `program`, against schedules set by hand.

`Scheduled` is `RiskSVD` whose gain, caution and outlier change with the part of a budget of pulses that is spent. A schedule set by
hand has one or two numbers for each of them, found by trial; a learned one has two or six, found by the gradient of the error at
the end of the run. All may send the same number of full pulses, and are judged on targets and chips that neither has seen.
"""

# %% Size
import os
import time
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
shape, rank, budget, max_steps = ((6, 8), 2, 40.0, 5) if SMALL else ((48, 64), 6, 90.0, 120)
lanes, others, updates, trials = (2, 3, 2, 4) if SMALL else (16, 128, 80, 720)
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
        return jt.pulse.Counts(mean.x_count + columns, mean.d_count + rows, both, x.sign, d.sign, length, mean.n_slots)


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
NORM = 0.06 * np.sqrt(np.prod(shape))  # largest weights of about 0.25


def program(method, key, pulse, *, rank=rank, kappa=KAPPA, run=0, record=()):
    target_key, chip_key, run_key = jr.split(key, 3)
    target = jt.targets.low_rank(shape, rank, key=target_key)
    target = target * NORM / jnp.linalg.norm(target)
    device = jt.device.SoftBounds(dw_min=DW_MIN, dw_min_std=SPREAD)
    config = jt.TileConfig(device=device, pulse=pulse, half_select=jt.half_select.ConstantRatio(kappa=kappa))
    tile = jt.init(config, shape, key=chip_key)
    run_key = jr.fold_in(run_key, run)
    return jt.program(tile, target, method, key=run_key, max_steps=max_steps, tolerance=0, record=record, throw=False)


def program_all(method, keys, pulse, **settings):
    return jax.vmap(lambda key: program(method, key, pulse, **settings))(keys)


def error(solution):
    return 100 * solution.stats["frobenius_error"] / NORM  # per cent


training, unseen = jr.split(jr.key(1), lanes), jr.split(jr.key(5), others)
trains = jt.pulse.StochasticCompressed(desired_bl=SLOTS)


# %% Schedules set by hand: one number each, or one for either end, found by trial on the training set
RANGES = {"gain": (0.3, 8.0), "caution": (0.3, 100.0), "outlier": (1.5, 20.0), "reach": (0.5, 8.0)}
FAMILIES = {
    "SVD, two ends": {"gain": 2, "reach": 1},
    "RiskSVD, constant": {"gain": 1, "caution": 1, "outlier": 1, "reach": 1},
    "RiskSVD, two ends": {"gain": 2, "caution": 2, "outlier": 2, "reach": 1},
}
if SMALL:
    FAMILIES = {"RiskSVD, two ends": FAMILIES["RiskSVD, two ends"]}


def by_hand(gain, caution=1e-6, outlier=1e3, reach=1e3, *, knots=2):
    """A schedule from one number or two; as it stands, without thresholds and with lines that may be clipped."""
    ends = [jnp.log(jnp.atleast_1d(jnp.asarray(given, float))) for given in (gain, caution, outlier)]
    return Scheduled(*(jnp.linspace(one[0], one[-1], knots) for one in ends), reach=jnp.log(jnp.asarray(reach, float).reshape(())))


def within_ranges(family, u):
    """A schedule of a family, from places in the ranges (of the logarithms)."""
    places = jnp.split(u, np.cumsum([*family.values()]))
    ends = {name: np.log(RANGES[name]) for name in family}
    return by_hand(**{name: jnp.exp(ends[name][0] + np.ptp(ends[name]) * u) for name, u in zip(family, places, strict=False)})


@eqx.filter_jit
def tune(family, key):
    """The best of so many trials, with trains: a quarter of them anywhere, the others near the best so far."""

    def one(best, i):
        place_key, size_key = jr.split(jr.fold_in(key, i))
        size = 0.3 * 0.05 ** jr.uniform(size_key)  # of 0.015 to 0.3 of the ranges
        near = jnp.clip(best[0] + size * jr.normal(place_key, (7,)), 0, 1)
        u = jnp.where(i < trials // 4, jr.uniform(place_key, (7,)), near)
        found = u, jnp.mean(error(program_all(within_ranges(family, u), training, trains)))
        best = jax.tree.map(lambda new, old: jnp.where(found[1] < best[1], new, old), found, best)
        return best, best[1]

    (u, _), errors = jax.lax.scan(one, (jnp.full(7, 0.5), jnp.inf), jnp.arange(trials))
    return within_ranges(family, u), errors


# %% The learned one
@eqx.filter_jit
def learn(method):
    """Adam on the error of the training set, with new noise for each update."""
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(0.1, updates), b1=0.7))

    def loss(method, i):
        return jnp.mean(jnp.log(error(program_all(method, training, NoisyCounts(desired_bl=SLOTS), run=i))))

    def one(carry, i):
        method, state = carry
        value, gradient = jax.value_and_grad(loss)(method, i)
        change, state = optimiser.update(gradient, state)
        return (optax.apply_updates(method, change), state), jnp.exp(value)

    (method, _), errors = jax.lax.scan(one, (method, optimiser.init(method)), jnp.arange(updates))
    return method, errors


# %% Both, on the training set
def timed(of, *arguments):
    """The result, and the seconds of a call without compilation."""
    compiled = of.lower(*arguments).compile()
    start = time.perf_counter()
    return jax.block_until_ready(compiled(*arguments)), time.perf_counter() - start


counts = {"learned": KNOTS} if SMALL else {"learned": KNOTS, "learned, two ends": 2}
starts = {name: by_hand(1.0, 1.0, 4.0, 1.0, knots=count) for name, count in counts.items()}  # RiskSVD's defaults, nothing clipped
learned = {name: timed(learn, start) for name, start in starts.items()}
tuned = {name: timed(tune, family, jr.key(3)) for name, family in FAMILIES.items()}
for name, ((_, errors), seconds) in (learned | tuned).items():
    print(f"{name}: {seconds:.0f} s, from {errors[0]:.2f} to {errors[-1]:.2f} % on the training set", flush=True)
best = min(tuned, key=lambda name: tuned[name][0][1][-1])  # by the training set
schedules = {name: schedule for name, ((schedule, _), _) in (learned | tuned).items()}
schedules |= {"SVD as it is": by_hand(1.0), "RiskSVD as it is": by_hand(1.0, 1.0, 4.0)}

# %% What has not been seen, looked at once: as in learning, and elsewhere
settings = {"as in learning": (KAPPA, rank), "kappa 10": (10.0, rank), "kappa 100": (100.0, rank), "rank 20": (KAPPA, 20)}
if SMALL:
    settings = {"as in learning": (KAPPA, rank)}
look = eqx.filter_jit(program_all)
QUANTITIES = ("frobenius_error", "full_pulses")
found = {
    name: {
        place: look(schedule, unseen, trains, kappa=jnp.asarray(kappa), rank=rank, record=QUANTITIES)
        for place, (kappa, rank) in settings.items()
    }
    for name, schedule in schedules.items()
}


def mean(values, form=".2f"):
    values = np.asarray(values, float)
    return f"{values.mean():{form}} ± {values.std(ddof=1) / np.sqrt(values.size):{form.lstrip('+')}}"


def table(place):
    rows = ["| schedule | error, % | less the learned one's | full pulses | half pulses | steps |", "|---|---|---|---|---|---|"]
    ours = error(found["learned"][place])
    for name in schedules:
        solution = found[name][place]
        stats = (f"{solution.stats[one].mean():.0f}" for one in ("full_pulses", "half_pulses", "steps"))
        less = "" if name == "learned" else mean(error(solution) - ours, "+.2f")
        rows.append(f"| {name} | {mean(error(solution))} | {less} | " + " | ".join(stats) + " |")
    return "\n".join(rows)


for place in settings:
    print(f"{place}\n{table(place)}")

# %% Picture
fig, axes = plt.subplots(1, 4, figsize=(10, 3.1), layout="constrained")
spent = jnp.linspace(0, 1, 101)
for ax, of in zip(axes, ("gain", "caution", "outlier"), strict=False):
    for colour, name in zip(jt.plot.COLOURS, ("learned", best), strict=False):
        ax.plot(100 * spent, at(spent, getattr(schedules[name], of)), color=colour)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("pulses spent (%)")
    ax.set_ylabel(of)
shown = {name: found[name]["as in learning"] for name in ("learned", best, "RiskSVD as it is")}
jt.plot.convergence(shown, quantity="frobenius_error", against="full_pulses", ax=axes[3])
axes[3].get_legend().remove()
fig.legend(*axes[3].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize="small")

# %% Save
if not SMALL:
    fig.savefig(DOCS / "figures/learned_schedule.png", dpi=200)
    page = DOCS / "learned.md"
    head, _, rest = page.read_text().partition("<!-- measured -->")
    tail = rest.partition("<!-- end -->")[2]
    parts = [f"{place.capitalize()}:\n\n{table(place)}" for place in settings]
    page.write_text(head + "<!-- measured -->\n\n" + "\n\n".join(parts) + "\n\n<!-- end -->" + tail)
