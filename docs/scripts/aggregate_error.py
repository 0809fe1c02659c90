"""Measure what `order="aggregate"` gives up against `order="slot"`, and write the table of `docs/explanation/aggregate.md`.

    python docs/scripts/aggregate_error.py

A tile of 24 x 24 devices, fabricated with the default spread, starts with weights anywhere in the inner nine tenths of
the range of each device ("near bounds": in the outer tenth). It gets one batch: 8 dense vectors, or all 24 unit
vectors, with entries of d (and of dense x) uniform in [-1, 1] and 31 pulses for the strongest pair. Both orders get the
same keys, and so the same trains.
"""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import stored

import jaxtile as jt

SIZE, DENSE, RUNS = 24, 8, 48
# Steps that saturate, as they might be measured; its noise is relative to a step of one.
STATES = np.linspace(-0.6, 0.6, 13)
TABLE = {
    **{"state": STATES, "up": 1e-3 * (1 - np.tanh(2 * STATES) / 2), "down": 1e-3 * (1 + np.tanh(2 * STATES) / 2)},
    **{"up_noise": np.full(13, 1e-3), "down_noise": np.full(13, 1e-3)},
}
USUAL_SPREAD = {"dw_min_dtod": 0.3, "up_down_dtod": 0.01, "w_max_dtod": 0.3, "w_min_dtod": 0.3}
DEVICES = {
    "constant step": (jt.device.ConstantStep, False),
    "constant step, near bounds": (jt.device.ConstantStep, True),
    "linear step": (partial(jt.device.LinearStep, gamma_up=0.5, gamma_down=0.5), False),
    "soft bounds": (jt.device.SoftBounds, False),
    "soft bounds, reference": (partial(jt.device.SoftBoundsReference, reference_std=0.05, subtract_symmetry_point=True), False),
    "exponential step": (jt.device.ExpStep, False),
    "power step": (partial(jt.device.PowStep, pow_gamma=1.5), False),
    "power step, reference": (
        partial(jt.device.PowStepReference, pow_gamma=1.2, reference_std=0.05, subtract_symmetry_point=True),
        False,
    ),
    "piecewise step": (
        partial(jt.device.PiecewiseStep, piecewise_up=(1.5, 1.0, 0.7, 0.2), piecewise_down=(0.3, 1.0, 0.8, 1.2)),
        False,
    ),
    "table": (lambda **numbers: jt.device.Table(**TABLE, **USUAL_SPREAD, **numbers), False),
    "soft bounds, write noise": (
        lambda **numbers: jt.device.WriteNoise(jt.device.SoftBounds(**numbers), write_noise_std=2.0),
        False,
    ),
    "one-sided pair, soft bounds": (lambda **numbers: jt.device.OneSided(jt.device.SoftBounds(**numbers)), False),
}
KAPPAS = (10, 100, 1000)
BATCHES = ("dense", "one-hot")
DW_MIN, RANGE = 1e-3, 1.2
COLUMNS = [
    *("device", "kappa", "batch", "rms / `dw_min`", "largest / `dw_min`", "rms / range"),
    *("drift / `dw_min`", "spread", "mean field / `dw_min`"),
]


@jax.jit
def _run(tile, x, d, keys):
    """The weights that are read, and those that pulses move."""

    def once(key):
        after = jt.update(tile, x, d, learning_rate=31 * DW_MIN, key=key)
        return after.weight, after.device.held(after.state)

    return jax.vmap(once)(keys)


def measure(device, *, near: bool, kappa: float, batch: str, runs: int = RUNS, size: int = SIZE) -> dict:
    """Errors of the aggregate order and of mean-field pulses, in units of `dw_min`.

    Returns:
        rms, max: of single cells, without cycle noise, over the runs.
        drift, drift_se: mean of the error away from zero over all cells and runs, with cycle noise of 0.3, and its standard error.
        spread: standard deviation of a weight from run to run (trains, cycle noise and write noise), over that of the slot order.
        field, field_se: as drift, of mean-field pulses against the slot order's mean.
    """
    rng = np.random.default_rng(0)
    place = (
        rng.uniform(-0.9, 0.9, (size, size)) if not near else rng.choice([-1, 1], (size, size)) * rng.uniform(0.9, 1, (size, size))
    )
    k = DENSE if batch == "dense" else size
    d = jnp.asarray(rng.uniform(-1, 1, (k, size)), jnp.float32)
    x = jnp.asarray(rng.uniform(-1, 1, (k, size)), jnp.float32) if batch == "dense" else jt.UnitVectors(jnp.arange(size), size)
    keys = jr.split(jr.key(1), runs)

    def ends(order: str, sigma: float, keys, pulse=jt.pulse.StochasticCompressed):
        half_select = jt.half_select.ConstantRatio(kappa=kappa)
        config = jt.TileConfig(device=device(order=order, dw_min_std=sigma), pulse=pulse(), half_select=half_select)
        tile = jt.init(config, (size, size), key=jr.key(0))
        low, high = (tile.device.clip(tile.cells, jnp.full((size, size), far)) for far in (-jnp.inf, jnp.inf))
        weight = jnp.asarray(place, jnp.float32)
        tile = jt.set_weights(tile, jnp.where(weight > 0, weight * high, -weight * low))
        return [np.asarray(weight, np.float64) / DW_MIN for weight in _run(tile, x, d, keys)]

    error = ends("aggregate", 0.0, keys)[1] - ends("slot", 0.0, keys)[1]
    (read_together, together), (read_apart, apart) = ends("aggregate", 0.3, keys), ends("slot", 0.3, keys)
    outward, outward_field = (
        np.mean((mean - apart) * np.sign(place), axis=(1, 2))
        for mean in (together, ends("aggregate", 0.3, keys[:1], jt.pulse.MeanField)[1])
    )
    variance = [np.mean(np.var(w, axis=0, ddof=1)) for w in (read_together, read_apart)]
    return {
        "rms": float(np.sqrt(np.mean(error**2))),
        "max": float(np.abs(error).max()),
        "drift": float(outward.mean()),
        "drift_se": float(outward.std(ddof=1) / np.sqrt(runs)),
        "spread": float(np.sqrt(variance[0] / variance[1])),
        "field": float(outward_field.mean()),
        "field_se": float(outward_field.std(ddof=1) / np.sqrt(runs)),
    }


def main() -> None:
    rows = []
    for name, (device, near) in DEVICES.items():
        for batch in BATCHES:
            for kappa in KAPPAS:
                e = measure(device, near=near, kappa=kappa, batch=batch)
                rows.append(
                    f"| {name} | {kappa} | {batch} | {e['rms']:.2g} | {e['max']:.2g} | {e['rms'] * DW_MIN / RANGE:.1e} | "
                    f"{e['drift']:+.3f} ± {e['drift_se']:.3f} | {e['spread']:.3f} | "
                    f"{e['field']:+.3f} ± {e['field_se']:.3f} |"
                )
                print(rows[-1], flush=True)
    stored.replace(
        "explanation/aggregate.md", "measured", "\n".join([f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", *rows])
    )


def small():
    """Drift of the default order and of mean-field pulses, on soft bounds and small tiles."""
    found = {batch: measure(jt.device.SoftBounds, near=False, kappa=10, batch=batch, runs=12, size=8) for batch in BATCHES}
    return {f"{name}, {batch}": [e[name], e[f"{name}_se"]] for batch, e in found.items() for name in ("drift", "field")}


if __name__ == "__main__":
    stored.run(small, main)
