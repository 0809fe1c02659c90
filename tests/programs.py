"""Runs that tests of methods and chains program."""

import jax.random as jr

import jaxtile as jt

KEY = jr.key(7)
SHAPE = (6, 9)
PERFECT = jt.IOParameters(is_perfect=True)
EVEN = {"dw_min_dtod": 0.0, "up_down_dtod": 0.0, "dw_min_std": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0}


def low_rank(seed, shape=SHAPE, rank=2, norm=0.8):
    return jt.targets.low_rank(shape, rank, spectral_norm=norm, key=jr.key(seed))


TARGET = low_rank(1)


def make_tile(device=None, shape=SHAPE, seed=0, io=PERFECT, **config):
    device = jt.device.Ideal() if device is None else device
    return jt.init(jt.TileConfig(device=device, forward=io, backward=io, **config), shape, key=jr.key(seed))


def run(tile, target, method, max_steps, **options):
    return jt.program(tile, target, method, key=KEY, max_steps=max_steps, **{"tolerance": 0} | options)
