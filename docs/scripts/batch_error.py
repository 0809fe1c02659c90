"""Measure what `order="batch"` gives up against vector by vector, and write the second table of `docs/explanation/aggregate.md`.

    python docs/scripts/batch_error.py

A tile of 24 x 24 devices, fabricated with the default spread, starts with weights anywhere in the inner nine tenths of
the range of each device. It gets one call of 64 vectors: a fifth of x is on, evenly from 0 to 1, and d is normal, of a
size that makes the pulses of a cell. Both orders get the same keys, and so the same trains.
"""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import stored
from aggregate_error import DEVICES, DW_MIN

import jaxtile as jt

SIZE, VECTORS, RUNS = 24, 64, 32
SIZES = (0.01, 0.1, 1.0)
KINDS = ("constant step", "constant step, near bounds", "linear step", "soft bounds", "exponential step", "power step", "table")
COLUMNS = ["device", "pulses of a cell", "rms / `dw_min`", "largest / `dw_min`", "of the change", "drift / `dw_min`", "spread"]


@jax.jit
def _run(tile, x, d, keys):
    """Weights and pulses of a cell after a call."""

    def once(key):
        after = jt.update(tile, x, d, learning_rate=0.05, key=key)
        return after.weight, after.full_pulses

    return jax.vmap(once)(keys)


def measure(device, *, size: float, near: bool = False, runs: int = RUNS, side: int = SIZE) -> dict:
    """Errors of one pass, in units of `dw_min`.

    Returns:
        pulses: of a cell in the call, mean.
        rms, max: error of single cells, without cycle noise, over the runs.
        share: rms, of the mean size of the change.
        drift, drift_se: mean of the error away from zero over all cells and runs, with cycle noise of 0.3, and its standard error.
        spread: standard deviation of a weight from run to run over that of vector by vector.
    """
    rng = np.random.default_rng(0)
    place = rng.choice([-1, 1], (side, side)) * rng.uniform(0.9, 1, (side, side)) if near else rng.uniform(-0.9, 0.9, (side, side))
    x = jnp.asarray(rng.uniform(0, 1, (VECTORS, side)) * (rng.random((VECTORS, side)) < 0.2), jnp.float32)
    d = jnp.asarray(size * rng.normal(size=(VECTORS, side)), jnp.float32)

    def ends(order: str, sigma: float):
        tile = jt.init(jt.TileConfig(device=device(order=order, dw_min_std=sigma)), (side, side), key=jr.key(0))
        low, high = (tile.device.clip(tile.cells, jnp.full((side, side), far)) for far in (-jnp.inf, jnp.inf))
        weight = jnp.asarray(place, jnp.float32)
        tile = jt.set_weights(tile, jnp.where(weight > 0, weight * high, -weight * low))
        after, pulses = _run(tile, x, d, jr.split(jr.key(1), runs))
        return np.asarray(after, np.float64) / DW_MIN, np.asarray(tile.weight, np.float64) / DW_MIN, float(jnp.mean(pulses))

    (together, _, pulses), (apart, start, _) = ends("batch", 0.0), ends("aggregate", 0.0)
    noisy, noisy_apart = (ends(order, 0.3)[0] for order in ("batch", "aggregate"))
    error, outward = together - apart, np.mean((noisy - noisy_apart) * np.sign(place), axis=(1, 2))
    variance = [np.mean(np.var(w, axis=0, ddof=1)) for w in (noisy, noisy_apart)]
    rms = float(np.sqrt(np.mean(error**2)))
    return {
        "pulses": pulses,
        "rms": rms,
        "max": float(np.abs(error).max()),
        "share": rms / float(np.sqrt(np.mean((apart - start) ** 2))),
        "drift": float(outward.mean()),
        "drift_se": float(outward.std(ddof=1) / np.sqrt(runs)),
        "spread": float(np.sqrt(variance[0] / variance[1])),
    }


def main() -> None:
    rows = []
    for name in KINDS:
        device, near = DEVICES[name]
        for size in SIZES:
            e = measure(device, size=size, near=near)
            rows.append(
                f"| {name} | {e['pulses']:.2g} | {e['rms']:.2g} | {e['max']:.2g} | {e['share']:.1%} | "
                f"{e['drift']:+.3f} ± {e['drift_se']:.3f} | {e['spread']:.3f} |"
            )
            print(rows[-1], flush=True)
    stored.replace(
        "explanation/aggregate.md", "batch", "\n".join([f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", *rows])
    )


def small():
    """Pulses, error and drift of soft bounds on small tiles."""
    e = measure(jt.device.SoftBounds, size=0.1, runs=12, side=8)
    return {"drift": [e["drift"], e["drift_se"]]}


if __name__ == "__main__":
    stored.run(small, main)
