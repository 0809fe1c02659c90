"""The works that are timed: what jaxtile does, what its rivals do for the same, and the ratios that were asked for."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.sharding import NamedSharding, PartitionSpec

import jaxtile as jt

from . import rivals
from .networks import NETWORKS
from .timing import Side
from .training import TRAINING
from .work import KEY, SQUARE, Again, Work, many_keys, tile_of

__all__ = ["WORKS"]

LAYER = (300, 500)
EVERY = "all lines pulse, in a loop under `jit`"
PROGRAMMING = "steps in a loop under `jit`, nothing recorded"
READING = "default periphery, call by call under `jit`"


def vectors(k: int | None = None):
    """Entries of x and d, evenly from -1 to 1."""
    shape = (512,) if k is None else (k, 512)
    return jr.uniform(jr.key(1), shape, minval=-1), jr.uniform(jr.key(2), shape, minval=-1)


def pulsed(x, d, times=20, **config):
    """Updates by x and d, as a method makes them: in a loop."""
    step = Again(tile_of(SQUARE, **config), lambda tile, key: jt.update(tile, x, d, learning_rate=0.1, key=key), times)
    return Side(step, share=times)


def naive(x, d):
    """The same in naive JAX."""
    weight, *cells = rivals.naive_cells(SQUARE, KEY)
    state, keys = {"weight": weight}, many_keys()

    def call():
        state["weight"] = rivals.naive_update(state["weight"], tuple(cells), x, d, 0.1, next(keys))
        return state["weight"]

    return Side(call)


def dense():
    x, d = vectors()
    return {
        "jaxtile": lambda: pulsed(x, d),
        "jaxtile, call by call": lambda: pulsed(x, d, times=1),
        "aihwkit": lambda: Side(rivals.aihwkit_update(rivals.aihwkit_tile(SQUARE), x, d, 0.1)),
        "torch": lambda: Side(rivals.torch_update(SQUARE, x, d, 0.1)),
        "naive JAX": lambda: naive(x, d),
    }


def batch():
    (x, d), part = vectors(128), 16
    return {
        "jaxtile": lambda: pulsed(x, d, times=1),
        "aihwkit": lambda: Side(rivals.aihwkit_update(rivals.aihwkit_tile(SQUARE), x[:part], d[:part], 0.1), share=part / 128),
        "torch": lambda: Side(rivals.torch_update(SQUARE, x[:part], d[:part], 0.1), share=part / 128),
    }


def soft_bounds():
    x, d = vectors()

    def aihwkit():
        from aihwkit.simulator.configs import SoftBoundsDevice

        return Side(rivals.aihwkit_update(rivals.aihwkit_tile(SQUARE, SoftBoundsDevice()), x, d, 0.1))

    return {"jaxtile": lambda: pulsed(x, d, device=jt.device.SoftBounds()), "aihwkit": aihwkit}


def low_rank(shape, rank, norm):
    return jt.targets.low_rank(shape, rank=rank, spectral_norm=norm, key=jr.key(4))


def gdp():
    target, units = low_rank(LAYER, 20, 3.0), jt.UnitVectors(jnp.arange(LAYER[1]), LAYER[1])

    def step(tile, key):
        read_key, pulse_key = jr.split(key)
        error = jt.forward(tile, units, key=read_key) - target.T
        return jt.update(tile, units, error, learning_rate=1.0, key=pulse_key)

    return {
        "jaxtile": lambda: Side(Again(tile_of(LAYER), step, times=20), share=20),
        "aihwkit": lambda: Side(rivals.aihwkit_gdp_step(rivals.aihwkit_tile(LAYER), target)),
    }


def svd(steps=64):
    target, tile, keys = low_rank(LAYER, 20, 3.0), tile_of(LAYER), many_keys()

    @jax.jit
    def program(tile, target, key):
        return jt.program(tile, target, jt.SVD(), key=key, max_steps=steps, tolerance=0.0, record=()).weight

    return {
        "jaxtile": lambda: Side(lambda: program(tile, target, next(keys)), share=steps),
        "aihwkit and torch": lambda: Side(rivals.aihwkit_svd_step(rivals.aihwkit_tile(LAYER), target)),
        "torch": lambda: Side(rivals.torch_svd_step(target)),
    }


def many_tiles(tiles=1024, steps=64):
    target = low_rank((64, 64), 8, 2.0)

    def aihwkit_tile():
        step = rivals.aihwkit_svd_step(rivals.aihwkit_tile((64, 64)), target)
        return Side(lambda: [step() for _ in range(steps)], share=1 / tiles)

    run = jt.Programming(jt.SVD(), max_steps=steps, tolerance=0.0)

    def block(keys):  # as a sweep runs them: fabricate, program, and report all errors and pulses, on each device its share
        return jax.vmap(lambda key: run(jt.init(jt.TileConfig(), (64, 64), key=key), target, key))(keys)

    mesh, along = jax.make_mesh((jax.device_count(),), ("tiles",)), PartitionSpec("tiles")
    everywhere = jax.jit(jax.shard_map(block, mesh=mesh, in_specs=along, out_specs=along, check_vma=False))
    blocks = [jax.device_put(keys, NamedSharding(mesh, along)) for keys in jr.split(KEY, (tiles // 256, 256))]
    return {
        "jaxtile": lambda: Side(lambda: [everywhere(keys) for keys in blocks]),
        "aihwkit and torch": aihwkit_tile,
    }


def forward():
    x, _ = vectors(128)
    tile, keys = jt.set_weights(tile_of(SQUARE), jr.uniform(KEY, SQUARE, minval=-0.3, maxval=0.3)), many_keys()
    # What is closed over is a constant, which XLA would compute with while it compiles.
    read = jax.jit(lambda tile, x, key: jt.forward(tile, x, key=key))
    return {
        "jaxtile": lambda: Side(lambda: read(tile, x, next(keys))),
        "aihwkit": lambda: Side(rivals.aihwkit_forward(rivals.aihwkit_tile(SQUARE), x)),
    }


def half_selection():
    x, d = vectors()
    half_select = jt.half_select.ConstantRatio(kappa=100.0)
    return {"jaxtile": lambda: pulsed(x, d, half_select=half_select), "without": lambda: pulsed(x, d)}


WORKS = {
    "dense": Work("one dense update, 512 x 512, 31 slots, constant step", EVERY, dense, 50, 100),
    "batch": Work("the same, batch of 128, one after another", EVERY, batch, 50, 100),
    "soft-bounds": Work("one dense update, soft bounds", EVERY, soft_bounds, 50, 90),
    "gdp": Work("one GDP step on 500 unit vectors, 300 x 500", PROGRAMMING, gdp, 80, 120),
    "svd": Work("one SVD step, 300 x 500, rank 20", PROGRAMMING, svd, 30, 50, ("aihwkit and torch",)),
    "many-tiles": Work(
        "1024 tiles of 64 x 64, SVD, 64 steps each, on two devices of one core each",
        "a sweep: fabricated and programmed, all errors and pulses recorded",
        many_tiles,
        30,
        60,
        ("aihwkit and torch",),
        flags="--xla_force_host_platform_device_count=2",
    ),
    "forward": Work("forward, 512 x 512, batch of 128", READING, forward, 1, 2),
    "half-selection": Work("half-selection on, dense 512 x 512", EVERY, half_selection, 1 / 1.15, 1 / 1.05, ("without",)),
    **NETWORKS,
    **TRAINING,
}
