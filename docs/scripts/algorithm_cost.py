"""Time steps of algorithms against plain descent, here and in aihwkit, for docs/explanation/algorithms.md.

    python docs/scripts/algorithm_cost.py    # a minute on an idle machine, then the table

A batch of ten on 256 x 784 soft bounds with at most five pulses. The best of several steps of one tile.
"""

import dataclasses
import time
from collections.abc import Callable

import jax
import jax.random as jr
import numpy as np
import stored
import torch
from aihwkit.simulator.configs import DigitalRankUpdateRPUConfig, SingleRPUConfig, UnitCellRPUConfig
from aihwkit.simulator.configs.compounds import DynamicTransferCompound, MixedPrecisionCompound
from aihwkit.simulator.configs.devices import SoftBoundsDevice
from aihwkit.simulator.parameters.training import UpdateParameters
from aihwkit.simulator.tiles.analog import AnalogTile

import jaxtile as jt
from bridge import tile_config

BATCH, OUT, WIDTH, RATE, STEPS = 10, 256, 784, 0.1, 12
DEVICE = SoftBoundsDevice()


def agad(**numbers):
    """AGAD whose fast rate and granularity are those of its presets."""
    own = {"auto_scale": True, "fast_lr": 0.1, "auto_granularity": 500.0}
    return UnitCellRPUConfig(device=DynamicTransferCompound([DEVICE, DEVICE], **own | numbers))


CASES = {
    "SGD": SingleRPUConfig(device=DEVICE),
    "AGAD, a transfer after each vector": agad(units_in_mbatch=False),
    "AGAD, one after each batch": agad(units_in_mbatch=True),
    "mixed precision": DigitalRankUpdateRPUConfig(device=MixedPrecisionCompound(device=DEVICE)),
}


def vectors() -> tuple[np.ndarray, np.ndarray]:
    """Activations, and errors of a trained network: most of them are small."""
    rng = np.random.default_rng(0)
    x, d = rng.uniform(0, 1, (BATCH, WIDTH)), 0.1 * rng.normal(size=(BATCH, OUT)) ** 3
    return x.astype("f4"), d.astype("f4")


def best(step: Callable[[], None]) -> float:
    """The shortest time of a step in milliseconds."""
    step()
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times[2:])


def there(config) -> float:
    """A step of aihwkit."""
    tile, (x, d) = AnalogTile(OUT, WIDTH, config, bias=False), map(torch.from_numpy, vectors())
    tile.tile.set_learning_rate(RATE)
    return best(lambda: tile.tile.update(x, d, False))


def in_order(device, order: str):
    """The same device, or those of a cell, in another order."""
    if hasattr(device, "devices"):
        return dataclasses.replace(device, devices=tuple(in_order(one, order) for one in device.devices))
    if hasattr(device, "device"):
        return dataclasses.replace(device, device=in_order(device.device, order))
    return dataclasses.replace(device, order=order)


def here(config, order: str) -> float:
    """A step of jaxtile."""
    config, (x, d) = tile_config(config), vectors()
    config = dataclasses.replace(config, device=in_order(config.device, order))
    update, held = jax.jit(jt.update), [jt.init(config, (OUT, WIDTH), key=jr.key(0))]

    def step() -> None:
        held[0] = jax.block_until_ready(update(held[0], x, d, learning_rate=RATE, key=jr.key(1)))

    return best(step)


def main() -> None:
    """Measure, and write the table into the page."""
    torch.set_num_threads(1)
    rows = []
    for name, config in CASES.items():
        config.update = UpdateParameters(desired_bl=5)
        found = [here(config, "batch"), here(config, "aggregate"), there(config)]
        rows.append(f"| {name} | {' | '.join(f'{ms:.1f}' for ms in found)} |")
        print(rows[-1], flush=True)
    head = "| a batch of ten, in milliseconds | jaxtile, one pass | jaxtile, vector by vector | aihwkit |\n|---|---|---|---|"
    stored.replace("explanation/algorithms.md", "cost", "\n".join([head, *rows]))


if __name__ == "__main__":
    main()
