"""The excess of squared error that half-selection causes, with and without compensation: the tables of `compensation.md`.

48 x 72, soft bounds and constant steps, ten chips and targets of full rank and of rank 6, the same with the same keys in all rows.
A closed loop is compared at equal full pulses per cell, an open one at the end of its one walk. All of it, or some:

    python docs/scripts/compensation.py [--loop closed] [--device "soft bounds"] [--rank full] [--rows none "Gain()"]

`none` is what the other rows are compared with. `--key` and `--budget` ask for other chips and targets, and for other numbers of
pulses; the table of other chips is that of

    python docs/scripts/compensation.py --loop closed --device "soft bounds" --rank full --key 1 --budget 300 600 900 \\
        --rows none "Sparsify()" "Sparsify(2)" "Expected(steps=2)" "Expected(steps=2, caution=2)"
"""

import argparse

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import stored

import jaxtile as jt
from jaxtile.half_select.phases import Exposure, Seen

SHAPE, CHIPS = (48, 72), 10
KAPPAS = (100.0, 30.0, 10.0)
DEVICES = {"soft bounds": jt.device.SoftBounds(), "constant step": jt.device.ConstantStep()}
RANKS = {"full": 48, "6": 6}
BUDGET = {"full": 600.0, "6": 300.0}  # full pulses per cell of a closed loop
STEPS = 500


class CounterPulses(jt.half_select.ConstantRatio):
    """Every line sends its half pulses once more in the opposite polarity, all other lines idle."""

    def bursts(self, cells, memory, exposure, noise):
        def more(own: Seen, other: Seen) -> Seen:
            return Seen(own.row + other.row, own.column + other.column, own.full, own.slots + other.slots)

        return super().bursts(cells, memory, Exposure(more(exposure.up, exposure.down), more(exposure.down, exposure.up)), noise)


C = jt.compensation
ALL = jt.half_select.ConstantRatio
SVD, OPEN = jt.SVD(), jt.SVD(refresh=False)
WHOLE = jt.SVD(refresh=False, triplets=48)
ACTIVE = lambda kappa: ALL(kappa=kappa, phases="active")  # noqa: E731
CLOSED_ROWS = {
    "none": (SVD, None, ALL),
    "Gain()": (SVD, C.Gain(), ALL),
    "Gain(caution=0)": (SVD, C.Gain(caution=0.0), ALL),
    "Expected(steps=2)": (SVD, C.Expected(steps=2), ALL),
    "Expected(steps=2, caution=0)": (SVD, C.Expected(steps=2, caution=0.0), ALL),
    "Expected(steps=2, caution=2)": (SVD, C.Expected(steps=2, caution=2.0), ALL),
    "Sparsify()": (SVD, C.Sparsify(), ALL),
    "Sparsify(2)": (SVD, C.Sparsify(caution=2.0), ALL),
    'phases="active"': (SVD, None, ACTIVE),
    "counter pulses": (SVD, None, CounterPulses),
    "4 triplets a read": (jt.SVD(triplets=4), None, ALL),
    "the same, smallest first": (jt.SVD(triplets=4), C.SmallestFirst(), ALL),
    "RiskSVD(caution=0): outliers only": (jt.RiskSVD(caution=0.0), None, ALL),
    "RiskSVD()": (jt.RiskSVD(), None, ALL),
    "RiskSVD(caution=2)": (jt.RiskSVD(caution=2.0), None, ALL),
}
OPEN_ROWS = {
    "none": (OPEN, None, ALL),
    "Gain()": (OPEN, C.Gain(), ALL),
    "Gain(caution=0)": (OPEN, C.Gain(caution=0.0), ALL),
    "Expected(steps=2)": (OPEN, C.Expected(steps=2), ALL),
    "Expected(steps=2, caution=0)": (OPEN, C.Expected(steps=2, caution=0.0), ALL),
    "Sparsify()": (OPEN, C.Sparsify(), ALL),
    "counter pulses": (OPEN, None, CounterPulses),
    "smallest first": (WHOLE, C.SmallestFirst(), ALL),
}


def chips(loop, device, rank, method, compensation, half_select, *, key=0, steps=STEPS):
    """History of squared error and of full pulses of every chip as functions of kappa, in one program."""
    is_open = loop == "open"
    steps = (1 if method is WHOLE else RANKS[rank]) if is_open else steps // getattr(method, "triplets", 1)
    pulse = jt.pulse.StochasticCompressed(desired_bl=511 if is_open else 31)

    def run(key, kappa):
        chip_key, target_key, run_key = jr.split(key, 3)
        tile = jt.init(jt.TileConfig(device=device, pulse=pulse, half_select=half_select(kappa=kappa)), SHAPE, key=chip_key)
        target = jr.normal(target_key, SHAPE) if rank == "full" else jt.targets.low_rank(SHAPE, RANKS[rank], key=target_key)
        target, record = target * 4 / jnp.linalg.norm(target), ("frobenius_error", "full_pulses")
        options = {"max_steps": steps, "tolerance": 0, "compensation": compensation, "record": record, "throw": False}
        history = jt.program(tile, target, method, key=run_key, **options).history
        return history["frobenius_error"] ** 2, history["full_pulses"]

    return jax.jit(lambda kappa: jax.lax.map(lambda key: run(key, kappa), jr.split(jr.key(key), CHIPS)))


def ends(history, budget):
    """Squared error of each chip at so many full pulses (or where it stops before), and the pulses by then."""
    found = []
    for error, full in zip(*map(np.asarray, history), strict=True):
        error, full = error[np.isfinite(full)], full[np.isfinite(full)]
        found.append((np.interp(budget, full, error), min(budget, full[-1])))
    return np.array(found).T


def print_rows(loop, device, rank, chosen, key, budgets):
    """Rows of one table for each budget, compared with "none"."""
    rows = CLOSED_ROWS if loop == "closed" else OPEN_ROWS
    steps = round(STEPS * max(1, budgets[-1] / BUDGET[rank])) if loop == "closed" else 0
    plain, excess = {}, {}
    for name in [name for name in rows if name in (chosen or rows)]:
        of = chips(loop, DEVICES[device], rank, *rows[name], key=key, steps=steps)
        histories = {kappa: of(kappa) for kappa in (jnp.inf, *KAPPAS)}
        for budget in budgets:
            own, _ = ends(histories[jnp.inf], budget)
            cells = [f"{own.mean():.3f}"]
            for kappa in KAPPAS:
                error, full = ends(histories[kappa], budget)
                own_excess = error - own
                base = excess.setdefault((kappa, budget), own_excess)
                harm = error - plain.setdefault((kappa, budget), error)
                against = mean(harm) if name != "none" else "0"
                judged = base.mean() > 5 * base.std(ddof=1) / CHIPS**0.5
                removed = f"{1 - own_excess.mean() / base.mean():.0%}" if judged and name != "none" else "-"
                cells.append(f"{mean(own_excess)}, {removed}, {against}, {full.mean():.0f}")
            at = [f"{budget:g}"] if len(budgets) > 1 else []
            print("|", " | ".join([f"{loop}, {device}, {rank}", name, *at, *cells]), "|", flush=True)


def mean(values):
    return f"{values.mean():+.3f} ± {values.std(ddof=1) / CHIPS**0.5:.3f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--loop", nargs="+", default=["closed", "open"])
    parser.add_argument("--device", nargs="+", default=list(DEVICES))
    parser.add_argument("--rank", nargs="+", default=list(RANKS))
    parser.add_argument("--rows", nargs="+")
    parser.add_argument("--key", type=int, default=0)
    parser.add_argument("--budget", nargs="+", type=float)
    parser.add_argument("--small", action="store_true", help="print the small run that is stored beside the page")
    asked = parser.parse_args()
    print(f"Measured at commit {stored.commit()}.\n")
    for loop in asked.loop:
        for device in asked.device:
            for rank in asked.rank:
                budgets = asked.budget or [BUDGET[rank] if loop == "closed" else np.inf]
                print_rows(loop, device, rank, asked.rows, asked.key, budgets)


def small():
    """Twelve steps of a closed loop, with and without compensation: squared error at kappa 30."""
    rows = {name: CLOSED_ROWS[name] for name in ("none", "Gain()", "Sparsify()")}
    histories = {name: chips("closed", DEVICES["soft bounds"], "6", *row, steps=12)(30.0) for name, row in rows.items()}
    return {name: stored.mean(ends(history, np.inf)[0]) for name, history in histories.items()}


if __name__ == "__main__":
    stored.run(small, main)
