"""Shared by the tests of sweeps: a configuration, a target, and runs that are quick to compile."""

import jax.numpy as jnp
import jax.random as jr
import xarray as xr

import jaxtile as jt

KEY = jr.key(5)
SHAPE = (5, 6)
CONFIG = jt.TileConfig(half_select=jt.half_select.ConstantRatio(kappa=30.0))
TARGET = 0.1 * jr.normal(jr.key(1), SHAPE)
KAPPAS = [10.0, 100.0]
POINTS = {"over": {"half_select.kappa": KAPPAS}, "chips": 5}


def pulsed(tile, target, key):
    """One update: as little to compile as what pulses, draws and depends on a number can be."""
    error = jt.get_weights(jt.update(tile, target[0], -target[:, 0], learning_rate=1.0, key=key)) - target
    return {"frobenius_error": jnp.linalg.norm(error)}


def drawn(tile, target, key):
    """Quick to trace: each of many processes does."""
    return {"product": target @ jr.normal(key, SHAPE[1:]), "w_max": tile.cells.w_max}


def same(a, b):
    xr.testing.assert_identical(a.drop_attrs(), b.drop_attrs())
