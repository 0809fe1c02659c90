"""A network on many tiles: one layer of 1024 tiles of 128 x 128, read and programmed as one batch.

python -m benchmarks --only network
python -m benchmarks.networks        # programming, and what compiles: calls, memory
"""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr

import jaxtile as jt

from .timing import Side
from .work import KEY, Work, many_keys

__all__ = ["NETWORKS"]

SIDE, MOST, BATCH = 4096, 128, 64


def layer(most=MOST, side=SIDE):
    """A layer on a grid of tiles, each with its own devices, converters and noise."""
    rule = jt.nn.Rule(jt.TileConfig(), max_shape=(most, most))
    return eqx.filter_jit(rule.place)(jr.uniform(KEY, (side, side), minval=-1), key=KEY)


def read(layer, x, key):
    """The layer for a batch."""
    return layer(x, key=key)


def forward():
    """The sides of the line."""
    x = jr.uniform(jr.key(1), (BATCH, SIDE), minval=-1)

    def jaxtile():
        held, keys, once = layer(), many_keys(), jax.jit(read)
        return Side(lambda: once(held, x, next(keys)))

    def aihwkit():
        import torch
        from aihwkit.simulator.configs import SingleRPUConfig
        from aihwkit.simulator.tiles.analog import AnalogTile

        lines = SIDE // MOST
        parts = torch.tensor(jax.device_get(x)).split(MOST, dim=1)
        tiles = [[AnalogTile(MOST, MOST, SingleRPUConfig()) for _ in range(lines)] for _ in range(lines)]
        weight = torch.tensor(jax.device_get(jr.uniform(KEY, (SIDE, SIDE), minval=-0.6, maxval=0.6)))
        for row, column in itertools.product(range(lines), range(lines)):
            tiles[row][column].set_weights(weight[row * MOST : (row + 1) * MOST, column * MOST : (column + 1) * MOST])

        def call():
            with torch.no_grad():
                return torch.cat([sum(tile.forward(part) for tile, part in zip(row, parts, strict=True)) for row in tiles], dim=1)

        return Side(call)

    return {"jaxtile": jaxtile, "aihwkit": aihwkit}


NETWORKS = {
    "network": Work(
        "forward, batch of 64, of a layer on 1024 tiles of 128 x 128",
        "default periphery, call by call under `jit`",
        forward,
        2,
        4,
    )
}


def mib(tree):
    """MiB of the arrays of a tree, or of its shapes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype")) / 2**20


def main() -> None:
    """Compile reading and programming, and print what XLA says of memory beside what has to be there."""
    held = jax.eval_shape(layer)
    x, key = jax.ShapeDtypeStruct((BATCH, SIDE), jnp.float32), jax.eval_shape(lambda: jr.key(0))

    @jax.jit
    def program(model, key):
        options = {"max_steps": 20, "start": "present", "with_record": True, "record": ("read_error",), "throw": False}
        solution = jt.nn.program(model, jt.ProgramVerify(), key=key, **options)[1]["model"]
        return solution.tile.now, solution.stats, solution.history  # the chip is the one that there was

    for name, compiled in {
        "forward": jax.jit(read).lower(held, x, key).compile(),
        "ProgramVerify": program.lower(held, key).compile(),
    }.items():
        memory = compiled.memory_analysis()
        inputs, outputs, temporary = (getattr(memory, f"{part}_size_in_bytes") / 2**20 for part in ("argument", "output", "temp"))
        print(f"{name}: one program; inputs {inputs:.0f} MiB, outputs {outputs:.0f} MiB, temporary {temporary:.0f} MiB")
    state = mib(held.tile.now)
    print(f"state {state:.0f} MiB, chip {mib(held.tile.tiles.chip):.0f} MiB, a normal for each cell {SIDE**2 * 4 / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
