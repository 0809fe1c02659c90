"""Where handing over to program and verify begins to pay, and where `OneHotPays` says that it does: a table of `methods.md`.

Soft bounds with aihwkit's spread, exact reads, several shapes, ranks and sizes of the target, both phase policies: after 60 steps
of `RiskSVD(caution=2)` 192 more of it, or eight passes of `ProgramVerify`, on the same chips with the same keys.

    python docs/scripts/hand_over.py
"""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import stored

import jaxtile as jt

CHIPS = 8
CASES = (  # shape, rank, largest weight
    ((32, 32), 4, 0.25),
    ((64, 32), 8, 0.25),
    ((32, 96), 8, 0.2),
    ((48, 64), 5, 0.25),
    ((48, 64), 20, 0.12),
    ((48, 64), 20, 0.25),
    ((48, 64), 48, 0.25),
    ((48, 64), 5, 0.4),
    ((96, 144), 6, 0.25),
)
PARTS = np.array([0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.7, 2.0])  # of kappa*
SOFT, PERFECT = jt.device.SoftBounds(), jt.IOParameters(is_perfect=True)


def errors(method, target, phases, kappas, steps):
    """Relative error at the end, [kappa, chip]."""
    norm = jnp.linalg.norm(target)

    def run(kappa, chip):
        half_select = jt.half_select.ConstantRatio(kappa=kappa, phases=phases)
        config = jt.TileConfig(device=SOFT, half_select=half_select, forward=PERFECT, backward=PERFECT)
        tile = jt.init(config, target.shape, key=jr.fold_in(jr.key(2), chip))
        options = {"max_steps": steps, "tolerance": 0, "record": ("frobenius_error",), "throw": False}
        return jt.program(tile, target, method, key=jr.fold_in(jr.key(3), chip), **options).stats["frobenius_error"] / norm

    return np.asarray(jax.jit(jax.vmap(jax.vmap(run, (None, 0)), (0, None)))(kappas, jnp.arange(CHIPS)))


def crossing(ahead):
    """At which part of kappa* handing over gets ahead for good."""
    last = np.flatnonzero(ahead < 0).max()
    assert last + 1 < len(PARTS), "the parts of kappa* do not reach the boundary"
    return np.interp(0, ahead[last : last + 2], PARTS[last : last + 2])


def row(shape, rank, largest, phases):
    target = jt.targets.low_rank(shape, rank, key=jr.key(11))
    target = largest * target / jnp.max(jnp.abs(target))
    star = float(jt.OneHotPays(model=SOFT, phases=phases).boundary(target))
    least_risk = jt.RiskSVD(caution=2.0)
    verify = jt.ProgramVerify(digits=6, batch_size=shape[1] // 4)
    kappas = jnp.asarray(star * PARTS)
    goes_on = errors(least_risk, target, phases, kappas, 252)
    hands_over = errors(jt.chain(jt.Stage(least_risk, until=jt.After(60)), verify), target, phases, kappas, 252)
    gain = goes_on.mean(1) - hands_over.mean(1)
    measured = np.array([crossing(ahead) for ahead in np.log(goes_on / hands_over).T])
    shown = f"{measured.mean():.2f} ± {measured.std(ddof=1) / CHIPS**0.5:.2f}"
    lost = np.where(PARTS > 1, -gain, gain)
    worst = int(lost.argmax())
    best = min(goes_on.mean(1)[worst], hands_over.mean(1)[worst])
    at = f"{100 * lost[worst]:.1f} | {100 * best:.1f} | {PARTS[worst]:g}" if lost[worst] > 0 else "- | - | -"
    return f"| {shape[0]} x {shape[1]} | {rank} | {largest} | {phases} | {star:.1f} | {shown} | {at} |"


def main():
    lines = [
        "| array | rank | largest weight | phases | kappa* | measured boundary / kappa* "
        "| most that the rule loses, points | smaller error there, % | kappa / kappa* there |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for case in CASES:
        for phases in ("active", "all"):
            lines.append(row(*case, phases))
            print(lines[-1], flush=True)
    stored.replace("explanation/methods.md", "handing over", "\n".join(lines))


def small():
    """Going on and handing over on a small array, at two kappa."""
    target, kappas = 0.25 * jt.targets.low_rank((12, 16), 2, spectral_norm=1.0, key=jr.key(11)), jnp.array([5.0, 50.0])
    least_risk, verify = jt.RiskSVD(caution=2.0), jt.ProgramVerify(digits=6, batch_size=4)
    ways = {"goes on": least_risk, "hands over": jt.chain(jt.Stage(least_risk, until=jt.After(5)), verify)}
    found = {name: errors(method, target, "active", kappas, 13) for name, method in ways.items()}
    return {f"{name}, kappa {kappa:g}": stored.mean(e) for name, at in found.items() for kappa, e in zip(kappas, at, strict=True)}


if __name__ == "__main__":
    stored.run(small, main)
