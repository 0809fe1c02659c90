"""Learning how to program: schedules found by the gradient through all of `program`, against schedules set by hand.

`Scheduled` is `RiskSVD` whose gain, caution and outlier change with the part of a budget of pulses that is spent. A schedule set by
hand has one or two numbers for each of them, found by trial; a learned one has six, found by the gradient of the error at the end
of the run. All may send the same number of full pulses, and are judged on targets and chips that neither has seen. All of it twice:
where half-selection matters (kappa 30), and where it matters most (kappa 10).
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
lanes, others, updates, trials = (2, 3, 2, 4) if SMALL else (16, 128, 80, 840)
kappas = (30.0,) if SMALL else (30.0, 10.0)
KNOTS, DW_MIN, SPREAD, SLOTS = 6, 1e-3, 0.3, 31
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
        counts = {"x_count": mean.x_count + columns, "d_count": mean.d_count + rows, "coincidence": both}
        return jt.pulse.Counts(x_sign=x.sign, d_sign=d.sign, length=length, n_slots=mean.n_slots, **counts)


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

    def init(self, sheet, target):
        return Spending(jt.RiskSVD().init(sheet, target), jnp.zeros(()))

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
    numbers = {
        "learning_rate": jnp.ones(()),
        "granularity": jnp.asarray(DW_MIN),
        "key": jax.random.key(0),
        "columns": jnp.arange(x.size),
    }
    return jt.pulse.MeanField().encode(x, d, **numbers).total() / (x.size * d.size)


# %% Programming: a target and a chip for each key
NORM = 0.06 * np.sqrt(np.prod(shape))  # largest weights of about 0.25


def program(method, key, pulse, *, kappa, rank=rank, run=0, record=()):
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


training, unseen = jr.split(jr.key(1), lanes), jr.split(jr.key(11), others)
trains = jt.pulse.StochasticCompressed(desired_bl=SLOTS)


# %% Schedules set by hand: one number each, or one for either end, found by trial on the training set
RANGES = {"gain": (0.3, 8.0), "caution": (0.5, 200.0), "outlier": (0.7, 20.0), "reach": (0.5, 8.0)}
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


def within_ranges(family, u, **settings):
    """A schedule of a family, from places in the ranges (of the logarithms)."""
    places = jnp.split(u, np.cumsum([*family.values()]))
    ends = {name: np.log(RANGES[name]) for name in family}
    given = {name: jnp.exp(ends[name][0] + np.ptp(ends[name]) * u) for name, u in zip(family, places, strict=False)}
    return by_hand(**given, **settings)


@eqx.filter_jit
def tune(family, key, kappa):
    """The best of so many trials, with trains, by differential evolution (Storn and Price 1997).

    A population starts anywhere in the ranges. Each trial moves one member towards the best and along the difference of two others,
    so that the moves shrink with the population; it takes the member's place where it does better.
    """
    members, size = 20, sum(family.values())

    def one(population, i):
        places, errors = population
        pair_key, step_key, cross_key, place_key = jr.split(jr.fold_in(key, i), 4)
        turn = i % members
        this, (a, b) = places[turn], jr.choice(pair_key, places, (2,), replace=False)
        step = jr.uniform(step_key, minval=0.3, maxval=0.9)
        moved = this + step * (places[jnp.argmin(errors)] - this + a - b)
        moved = jnp.where(jr.uniform(cross_key, (size,)) < 0.9, moved, this)
        anew = (moved < 0) | (moved > 1) | (i < members)
        u = jnp.where(anew, jr.uniform(place_key, (size,)), moved)
        found = jnp.mean(error(program_all(within_ranges(family, u), training, trains, kappa=kappa)))
        better = found < errors[turn]
        places = places.at[turn].set(jnp.where(better, u, this))
        errors = errors.at[turn].min(found)
        return (places, errors), jnp.min(errors)

    start = jnp.zeros((members, size)), jnp.full(members, jnp.inf)
    (places, errors), course = jax.lax.scan(one, start, jnp.arange(trials))
    return within_ranges(family, places[jnp.argmin(errors)]), course


# %% The learned one
@eqx.filter_jit
def learn(method, kappa):
    """Adam on the error of the training set, with new noise for each update."""
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(0.1, updates), b1=0.7))

    def loss(method, i):
        return jnp.mean(jnp.log(error(program_all(method, training, NoisyCounts(desired_bl=SLOTS), kappa=kappa, run=i))))

    def one(carry, i):
        method, state = carry
        value, gradient = jax.value_and_grad(loss)(method, i)
        change, state = optimiser.update(gradient, state)
        return (optax.apply_updates(method, change), state), jnp.exp(value)

    (method, _), course = jax.lax.scan(one, (method, optimiser.init(method)), jnp.arange(updates))
    return method, course


# %% Both, on the training set
start = within_ranges(FAMILIES["RiskSVD, two ends"], jnp.full(7, 0.5), knots=KNOTS)  # the middle of the ranges
ways = {"learned": (learn, start)} | {name: (tune, family, jr.key(3)) for name, family in FAMILIES.items()}
schedules, trained = {kappa: {} for kappa in kappas}, {kappa: {} for kappa in kappas}
for name, (way, *arguments) in ways.items():
    compiled = way.lower(*arguments, jnp.asarray(0.0)).compile()
    for kappa in kappas:
        began = time.process_time()
        schedules[kappa][name], course = jax.block_until_ready(compiled(*arguments, jnp.asarray(kappa)))
        trained[kappa][name] = course[-1]
        seconds, parts = time.process_time() - began, ", ".join(f"{one:.2f}" for one in course[:: max(1, course.size // 8)])
        print(f"kappa {kappa:.0f}, {name}: {seconds:.0f} s, on the training set {parts}, {course[-1]:.2f} %", flush=True)
best = {kappa: min(FAMILIES, key=trained[kappa].__getitem__) for kappa in kappas}  # by the training set
for kappa in kappas:
    schedules[kappa] |= {"SVD as it is": by_hand(1.0), "RiskSVD as it is": by_hand(1.0, 1.0, 4.0)}

# %% What has not been seen, looked at once: as in learning, and elsewhere
places = {"kappa 10": (10.0, rank), "kappa 30": (30.0, rank), "kappa 100": (100.0, rank), "kappa 30, rank 20": (30.0, 20)}
if SMALL:
    places = {"kappa 30": (30.0, rank), "kappa 10": (10.0, rank)}
look = eqx.filter_jit(program_all)
QUANTITIES = ("frobenius_error", "full_pulses")


def looked(schedule):
    return {
        place: look(schedule, unseen, trains, kappa=jnp.asarray(kappa), rank=rank, record=QUANTITIES)
        for place, (kappa, rank) in places.items()
    }


found = {kappa: {name: looked(schedule) for name, schedule in schedules[kappa].items()} for kappa in kappas}


def mean(values, form=".2f"):
    values = np.asarray(values, float)
    return f"{values.mean():{form}} ± {values.std(ddof=1) / np.sqrt(values.size):{form.lstrip('+')}}"


def tables(kappa):
    """What was found at this kappa: used there, with what it costs, and elsewhere."""
    here, ours = f"kappa {kappa:.0f}", found[kappa]["learned"]
    there = [place for place in places if place != here]
    heads = ["schedule", "on the training set", "error, %", "less the learned one's", "full pulses", "half pulses", "steps"]
    rows = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    elsewhere = ["| less the learned one's | " + " | ".join(there) + " |", "|---" * (len(there) + 1) + "|"]
    elsewhere.append("| learned: error, % | " + " | ".join(mean(error(ours[place])) for place in there) + " |")
    for name, at_places in found[kappa].items():
        less = {place: mean(error(at_places[place]) - error(ours[place]), "+.2f") for place in places}
        seen = f"{trained[kappa][name]:.2f}" if name in trained[kappa] else ""
        stats = [f"{at_places[here].stats[one].mean():.0f}" for one in ("full_pulses", "half_pulses", "steps")]
        own = "" if name == "learned" else less[here]
        rows.append(f"| {' | '.join([name, seen, mean(error(at_places[here])), own, *stats])} |")
        if name != "learned":
            elsewhere.append(f"| {' | '.join([name, *(less[place] for place in there)])} |")
    return f"Found at {here}, and used there:\n\n{chr(10).join(rows)}\n\nUsed elsewhere:\n\n{chr(10).join(elsewhere)}"


measured = "\n\n".join(tables(kappa) for kappa in kappas)
print(measured)

# %% Picture: a row for each kappa
fig, axes = plt.subplots(len(kappas), 4, figsize=(10, 2.5 * len(kappas) + 0.4), layout="constrained", squeeze=False)
spent = jnp.linspace(0, 1, 101)
for row, kappa in zip(axes, kappas, strict=True):
    shown = {"learned": "learned", "best set by hand": best[kappa], "RiskSVD as it is": "RiskSVD as it is"}
    for ax, of in zip(row, ("gain", "caution", "outlier"), strict=False):
        for colour, name in zip(jt.plot.COLOURS, [*shown.values()][:2], strict=False):
            ax.plot(100 * spent, at(spent, getattr(schedules[kappa][name], of)), color=colour)
        ax.set_ylim(bottom=0)
        ax.set_xlabel("pulses spent (%)")
        ax.set_ylabel(of)
    row[0].set_title(f"kappa {kappa:.0f}", loc="left", fontsize="medium")
    runs = {label: found[kappa][name][f"kappa {kappa:.0f}"] for label, name in shown.items()}
    jt.plot.convergence(runs, quantity="frobenius_error", against="full_pulses", ax=row[3])
    row[3].set_ylabel("error (weight units)")
    row[3].get_legend().remove()
fig.legend(*axes[0, 3].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize="small")

# %% Save
if not SMALL:
    fig.savefig(DOCS / "figures/learned_schedule.png", dpi=200)
    page = DOCS / "records/learned.md"
    head, _, rest = page.read_text().partition("<!-- measured -->")
    page.write_text(f"{head}<!-- measured -->\n\n{measured}\n\n<!-- end -->{rest.partition('<!-- end -->')[2]}")
