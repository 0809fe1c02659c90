"""Time of a sample of each algorithm, from the counts of a run: Rasch et al. (2024), Table 1.

A pulse takes 5 ns, a read 40 ns, and 0.7 TFLOPS are shared by four tiles of 512 x 512. A transfer follows every second sample.
"""

import base
import jax
import jax.numpy as jnp
import jax.random as jr

import jaxtile as jt

SIZE, PULSE, READ, THROUGHPUT = 512, 5e-9, 40e-9, 0.7e12 / 4
PUBLISHED = {"SGD": 30.9, "TTv2": 56.3, "c-TTv2": 56.3, "AGAD": 62.1, "MP": 3024.5}
COSTS = jt.Costs(pulse_width=PULSE / 4, pulse_period=PULSE / 4, read_time=READ)  # a slot has four sub-phases
FIVE = jt.pulse.StochasticCompressed(desired_bl=5, update_bl_management=False)
ONE = jt.pulse.StochasticCompressed(desired_bl=1)


def config(name):
    device = jt.device.SoftBounds()
    every = {"transfer_every": 2.0, "units_in_mbatch": False}
    kinds = {"TTv2": {"in_chop_prob": 0.0}, "c-TTv2": {}}
    if name in kinds:
        return jt.TileConfig(jt.learning.ChoppedTransfer(2 * (device,), **kinds[name], **every), FIVE)
    if name == "AGAD":
        return jt.TileConfig(jt.learning.DynamicTransfer(2 * (device,), in_chop_prob=0.5, **every), FIVE)
    return jt.TileConfig(jt.learning.MixedPrecision(device), ONE) if name == "MP" else jt.TileConfig(device, FIVE)


def times(name, *, size=SIZE, batch=100):
    """Nanoseconds of a sample: pulses, reads and digital operations. AGAD writes nothing in its first passes, which are skipped."""
    tile = jt.init(config(name), (size, size), key=jr.key(0))
    skipped = 6 * size // batch + 1 if name == "AGAD" else 1
    x, d = jr.normal(jr.key(1), (2, batch, size))

    def update(tile, n):
        return jt.update(tile, x, d, learning_rate=0.1, key=jr.fold_in(jr.key(2), n)), None

    before, _ = jax.lax.scan(update, tile, jnp.arange(skipped))
    after, _ = update(before, skipped)
    sent = jax.tree.map(jnp.subtract, after.tally, before.tally)
    none = jnp.zeros(())
    seconds = [COSTS.time({"phases": sent.phases, "reads": none}), COSTS.time({"phases": none, "reads": sent.reads})]
    operations = tile.device.operations(tile.shape, batch)
    return [1e9 * float(part) for part in (*(s / batch for s in seconds), operations / THROUGHPUT)]


def small():
    """Plain descent, whose time holds no draw."""
    return base.Main(PUBLISHED["SGD"], sum(times("SGD", batch=10)), 0.05)


def section():
    rows = []
    for name, published in PUBLISHED.items():
        parts = base.measure("rasch_times", {"algorithm": name}, lambda name=name: {"ns": times(name)})["ns"]
        rows.append([name, published, f"{sum(parts):.1f}", *(f"{ns:.1f}" for ns in parts)])
    return {
        "result": "[Time of a sample](#time-of-a-sample), in ns: SGD / TTv2 / c-TTv2 / AGAD / mixed precision",
        "source": "Rasch 2024, Table 1",
        "published": " / ".join(map(str, PUBLISHED.values())),
        "ours": " / ".join(row[2] for row in rows),
        "aihwkit": "–",
        "verdict": "five numbers from one fitted: a tile has a quarter of the 0.7 TFLOPS;"
        " with all of it 26.5 / 49.7 / 49.7 / 51.2 / 775",
    }, base.table(["algorithm", "published", "counted", "pulses", "reads", "digital"], rows)


if __name__ == "__main__":
    base.run(small, section)
