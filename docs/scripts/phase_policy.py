"""The effect of skipping idle sub-phases on GDP with unit vectors: `phases="all"` against `"active"`, in `phase_policy.md`.

Soft bounds with aihwkit's spread, 40 x 60, a target of rank 3 and spectral norm 3, 30 pulse steps; the same twenty chips for both
policies. (Singular vectors have both signs: there nothing is idle, and both policies are the same.)

    python docs/scripts/phase_policy.py
"""

import jax
import jax.random as jr
import numpy as np
import stored

import jaxtile as jt

SHAPE, STEPS, CHIPS = (40, 60), 30, 20
KAPPAS = (10.0, 30.0, 100.0, 1000.0)


def runs(kappa, phases, *, chips=CHIPS, steps=STEPS):
    """Frobenius error and half pulses per cell of each chip."""

    def run(key):
        chip_key, target_key, run_key = jr.split(key, 3)
        half_select = jt.half_select.ConstantRatio(kappa=kappa, phases=phases)
        tile = jt.init(jt.TileConfig(device=jt.device.SoftBounds(), half_select=half_select), SHAPE, key=chip_key)
        target = jt.targets.low_rank(SHAPE, 3, key=target_key)
        stats = jt.program(tile, target, jt.GDP(), key=run_key, max_steps=steps, tolerance=0, record=()).stats
        return stats["frobenius_error"], stats["half_pulses"]

    return [np.asarray(values) for values in jax.lax.map(jax.jit(run), jr.split(jr.key(0), chips))]


def main():
    lines = ['| kappa | "all" | "active" | ratio | half pulses, "active" over "all" |', "|---|---|---|---|---|"]
    for kappa in KAPPAS:
        (every, every_half), (active, active_half) = (runs(kappa, phases) for phases in ("all", "active"))
        cells = [f"{v.mean():.3f} ± {v.std(ddof=1) / CHIPS**0.5:.3f}" for v in (every, active, active / every)]
        lines.append(f"| {kappa:g} | {' | '.join(cells)} | {np.mean(active_half) / np.mean(every_half):.2f} |")
        print(lines[-1], flush=True)
    stored.replace("records/phase_policy.md", "measured", "\n".join(lines))


def small():
    """Both policies at kappa 30, three steps."""
    return {phases: stored.mean(runs(30.0, phases, chips=4, steps=3)[0]) for phases in ("all", "active")}


if __name__ == "__main__":
    stored.run(small, main)
