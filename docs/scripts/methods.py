"""Errors that programming methods reach with half-selected cells, in `docs/explanation/methods.md` (below its last heading).

Soft bounds with aihwkit's spread, 96 x 144, targets of rank 6 whose largest weight is 0.25 (Frobenius norm 5 to 6), trains of at
most 31 slots, phases="active". The same chips and keys for all methods.

    python docs/scripts/methods.py
"""

import pathlib

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import stored

import jaxtile as jt

SHAPE, CHIPS = (96, 144), 3
SEEDS = (25, 44, 59)
KAPPAS = (1e9, 100.0, 30.0, 10.0)
RULE_KAPPAS = (10.0, 14.0, 20.0, 28.0, 40.0, 100.0)
MARK = "## Measured"

SOFT, PERFECT, NOISY = jt.device.SoftBounds(), jt.IOParameters(is_perfect=True), jt.IOParameters()
VERIFY = jt.ProgramVerify(digits=6, batch_size=48)
SVD40, RISK100 = jt.Stage(jt.SVD(), until=jt.After(40)), jt.Stage(jt.RiskSVD(caution=2.0), until=jt.After(100))


def gated(kappa):
    return jt.chain(RISK100, jt.Stage(VERIFY, when=jt.OneHotPays()))


METHODS = {  # name: (of kappa, steps)
    '`GDP("eye")`, rate 0.3, 12 sweeps': (lambda kappa: jt.GDP(learning_rate=0.3), 12),
    '`GDP("eye", batch_size=16)`, rate 0.3, 12 sweeps': (lambda kappa: jt.GDP(learning_rate=0.3, batch_size=16), 108),
    '`GDP("hadamard")`, rate 1/256, 3 sweeps': (lambda kappa: jt.GDP(learning_rate=1 / 256, inputs="hadamard"), 3),
    "`ProgramVerify`, 8 passes": (lambda kappa: VERIFY, 8 * 18),
    "`SVD`, 60 steps": (lambda kappa: jt.SVD(), 60),
    "`SVD`, 400 steps": (lambda kappa: jt.SVD(), 400),
    "`SVD(triplets=4)`, 100 steps": (lambda kappa: jt.SVD(triplets=4), 100),
    "`RiskSVD(outlier=inf)`, 400 steps": (lambda kappa: jt.RiskSVD(outlier=jnp.inf), 400),
    "`RiskSVD`, 400 steps": (lambda kappa: jt.RiskSVD(), 400),
    "`RiskSVD(caution=2)`, 400 steps": (lambda kappa: jt.RiskSVD(caution=2.0), 400),
    "`SVD` 40, then `ProgramVerify`": (lambda kappa: jt.chain(SVD40, VERIFY), 40 + 6 * 18),
    "`RiskSVD(caution=2)` 100, then `ProgramVerify`": (lambda kappa: jt.chain(RISK100, VERIFY), 100 + 6 * 18),
    "the same if `OneHotPays`, else it goes on to 400": (gated, 400),
}
READERS = {  # name: (method, how often a vector is read)
    "`PowerSVD(read_noise=0)`": jt.PowerSVD(read_noise=0.0),
    "`PowerSVD()`": jt.PowerSVD(),
    "`PowerSVD(reads=4)`": jt.PowerSVD(reads=4),
    "`PowerSVD(reads=16)`": jt.PowerSVD(reads=16),
    "`PowerSVD(reads=64)`": jt.PowerSVD(reads=64),
}


def target(seed):
    left, right = jr.split(jr.key(seed))
    weight = jr.normal(left, (SHAPE[0], 6)) @ jr.normal(right, (6, SHAPE[1]))
    return 0.25 * weight / jnp.max(jnp.abs(weight))


TARGETS = [target(seed) for seed in SEEDS]


def runner(make, steps, io):
    """Programs one chip with one target; compiled once for all kappas."""

    def run(kappa, goal, chip):
        half_select = jt.half_select.ConstantRatio(kappa=kappa, phases="active")
        config = jt.TileConfig(device=SOFT, half_select=half_select, forward=io, backward=io)
        tile = jt.init(config, SHAPE, key=jr.fold_in(jr.key(0), chip))
        options = {"max_steps": steps, "tolerance": 0, "record": ("frobenius_error",)}
        sol = jt.program(tile, goal, make(kappa), key=jr.fold_in(jr.key(1), chip), **options)
        return sol.history["frobenius_error"], sol.stats["frobenius_error"], sol.stats["full_pulses"], sol.stats["half_pulses"]

    return jax.jit(run)


def lanes(run, kappa):
    """The outcome of each chip with each target: history, error, full and half pulses."""
    results = [run(kappa, goal, chip) for goal in TARGETS for chip in range(CHIPS)]
    return tuple(np.array(values) for values in zip(*results, strict=True))


def shown(values):
    return f"{values.mean():.3f} ± {values.std(ddof=1) / len(values) ** 0.5:.3f}"


def main():
    norms = ", ".join(f"{jnp.linalg.norm(goal):.2f}" for goal in TARGETS)
    lines = [
        MARK,
        "",
        f"Written by `docs/scripts/methods.py` at commit {stored.commit()}. "
        f"Devices are soft bounds with aihwkit's spread, on {SHAPE[0]} x {SHAPE[1]}. There are {len(SEEDS)} targets "
        f"of rank 6, whose largest weight is 0.25 (Frobenius norms {norms}), with {CHIPS} chips each. Reads are exact, trains have "
        'at most 31 slots, and `phases="active"`. `ProgramVerify` has 6 digits, and writes 48 columns between '
        "reads. Frobenius error at the end, mean ± standard error over the chips; full and half pulses are per cell, at kappa 30.",
        "",
        "| method | " + " | ".join("no half-selection" if k == 1e9 else f"kappa {k:g}" for k in KAPPAS) + " | full | half |",
        "|---|" + "---|" * (len(KAPPAS) + 2),
    ]
    for name, (make, steps) in METHODS.items():
        run = runner(make, steps, PERFECT)
        ended = {kappa: lanes(run, kappa) for kappa in KAPPAS}
        errors = " | ".join(shown(ended[kappa][1]) for kappa in KAPPAS)
        lines.append(f"| {name} | {errors} | {ended[30.0][2].mean():.0f} | {ended[30.0][3].mean():.0f} |")
        print(lines[-1], flush=True)

    star = np.mean([jt.OneHotPays(model=SOFT, phases="active").boundary(goal) for goal in TARGETS])
    lines += [
        "",
        f"When to hand over: 100 steps of `RiskSVD(caution=2)`, and then 108 more of it or of `ProgramVerify`. The rule of "
        f"`OneHotPays` puts the boundary at kappa* = {star:.1f}, mean of these targets.",
        "",
        "| kappa | goes on | hands over | difference on the same chips |",
        "|---|---|---|---|",
    ]
    alone = runner(lambda kappa: RISK100.method, 208, PERFECT)
    chained = runner(lambda kappa: jt.chain(RISK100, VERIFY), 208, PERFECT)
    for kappa in RULE_KAPPAS:
        before, after = lanes(alone, kappa)[1], lanes(chained, kappa)[1]
        lines.append(f"| {kappa:g} | {shown(before)} | {shown(after)} | {shown(after - before)} |")
        print(lines[-1], flush=True)

    lines += [
        "",
        "Reads through the default periphery (output noise 0.06, 9-bit output, 7-bit input), without half-selection. The table has "
        "the Frobenius error after so many pulse steps, and its ratio to the error of the oracle `SVD()` on the same chips.",
        "",
        "| method | 40 | ratio | 100 | ratio | 200 | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    at = [40, 100, 200]
    oracle = lanes(runner(lambda kappa: jt.SVD(), 200, PERFECT), 1e9)[0][:, at]
    lines.append("| `SVD()`, exact reads | " + " | ".join(f"{shown(oracle[:, i])} | 1" for i in range(3)) + " |")
    perfect = lanes(runner(lambda kappa: jt.PowerSVD(), 200, PERFECT), 1e9)[0][:, at]
    rows = {"`PowerSVD()`, exact reads": perfect}
    rows |= {name: lanes(runner(lambda kappa, m=m: m, 200, NOISY), 1e9)[0][:, at] for name, m in READERS.items()}
    for name, errors in rows.items():
        cells = " | ".join(f"{shown(errors[:, i])} | {errors[:, i].mean() / oracle[:, i].mean():.2f}" for i in range(3))
        lines.append(f"| {name} | {cells} |")
        print(lines[-1], flush=True)

    page = pathlib.Path(__file__).parent.parent / "explanation/methods.md"
    page.write_text(page.read_text().partition(MARK)[0] + "\n".join(lines) + "\n")


def small():
    """Three methods at kappa 30, a few steps."""
    few = {"SVD": (jt.SVD(), 6), "RiskSVD": (jt.RiskSVD(caution=2.0), 6), "GDP": (jt.GDP(learning_rate=0.3), 2)}
    return {name: stored.mean(lanes(runner(lambda kappa, m=m: m, steps, PERFECT), 30.0)[1]) for name, (m, steps) in few.items()}


if __name__ == "__main__":
    stored.run(small, main)
