"""The excess of squared error that half-selection causes, with and without compensation: the table of `docs/compensation.md`.

48 x 72, ten chips and targets of full rank and of rank 6; the same chips, targets and keys in all rows.

    python docs/scripts/compensation.py [closed] [open]
"""

import sys

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import jaxtile as jt

SHAPE, CHIPS = (48, 72), 10
KAPPAS = (100.0, 30.0)
DEVICES = {"soft bounds": jt.device.SoftBounds(), "constant step": jt.device.ConstantStep()}
TARGETS = {"full": 48, "6": 6}
LOOPS = {"closed": (jt.SVD(), 200, 31), "open": (jt.SVD(refresh=False), 48, 511)}
COMPENSATIONS = {
    "none": None,
    "Gain": jt.compensation.Gain(),
    "Sparsify": jt.compensation.Sparsify(0.3),
    "Expected": jt.compensation.Expected(steps=2),
}


def chips(device, rank, loop, compensation):
    """Squared error and full pulses of every chip as functions of kappa, in one program."""
    method, steps, desired_bl = LOOPS[loop]
    pulse = jt.pulse.StochasticCompressed(desired_bl=desired_bl)

    def run(key, kappa):
        chip_key, target_key, run_key = jr.split(key, 3)
        config = jt.TileConfig(device=device, pulse=pulse, half_select=jt.half_select.ConstantRatio(kappa=kappa))
        tile = jt.init(config, SHAPE, key=chip_key)
        target = jr.normal(target_key, SHAPE) if rank == min(SHAPE) else jt.targets.low_rank(SHAPE, rank, key=target_key)
        target = target * 4 / jnp.linalg.norm(target)
        sol = jt.program(
            tile, target, method, key=run_key, max_steps=steps, tolerance=0, compensation=compensation, record=(), throw=False
        )
        return sol.stats["frobenius_error"] ** 2, sol.stats["full_pulses"]

    return jax.jit(lambda kappa: jax.lax.map(lambda key: run(key, kappa), jr.split(jr.key(0), CHIPS)))


def main():
    for loop in sys.argv[1:] or LOOPS:
        for device in DEVICES:
            for rank, number in TARGETS.items():
                base = None
                for name, compensation in COMPENSATIONS.items():
                    of = chips(DEVICES[device], number, loop, compensation)
                    own = np.asarray(of(jnp.inf)[0])
                    base = own if base is None else base  # without half-selection and compensation
                    cells = [f"{own.mean():.3f}"]
                    for kappa in KAPPAS:
                        error, full = map(np.asarray, of(kappa))
                        excess = error - base
                        cells.append(f"{excess.mean():+.3f} ± {excess.std(ddof=1) / CHIPS**0.5:.3f} | {full.mean():.0f}")
                    print(f"| {loop} | {device} | {rank} | {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
