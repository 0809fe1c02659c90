"""Shared by the tests: catalogues of strategies, kinds of input, and gates for random numbers.

A new device or pulse type costs one line in its catalogue; every test that is true of all of them then covers it.
"""

import contextlib
import dataclasses
import os
import pathlib
import stat
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jaxtile as jt

DEVICES = {
    "constant": jt.device.ConstantStep,
    "linear": partial(jt.device.LinearStep, gamma_up=0.5, gamma_down=0.3),
    "linear, additive noise": partial(jt.device.LinearStep, gamma_up=0.5, gamma_down=0.3, mult_noise=False),
    "soft bounds": jt.device.SoftBounds,
    "soft bounds, additive noise": partial(jt.device.SoftBounds, mult_noise=False),
    "soft bounds, reversed": partial(jt.device.SoftBounds, reverse_up=True, reverse_down=True),
    "soft bounds, reference": partial(jt.device.SoftBoundsReference, reference_mean=0.05),
    "soft bounds, reference, multiplicative noise": partial(jt.device.SoftBoundsReference, reference_mean=-0.1, mult_noise=True),
    "exp": jt.device.ExpStep,
    "exp, noise of three parts": partial(jt.device.ExpStep, dw_min_std_add=0.01, dw_min_std_slope=0.02),
    "pow": partial(jt.device.PowStep, pow_gamma=1.4),
    "pow, reference": partial(jt.device.PowStepReference, pow_gamma=0.8, reference_mean=0.1),
    "table": partial(
        jt.device.Table,
        **{"state": (-0.6, -0.2, 0.1, 0.6), "up": (0.012, 0.01, 0.01, 0.002), "down": (0.003, 0.01, 0.01, 0.012)},
        **{"up_noise": (0.001, 0.004, 0.002, 0.003), "down_noise": (0.002, 0.001, 0.004, 0.001)},
    ),
    "piecewise": partial(jt.device.PiecewiseStep, piecewise_up=(1.5, 1.0, 0.7, 0.2), piecewise_down=(0.3, 1.0, 0.8, 1.2)),
}
AFFINE = tuple(name for name in DEVICES if name.startswith(("linear", "soft bounds")))
STATE_DEPENDENT = tuple(name for name in DEVICES if name != "constant")

TRAIN_PULSES = {"compressed": jt.pulse.StochasticCompressed, "stochastic": jt.pulse.Stochastic}
COUNT_PULSES = {"mean count": jt.pulse.MeanCount, "implicit": jt.pulse.DeterministicImplicit}
PULSES = {**TRAIN_PULSES, **COUNT_PULSES, "mean field": jt.pulse.MeanField}

SHAPE = (5, 7)
FLOAT = jnp.result_type(float).type  # single precision, or double with JAX_ENABLE_X64=1


def mostly_slow(names, *quick) -> list:
    """All cases, of which only the quick ones run by default; `-m slow` runs the rest."""
    assert set(quick) < set(names)
    return [name if name in quick else pytest.param(*_values(name), marks=pytest.mark.slow) for name in names]


def _values(case) -> tuple:
    return case if isinstance(case, tuple) else (case,)


def without_spread(name: str, **numbers) -> jt.device.AbstractPulsedDevice:
    """A device of the catalogue whose cells are all alike."""
    spreads = [field.name for field in dataclasses.fields(DEVICES[name]()) if field.name.endswith("_dtod")]
    return DEVICES[name](**dict.fromkeys(spreads, 0.0) | numbers)


# One compilation for each structure (device, pulse type, policy, shape); numbers such as kappa are leaves and cost none.
# (`jt.init` is called as it is: every device would have to be compiled anew.)
# Tests leave XLA's optimiser out (see `conftest`); `update_as_users_do` does not.


def _update(tile, x, d, learning_rate, key):
    return jt.update(tile, x, d, learning_rate=learning_rate, key=key)


OPTIMISED = {
    "xla_backend_optimization_level": 3,
    "xla_llvm_disable_expensive_passes": False,
    "xla_cpu_parallel_codegen_split_count": 32,
}
if "xla_cpu_use_fusion_emitters" in os.environ["XLA_FLAGS"]:  # see `conftest`
    OPTIMISED["xla_cpu_use_fusion_emitters"] = True
update_as_users_do = jax.jit(_update, compiler_options=OPTIMISED)
update = jax.jit(_update)


@jax.jit
def lines_of(pulse, granularity, x, d, learning_rate, key):
    """Lines of one pair of vectors, as `update` draws them."""
    x, d, learning_rate, granularity = (jnp.asarray(value, float) for value in (x, d, learning_rate, granularity))
    columns = jnp.arange(x.shape[0])
    return pulse.encode(x, d, learning_rate=learning_rate, granularity=granularity, key=key, columns=columns)


def vectors(kind: str, seed: int = 0, shape: tuple[int, int] = SHAPE, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """A batch of x [k, in] and d [k, out] of a kind that half-selection treats in its own way."""
    rng = np.random.default_rng(seed)
    out, width = shape
    x, d = rng.uniform(-1, 1, (k, width)), rng.uniform(-1, 1, (k, out))
    if kind == "one-signed x":
        x = np.maximum(x, 0)
    elif kind == "both one-signed":
        x, d = np.abs(x), -np.abs(d)
    elif kind == "zeros":
        x[rng.random(x.shape) < 0.4] = 0
        d[rng.random(d.shape) < 0.4] = 0
        x[1], d[2] = 0, 0
    elif kind == "one-hot":
        x = np.eye(width)[rng.permutation(width)[:k]]
    elif kind != "signed":
        raise ValueError(kind)
    return x.astype(FLOAT), d.astype(FLOAT)


INPUTS = ("signed", "one-signed x", "both one-signed", "zeros", "one-hot")


def random_tile(config: jt.TileConfig, shape: tuple[int, int] = SHAPE, seed: int = 0, fill: float = 0.9) -> jt.Tile:
    """A fabricated tile whose weights lie anywhere in the inner `fill` of each device's own range."""
    tile = jt.init(config, shape, key=jr.key(seed))
    place = np.random.default_rng(seed).uniform(-fill, fill, shape).astype(FLOAT)
    cells = tile.cells
    return jt.set_weights(tile, jnp.where(place > 0, place * cells.w_max, -place * cells.w_min))


def make_tile(device: str, pulse, half_select=None, *, shape: tuple[int, int] = SHAPE, fill: float = 0.9, **numbers) -> jt.Tile:
    """Such a tile of a device of the catalogue, with steps of 0.01 unless `numbers` has others."""
    device = DEVICES[device](**{"dw_min": 0.01} | numbers)
    return random_tile(jt.TileConfig(device=device, pulse=pulse, half_select=half_select), shape, fill=fill)


def ratio(kappa: float, phases: str = "all") -> jt.half_select.ConstantRatio:
    return jt.half_select.ConstantRatio(kappa=kappa, phases=phases)


def assert_mean(samples, expected, *, z: float = 4.5, axis: int = 0) -> None:
    """Independent samples have the expected mean, within z of their own standard errors (and a rounding error)."""
    samples = np.asarray(samples, np.float64)
    error = samples.std(axis=axis, ddof=1) / np.sqrt(samples.shape[axis])
    off = np.abs(samples.mean(axis=axis) - expected)
    rounding = 1e-6 * np.maximum(np.abs(expected), np.abs(samples).max(axis=axis))
    assert np.all(off <= z * error + rounding), (
        f"off by {np.max(off):.3g}, {np.max(off / (error + rounding / z)):.2f} standard errors"
    )


def assert_covariance(a, b, expected, *, z: float = 4.5, axis: int = 0) -> None:
    """Independent pairs of samples have the expected covariance (of a with itself: variance), within z standard errors."""
    assert_mean(_products(a, b, axis), expected, z=z, axis=axis)


def assert_std(samples, expected, *, z: float = 4.5) -> None:
    """Independent samples have the expected standard deviation."""
    assert_covariance(samples, samples, np.asarray(expected) ** 2, z=z)


def assert_same_moments(a: dict, b: dict, *, z: float = 4.5) -> None:
    """Two sets of samples of several variables agree in every mean, variance and covariance, within their joint standard errors."""
    for p in a:
        _assert_equal_means(p, a[p], b[p], z)
        for q in a:
            if p <= q:
                _assert_equal_means(f"{p} x {q}", _products(a[p], a[q]), _products(b[p], b[q]), z)


def assert_runs_agree(a, b, *, atol: float = 1e-5) -> None:
    """Nine in ten runs, the first axis of both, end with the same numbers up to rounding.

    Two compiled programs need not round alike, and a last bit may flip a pulse, from which
    on a run goes its own way. Programs that do something else do it in every run.
    """
    a, b = (np.asarray(runs).reshape(len(runs), -1) for runs in (a, b))
    agree = np.all(np.isclose(a, b, rtol=0, atol=atol), axis=1)
    assert np.mean(agree) >= 0.9, f"runs {np.flatnonzero(~agree).tolist()} of {len(agree)} differ"


def _products(a, b, axis: int = 0) -> np.ndarray:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    n = a.shape[axis]
    return (a - a.mean(axis=axis, keepdims=True)) * (b - b.mean(axis=axis, keepdims=True)) * (n / (n - 1))


def _assert_equal_means(name: str, a, b, z: float) -> None:
    a, b = np.ravel(np.asarray(a, np.float64)), np.ravel(np.asarray(b, np.float64))
    error = np.hypot(a.std() / np.sqrt(a.size), b.std() / np.sqrt(b.size))
    off = abs(a.mean() - b.mean())
    assert off <= z * error + 1e-6 * abs(b.mean()), (
        f"{name}: {a.mean():.6g} against {b.mean():.6g}, {off / (error + 1e-300):.2f} standard errors"
    )


@contextlib.contextmanager
def as_a_user(folder: pathlib.Path):
    """Run as a user, since root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    closed = [each for each in folder.parents if not each.stat().st_mode & stat.S_IXOTH]
    modes = [each.stat().st_mode for each in (folder, *closed)]
    for each in (folder, *closed):
        each.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for each, mode in zip((folder, *closed), modes, strict=True):
            each.chmod(mode)
