"""Configurations whose results from fixed keys are stored, and what is run with each of them.

Every number that a default could change is written out, so that only a change of what the
code computes changes a result.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np

import jaxtile as jt
from jaxtile.device import (
    All,
    ConstantStep,
    Drifting,
    ExpStep,
    Ideal,
    LinearStep,
    OneSided,
    PiecewiseStep,
    PowStep,
    PowStepReference,
    ReferenceCell,
    Refresh,
    SingleFixed,
    SingleRandom,
    SingleSequential,
    SoftBounds,
    SoftBoundsPmax,
    SoftBoundsReference,
    Table,
    VectorCell,
    WriteNoise,
)
from jaxtile.half_select import Accumulation, ConstantRatio, Sinh, Stochastic, Threshold

__all__ = ["CONFIGURATIONS", "NAMES", "NOISE_MODELS", "Configuration", "results"]

SHAPE = (6, 9)
SIZE = {"dw_min": 0.01}
AGE = {"lifetime": 30.0, "lifetime_dtod": 0.1, "diffusion": 0.01, "diffusion_dtod": 0.2, "reset": 0.05, "reset_dtod": 0.02}
STEP, SOFT, LINEAR = ConstantStep(**SIZE, **AGE), SoftBounds(**SIZE, **AGE), LinearStep(**SIZE, gamma_up=0.5, gamma_down=0.3)
RATIO = ConstantRatio(kappa=30.0, scheme="V/2", phases="all")
SVD = jt.SVD(refresh=True, solver="power", triplets=1)
GDP = jt.GDP(learning_rate=0.5, inputs="eye", reads=1)
VERIFY = {"digits": 3, "reads": 1}


class Configuration(NamedTuple):
    """One line of the table: the hardware, and how it is programmed."""

    hardware: jt.TileConfig
    method: Any = GDP
    compensation: Any = None
    drifts: bool = False
    counts: bool = False


def of(device, method: Any = GDP, *, compensation=None, drifts=False, counts=False, **hardware) -> Configuration:
    return Configuration(jt.TileConfig(device=device, **hardware), method, compensation, drifts, counts)


TABLE = {
    "state": (-0.6, -0.2, 0.1, 0.6),
    "up": (0.012, 0.01, 0.01, 0.002),
    "down": (0.003, 0.01, 0.01, 0.012),
    "up_noise": (0.001, 0.004, 0.002, 0.003),
    "down_noise": (0.002, 0.001, 0.004, 0.001),
}
NOISY = jt.IOParameters(
    mv_type=jt.periphery.PosNegSeparate(),
    inp_noise=0.01,
    out_noise=0.02,
    out_noise_std=0.1,
    out_asymmetry=0.05,
    w_noise=jt.periphery.AdditiveConstant(w_noise=0.01),
    v_offset=jt.periphery.VoltageOffset(v_offset_std=0.01, r_series=0.01),
    out_nonlinearity=jt.periphery.OutputNonlinearity(out_nonlinearity=0.1, out_nonlinearity_std=0.2),
    noise_management=jt.periphery.AbsMaxNPSum(nm_assumed_wmax=0.6, max_bm_res=0.25),
    ir_drop=jt.periphery.IRDrop(ir_drop=1.0),
)
REMEMBERING = jt.IOParameters(noise_management=jt.periphery.AverageAbsMax(nm_decay=0.1), bound_management=None)

CONFIGURATIONS = {
    # Laws of a step, each with another pulse type, disturb model and method.
    "constant step": of(ConstantStep(**SIZE, **AGE, corrupt_devices_prob=0.1, perfect_bias=True), SVD),
    "linear step": of(
        LINEAR,
        compensation=jt.compensation.Gain(),
        pulse=jt.pulse.Stochastic(desired_bl=31, update_bl_management=False),
        half_select=RATIO,
    ),
    "linear step, additive noise": of(
        LinearStep(**SIZE, gamma_up=0.5, gamma_down=0.3, mult_noise=False),
        jt.GDP(learning_rate=0.5, batch_size=4, inputs="eye", reads=2),
        pulse=jt.pulse.MeanCount(desired_bl=31),
        half_select=ConstantRatio(kappa=30.0, scheme="V/3", phases="active"),
    ),
    "soft bounds": of(
        SOFT,
        jt.GDP(learning_rate=0.05, inputs="hadamard", reads=1),
        pulse=jt.pulse.DeterministicImplicit(desired_bl=31),
        half_select=ConstantRatio(kappa=40.0, row=1.2, column=0.9, up=1.1, down=0.8, kappa_dtod=0.3, phases="active"),
    ),
    "soft bounds, reversed": of(
        SoftBounds(**SIZE, reverse_up=True, reverse_down=True),
        jt.ProgramVerify(model=SoftBounds(**SIZE, reverse_up=True, reverse_down=True), lines="columns", **VERIFY),
        pulse=jt.pulse.StochasticCompressed(desired_bl=70, update_bl_management=False, update_management=False),
        half_select=Sinh(voltage=1.0, v_0=0.1, scheme="V/2", phases="all"),
    ),
    "soft bounds, reference": of(
        SoftBoundsReference(**SIZE, reference_mean=0.05, reference_std=0.05, subtract_symmetry_point=True),
        jt.ProgramVerify(model=SoftBoundsReference(**SIZE), lines="rows", closed_loop=False, **VERIFY),
        half_select=Sinh(voltage=1.0, v_0=0.15, scheme="V/3", phases="active"),
    ),
    "soft bounds, by pulses": of(
        SoftBoundsPmax(p_max=200.0, alpha=0.01),
        jt.ProgramVerify(model=SoftBoundsPmax(p_max=200.0, alpha=0.01), lines="cells", read_out="hadamard", **VERIFY),
        half_select=Threshold(voltage=1.25, threshold=0.7),
    ),
    "exp step": of(
        ExpStep(**SIZE, dw_min_std_add=0.01, dw_min_std_slope=0.02),
        jt.GDP(learning_rate=0.5, inputs="eye", reads=1, schedule=lambda step: 1 / (1 + 0.1 * step.astype(float))),
        half_select=Stochastic(kappa=10.0, scheme="V/2", phases="all"),
    ),
    "pow step": of(
        PowStep(**SIZE, pow_gamma=1.4, pow_up_down=0.1, pow_up_down_dtod=0.05),
        half_select=Accumulation(dead_band=3.0, kappa=10.0, scheme="V/2", phases="all"),
    ),
    "pow step, reference": of(
        PowStepReference(**SIZE, pow_gamma=0.8, reference_mean=0.1, subtract_symmetry_point=True),
        jt.PowerSVD(block=4, triplets=2, reads=2, read_noise=0.06),
    ),
    "piecewise step": of(
        PiecewiseStep(**SIZE, piecewise_up=(1.5, 1.0, 0.7, 0.2), piecewise_down=(0.3, 1.0, 0.8, 1.2)),
        jt.RiskSVD(dw_min=0.01, dw_min_std=0.3, caution=1.0, outlier=4.0),
        half_select=RATIO,
    ),
    "table": of(Table(**TABLE), jt.SVD(refresh=True, solver="exact", triplets=2), half_select=RATIO),
    # What wraps a device.
    "write noise": of(
        WriteNoise(SOFT, write_noise_std=2.0),
        jt.ProgramVerify(model=SOFT, lines="columns", batch_size=4, **VERIFY),
        half_select=RATIO,
    ),
    "drift": of(
        Drifting(LINEAR, nu=0.1, nu_dtod=0.2, nu_std=0.1, w_noise_std=0.01, nu_k=0.01, g_offset=0.5), drifts=True, half_select=RATIO
    ),
    "drift, write noise": of(Drifting(WriteNoise(STEP, write_noise_std=2.0), nu=0.1), SVD, drifts=True),
    # Unit cells.
    "vector cell": of(
        VectorCell(devices=(STEP, LINEAR), update_policy=All()),
        SVD,
        compensation=jt.compensation.SmallestFirst(),
        half_select=RATIO,
    ),
    "vector cell, one connected": of(
        VectorCell(devices=(STEP, STEP), update_policy=SingleFixed(index=0), gamma_vec=(1.0, 0.2)),
        jt.residual(jt.RiskSVD(dw_min=0.01, dw_min_std=0.3, caution=1.0, outlier=4.0), (1.0, 0.2), until=jt.After(steps=3)),
    ),
    "vector cell, in turn": of(
        VectorCell(devices=(STEP, STEP, STEP), update_policy=SingleSequential()),
        half_select=Accumulation(dead_band=2.0, kappa=10.0, phases="active"),
    ),
    "vector cell, at random": of(
        VectorCell(devices=(STEP, STEP), update_policy=SingleRandom(), gamma_vec=(1.0, 0.5)),
        pulse=jt.pulse.MeanCount(desired_bl=31),
        half_select=RATIO,
    ),
    "reference cell": of(ReferenceCell(devices=(Drifting(SOFT, nu=0.1), STEP)), drifts=True),
    "one-sided, refreshed": of(
        OneSided(device=SoftBounds(dw_min=0.02), refresh=Refresh(every=2, upper_thres=0.3, lower_thres=0.1)), half_select=RATIO
    ),
    # Orders and kinds of pulses.
    "slot by slot": of(
        ConstantStep(**SIZE, order="slot"),
        pulse=jt.pulse.StochasticCompressed(desired_bl=15),
        half_select=ConstantRatio(kappa=20.0, phases="all"),
    ),
    "phase by phase": of(
        SoftBounds(**SIZE, order="slot"),
        pulse=jt.pulse.MeanCount(desired_bl=15),
        half_select=Accumulation(dead_band=2.0, kappa=10.0, phases="active"),
    ),
    "mean field": of(SOFT, pulse=jt.pulse.MeanField(desired_bl=31), half_select=RATIO),
    "ideal": of(Ideal(), SVD),
    "no pulses": of(STEP, pulse=jt.pulse.NoPulse()),
    "no pulses, with device": of(SOFT, pulse=jt.pulse.NoneWithDevice()),
    "counted pulses": of(
        STEP,
        jt.SVD(refresh=False, triplets=1),
        compensation=jt.compensation.Sparsify(caution=1.0),
        counts=True,
        half_select=ConstantRatio(kappa=20.0, phases="active"),
    ),
    # Peripheries and chains.
    "noisy periphery": of(
        STEP,
        jt.chain(
            jt.Stage(method=SVD, until=jt.Plateau(steps=2, fall=0.1)),
            jt.Stage(
                method=jt.ProgramVerify(model=STEP, lines="columns", **VERIFY),
                when=jt.OneHotPays(model=STEP, kappa=100.0, phases="all"),
            ),
        ),
        half_select=ConstantRatio(kappa=100.0),
        forward=NOISY,
        backward=NOISY,
    ),
    "remembering periphery": of(
        STEP,
        SVD,
        compensation=jt.compensation.Expected(steps=3, caution=1.0),
        half_select=ConstantRatio(kappa=10.0, phases="active"),
        forward=REMEMBERING,
        backward=REMEMBERING,
    ),
}

NOISE_MODELS = {
    "PCM": jt.noise.PCM(),
    "custom drift": jt.noise.CustomDriftPCM(g_lst=(0.0, 10.0, 25.0), nu_mean_lst=(0.1, 0.06, 0.03), nu_std_lst=(0.02, 0.01, 0.01)),
    "Hermes": jt.noise.Hermes(),
    "Hermes, one device": jt.noise.HermesOneDevice(),
    "ReRAM, CMO": jt.noise.ReRAMCMO(),
    "ReRAM, Wan": jt.noise.ReRAMWan2022(),
    "state-independent": jt.noise.StateIndependent(),
}

NAMES = (*CONFIGURATIONS, *NOISE_MODELS)


def results(name: str) -> dict[str, np.ndarray]:
    """Results of one configuration, by the name of what was done."""
    found = _of_noise_model(NOISE_MODELS[name]) if name in NOISE_MODELS else _of_tile(CONFIGURATIONS[name])
    return {what: np.asarray(value, np.float32) for what, value in found.items()}


def _numbers(seed: int, *shape: int, size: float = 1.0):
    return np.random.default_rng(seed).uniform(-size, size, shape).astype(np.float32)


def _vectors():
    """Pairs of dense vectors; some entries are zero, one x has one sign."""
    x, d = _numbers(1, 4, SHAPE[1]), _numbers(2, 4, SHAPE[0])
    x[1], x[2, ::2], d[3, 1:3] = abs(x[1]), 0, 0
    return x, d


def _of_tile(configuration: Configuration) -> dict[str, Any]:
    hardware, method, compensation, drifts, counts = configuration
    (x, d), (out, width) = _vectors(), SHAPE
    tile = jt.set_weights(jt.init(hardware, SHAPE, key=jr.key(0)), _numbers(3, out, width, size=0.3), key=jr.key(1))
    tile = jt.observe(jt.count_pulses(tile) if counts else tile, x=x, d=d)
    found = {"start": tile.weight}
    tile = jt.update(tile, x, d, learning_rate=0.05, key=jr.key(2))
    found["dense"] = tile.weight
    columns = jt.UnitVectors(jnp.asarray([3, 0, 7, 5, 8]), width)
    tile = jt.update(tile, columns, _numbers(4, 5, out), learning_rate=0.1, key=jr.key(3))
    found |= {"unit vectors": tile.weight, "pulses": jnp.stack([tile.full_pulses, tile.half_pulses])}
    if counts:
        found |= {f"each {kind}": pulses for kind, pulses in vars(tile.tally.each).items()}

    found["forward"] = jt.forward(tile, x, key=jr.key(4))
    found["backward"] = jt.backward(tile, d, key=jr.key(5))
    found["decay"] = jt.decay(tile, alpha=2.0, key=jr.key(6)).weight
    found["diffuse"] = jt.diffuse(tile, key=jr.key(7)).weight
    found["reset"] = jt.reset(tile, jnp.asarray([1, 4]), probability=0.7, key=jr.key(8)).weight
    if drifts:
        aged = jt.drift(tile, 10.0, key=jr.key(9))
        found["drift"] = jt.drift(jt.decay(aged, key=jr.key(6)), 100.0, key=jr.key(10)).weight
    return found | _programmed(tile, method, compensation)


def _programmed(tile: jt.Tile, method: Any, compensation: Any) -> dict[str, Any]:
    target = jt.targets.low_rank(SHAPE, rank=3, spectral_norm=1.0, key=jr.key(11))
    recorded = ("read_error", "frobenius_error", "full_pulses", "half_pulses", "row_pulses", "column_pulses", "phases", "reads")
    run = {"key": jr.key(12), "max_steps": 8, "tolerance": 1e-3, "record": recorded}
    solution = jt.program(tile, target, method, compensation=compensation, **run)
    counts = jnp.stack([solution.history[name] for name in recorded[2:]])
    return {
        "program": solution.weight,
        "program, read error": solution.history["read_error"],
        "program, error": solution.history["frobenius_error"],
        "program, counts": counts,
    }


def _of_noise_model(model: Any) -> dict[str, Any]:
    tile = jt.init(jt.TileConfig(device=Ideal()), SHAPE, key=jr.key(0))
    tile = jt.set_weights(tile, _numbers(3, *SHAPE, size=0.9))
    tile = jt.apply_programming_noise(tile, model, key=jr.key(1))
    later = jt.drift(tile, 1000.0, key=jr.key(2))
    latest = jt.drift(later, 1e6, key=jr.key(3))
    read = jt.forward(latest, _vectors()[0], key=jr.key(4))
    return {"written": tile.weight, "drift": later.weight, "drift again": latest.weight, "forward": read}
