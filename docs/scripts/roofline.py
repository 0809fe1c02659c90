"""What bounds the hot loops on accelerators: operations and bytes of a cell by XLA's cost analysis, and the rates that follow.

    python docs/scripts/roofline.py           # writes the table of docs/records/roofline.md
    python docs/scripts/roofline.py --small   # operations and bytes of smaller tiles, which a test repeats

A step is compiled for the processor at hand, as users compile it: `now` is given away, the chip stays. XLA counts what
each fused kernel reads and writes, and the operations of the products; the body of a loop counts once, and LAPACK not
at all. Of the two passes that an update has, one for few rows and one for all, both count; only one runs.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import stored

import jaxtile as jt

KEY = jr.key(0)
MACHINES = {"H200": (4.8e12, 67e12), "TPU v5e": (819e9, 197e12)}  # bytes and operations a second
RUNS = 15
TESTS = "JAX_DISABLE_MOST_OPTIMIZATIONS"  # set where optimisations are off


class Loop(NamedTuple):
    """A step of a hot loop.

    Attributes:
        step: (what stays, what changes, key) -> what changes.
        fixed, moving: what stays, and what changes.
        cells: cells that it pulses or reads.
    """

    step: Callable[..., Any]
    fixed: Any
    moving: Any
    cells: int

    def compile(self) -> Any:
        """The compiled step, with what changes given away."""
        return jax.jit(self.step, donate_argnums=1).lower(self.fixed, self.moving, KEY).compile()


def updated(shape, x, d, **config) -> Loop:
    """An update."""
    tile = jt.init(jt.TileConfig(**config), shape, key=KEY)

    def step(chip, now, key):
        return jt.update(jt.Tile(tile.config, chip, now), x, d, learning_rate=0.1, key=key).now

    return Loop(step, tile.chip, tile.now, np.prod(shape))


def programmed(shape, method, tiles: int | None = None) -> Loop:
    """A step of programming by hand, of one tile or of several together."""
    config, target = jt.TileConfig(), jt.targets.low_rank(shape, rank=8, spectral_norm=2.0, key=KEY)
    tile = jt.init(config, shape, key=KEY)
    state = method.init(jt.Datasheet.of(config, shape), target)

    def step(chip, moving, key):
        now, state = moving
        stands, (read_key, propose_key, update_key) = jt.Tile(config, chip, now), jr.split(key, 3)
        reading = jt.programming.read(stands, method.probe(state), read_key)
        (x, d), state = method.propose(reading, target, state, propose_key)
        return jt.update(stands, x, d, learning_rate=method.learning_rate, key=update_key).now, state

    if tiles is None:
        return Loop(step, tile.chip, (tile.now, state), np.prod(shape))
    chip, moving = jax.tree.map(lambda leaf: jnp.tile(leaf, (tiles,) + leaf.ndim * (1,)), (tile.chip, (tile.now, state)))
    return Loop(jax.vmap(step, in_axes=(0, 0, None)), chip, moving, tiles * np.prod(shape))


def read(shape, x) -> Loop:
    """A read."""
    return Loop(lambda tile, _, key: jt.forward(tile, x, key=key), jt.init(jt.TileConfig(), shape, key=KEY), None, np.prod(shape))


def trained(widths, batch: int, order: str) -> Loop:
    """A step of training."""
    config = jt.TileConfig(jt.device.ConstantStep(order=order))
    layers = []
    for n, (width, out) in enumerate(zip(widths, widths[1:], strict=False)):
        layers += [jt.nn.Linear(width, out, config, key=jr.fold_in(KEY, n)), jax.nn.sigmoid]
    model, optimizer = jt.nn.Sequential(layers[:-1]), jt.nn.Optimizer(0.05, digital=optax.sgd(0.05))
    arrays, rest = eqx.partition((model, optimizer.init(model)), eqx.is_array)
    x, y = jr.uniform(KEY, (batch, widths[0])), jnp.arange(batch, dtype=jnp.int32) % widths[-1]

    def step(_, arrays, key):
        model, state = eqx.combine(arrays, rest)
        _, gradients = jt.nn.value_and_grad(jt.nn.cross_entropy)(model, x, y, key=key)
        return eqx.filter(optimizer.step(model, gradients, state, key=key), eqx.is_array)

    return Loop(step, None, arrays, sum(width * out for width, out in zip(widths, widths[1:], strict=False)))


def hot_loops(
    side: int = 512, layer=(300, 500), tiles: int = 128, small: int = 64, batch: int = 64
) -> dict[str, Callable[[], Loop]]:
    """The hot loops, by name; each is made when it is called."""
    x, d = (jr.uniform(jr.key(n), (batch, side), minval=-1) for n in (1, 2))
    square, half = (side, side), jt.half_select.ConstantRatio(kappa=100.0)
    return {
        "update, constant step": lambda: updated(square, x[0], d[0]),
        "update, soft bounds": lambda: updated(square, x[0], d[0], device=jt.device.SoftBounds()),
        "update, half-selection": lambda: updated(square, x[0], d[0], half_select=half),
        f"update, {batch} vectors one after another": lambda: updated(square, x, d),
        f"update, {batch} vectors in one pass": lambda: updated(square, x, d, device=jt.device.ConstantStep(order="batch")),
        f"read of {batch} vectors": lambda: read(square, x),
        "a step of GDP": lambda: programmed(layer, jt.GDP()),
        "a step of SVD": lambda: programmed(layer, jt.SVD()),
        "a step of SVD, many small tiles": lambda: programmed((small, small), jt.SVD(), tiles),
        "a step of training, vector by vector": lambda: trained((side, side // 2, 10), 10, "aggregate"),
        "a step of training, in one pass": lambda: trained((side, side // 2, 10), 10, "batch"),
    }


def costs(loop: Loop) -> tuple[float, float]:
    """Operations and bytes a cell."""
    found = loop.compile().cost_analysis()
    return found["flops"] / loop.cells, found["bytes accessed"] / loop.cells


def seconds(loop: Loop) -> float:
    """Median time of a step here."""
    compiled, moving, times = loop.compile(), jax.tree.map(jnp.copy, loop.moving), []
    for n in range(2 * RUNS):
        key = jax.block_until_ready(jr.fold_in(KEY, n))
        start = time.perf_counter()
        after = jax.block_until_ready(compiled(loop.fixed, moving, key))
        times.append(time.perf_counter() - start)
        moving = None if moving is None else after
    return float(np.median(times[RUNS:]))


def small() -> dict:
    """Operations and bytes a cell of smaller tiles, and a tenth of each, by which versions of XLA may differ.

    The tests compile without most optimisations, and what XLA counts is another program then: so a process of its own.
    """
    if TESTS in os.environ:
        users = {name: value for name, value in os.environ.items() if name not in (TESTS, "XLA_FLAGS")}
        done = subprocess.run([sys.executable, __file__, "--small"], env=users, capture_output=True, text=True, check=True)
        return {name: value for name, value in json.loads(done.stdout).items() if name != "commit"}
    found = {}
    for name, make in hot_loops(side=96, layer=(60, 100), tiles=3, small=16, batch=8).items():
        if "training" not in name:
            for what, value in zip(("operations", "bytes"), costs(make()), strict=True):
                found[f"{name}: {what}"] = [value, value / 10]
    return found


def main() -> None:
    rates = " | ".join(f"{name}, at most" for name in MACHINES)
    rows = [
        f"| loop | operations a cell | bytes a cell | measured here | {rates} | bound there by |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, make in hot_loops().items():
        loop = make()
        operations, moved = costs(loop)
        here = loop.cells / seconds(loop)
        most = [min(bandwidth / moved, peak / operations) for bandwidth, peak in MACHINES.values()]
        bound = ["bytes" if bandwidth / moved < peak / operations else "operations" for bandwidth, peak in MACHINES.values()]
        said = bound[0] if len(set(bound)) == 1 else ", ".join(map(" on ".join, zip(bound, MACHINES, strict=True)))
        rows.append(
            f"| {name} | {operations:.3g} | {moved:.3g} | {here:.2g} | {' | '.join(f'{rate:.2g}' for rate in most)} | {said} |"
        )
    stored.replace("records/roofline.md", "rates", "\n".join(rows))


if __name__ == "__main__":
    stored.run(small, main)
