"""What skipping idle sub-phases does to GDP with unit vectors: `phases="all"` against `"active"`, in `docs/phase_policy.md`.

Soft bounds with aihwkit's spread, 40 x 60, a target of rank 3 and spectral norm 3, 30 pulse steps; the same twenty chips for both
policies. (Singular vectors have both signs: there nothing is idle, and both policies are the same.)

    python docs/scripts/phase_policy.py
"""

import pathlib

import jax
import jax.random as jr
import numpy as np

import jaxtile as jt

SHAPE, STEPS, CHIPS = (40, 60), 30, 20
KAPPAS = (10.0, 30.0, 100.0, 1000.0)


def runs(kappa, phases):
    """Frobenius error and half pulses per cell of each chip."""

    def run(key):
        chip_key, target_key, run_key = jr.split(key, 3)
        half_select = jt.half_select.ConstantRatio(kappa=kappa, phases=phases)
        tile = jt.init(jt.TileConfig(device=jt.device.SoftBounds(), half_select=half_select), SHAPE, key=chip_key)
        target = jt.targets.low_rank(SHAPE, 3, key=target_key)
        stats = jt.program(tile, target, jt.GDP(), key=run_key, max_steps=STEPS, tolerance=0, record=()).stats
        return stats["frobenius_error"], stats["half_pulses"]

    return map(np.asarray, jax.lax.map(jax.jit(run), jr.split(jr.key(0), CHIPS)))


def main():
    lines = [
        "# What skipping idle sub-phases does",
        "",
        f"Written by `docs/scripts/phase_policy.py`: GDP with unit vectors on soft bounds with aihwkit's spread, {SHAPE[0]} x "
        f"{SHAPE[1]}, a target of rank 3 and spectral norm 3, {STEPS} pulse steps, {CHIPS} chips, the same for both policies. "
        "Frobenius error, mean ± standard error; the ratio is that of each chip to itself. Singular vectors have both signs: with "
        "`jt.SVD` no phase is idle, and both policies are the same.",
        "",
        '| kappa | "all" | "active" | ratio | half pulses, "active" over "all" |',
        "|---|---|---|---|---|",
    ]
    for kappa in KAPPAS:
        (every, every_half), (active, active_half) = (runs(kappa, phases) for phases in ("all", "active"))
        cells = [f"{v.mean():.3f} ± {v.std(ddof=1) / CHIPS**0.5:.3f}" for v in (every, active, active / every)]
        lines.append(f"| {kappa:g} | {' | '.join(cells)} | {np.mean(active_half) / np.mean(every_half):.2f} |")
        print(lines[-1], flush=True)
    (pathlib.Path(__file__).parent.parent / "phase_policy.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
