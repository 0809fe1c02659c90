"""Measure how well every option of reading agrees with aihwkit's, and write the tables of `docs/explanation/reading.md`.

    python docs/scripts/parity_reading.py

Each function measures one thing for one choice of options; the tests call them with smaller samples.
"""

from importlib.metadata import version

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import stored
import torch
from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.configs.devices import IdealDevice
from aihwkit.simulator.parameters.enums import AnalogMVType, BoundManagementType, NoiseManagementType, WeightNoiseType
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.tiles.analog import AnalogTile
from scipy.stats import ks_2samp

import jaxtile as jt
from bridge import from_analog_tile

NM, BM, MV, WN = NoiseManagementType, BoundManagementType, AnalogMVType, WeightNoiseType
NARROW = {"out_bound": 2.0}  # so that bounds are met
SIGNS = {"mv_type": MV.POS_NEG_SEPARATE}
DIGITAL = {"mv_type": MV.POS_NEG_SEPARATE_DIGITAL_SUM}
ALONE = {
    "defaults": {},
    "is_perfect": {"is_perfect": True, "out_scale": 1.3},
    "mv_type IDEAL": {"mv_type": MV.IDEAL},
    "mv_type POS_NEG_SEPARATE": SIGNS,
    "mv_type POS_NEG_SEPARATE_DIGITAL_SUM": DIGITAL,
    "mv_type POS_NEG_SEPARATE_DIGITAL_SUM, narrow": DIGITAL | NARROW,
    "inp_bound": {"inp_bound": 0.7, "noise_management": NM.NONE},
    "inp_bound, none": {"inp_bound": -1.0, "noise_management": NM.NONE},
    "inp_res": {"inp_res": 1 / 20},
    "inp_res, number of steps": {"inp_res": 30},
    "inp_res, none": {"inp_res": -1},
    "inp_asymmetry": {"inp_asymmetry": 0.1},
    "out_bound": NARROW,
    "out_bound, none": {"out_bound": 0.0},
    "out_res": {"out_res": 1 / 50},
    "out_res, number of steps": {"out_res": 60.0},
    "out_res, none": {"out_res": -1},
    "out_scale": {"out_scale": 1.7},
    "out_asymmetry": {"out_asymmetry": 0.1},
    "noise_management NONE": {"noise_management": NM.NONE},
    "noise_management ABS_MAX, nm_thres": {"nm_thres": 0.7},
    "noise_management MAX": {"noise_management": NM.MAX},
    "noise_management MAX, nm_thres": {"noise_management": NM.MAX, "nm_thres": 0.7},
    "noise_management CONSTANT": {"noise_management": NM.CONSTANT},
    "noise_management CONSTANT, nm_thres": {"noise_management": NM.CONSTANT, "nm_thres": 0.7},
    "noise_management AVERAGE_ABS_MAX": {"noise_management": NM.AVERAGE_ABS_MAX},
    "noise_management ABS_MAX_NP_SUM": {"noise_management": NM.ABS_MAX_NP_SUM} | NARROW,
    "noise_management ABS_MAX_NP_SUM, nm_thres": {"noise_management": NM.ABS_MAX_NP_SUM, "nm_thres": 0.7} | NARROW,
    "bound_management NONE": {"bound_management": BM.NONE} | NARROW,
    "bound_management ITERATIVE, max_bm_factor": {"max_bm_factor": 4} | NARROW,
    "bound_management ITERATIVE, max_bm_res": {"max_bm_res": 0.1} | NARROW,
    "bound_management ITERATIVE_WORST_CASE": {"bound_management": BM.ITERATIVE_WORST_CASE} | NARROW,
    "bm_test_negative_bound": {"bm_test_negative_bound": False} | NARROW,
    "ir_drop": {"ir_drop": 1.5},
    "ir_drop_g_ratio": {"ir_drop": 1.5, "ir_drop_g_ratio": 2000.0},
    "v_offset_std": {"v_offset_std": 0.1},
    "v_offset_std, v_offset_w_min": {"v_offset_std": 0.1, "v_offset_w_min": 0.3},
    "v_offset_std, v_offset_w_min 0": {"v_offset_std": 0.1, "v_offset_w_min": 0.0},
    "r_series": {"r_series": 0.02},
    "r_series, v_offset_w_min 0": {"r_series": 0.02, "v_offset_w_min": 0.0},
    "r_series, v_offset_std": {"r_series": 0.02, "v_offset_std": 0.1},
    "out_nonlinearity": {"out_nonlinearity": 0.5},
    "out_nonlinearity_std": {"out_nonlinearity": 0.5, "out_nonlinearity_std": 0.2},
    "slope_calibration": {"out_nonlinearity": 0.5, "slope_calibration": 0.5},
    "slope_calibration, r_series": {"r_series": 0.02, "slope_calibration": 0.5},
    "w_read_asymmetry_dtod": {"w_read_asymmetry_dtod": 0.1} | SIGNS,
    "w_read_asymmetry_dtod, digital sum": {"w_read_asymmetry_dtod": 0.1} | DIGITAL,
}
CHOICES = {
    "mv_type": [MV.ONE_PASS, MV.POS_NEG_SEPARATE, MV.POS_NEG_SEPARATE_DIGITAL_SUM],
    "inp_res": [1 / 126, 1 / 126, 1 / 30, 60, -1],
    "inp_asymmetry": [0.0, 0.0, 0.1],
    "out_bound": [12.0, 4.0, 2.0, 0.0],
    "out_res": [1 / 510, 1 / 510, 100, -1],
    "out_scale": [1.0, 1.0, 1.7],
    "out_asymmetry": [0.0, 0.0, 0.1],
    "noise_management": list(NM),
    "nm_thres": [0.0, 0.7],
    "bound_management": [BM.NONE, BM.ITERATIVE, BM.ITERATIVE_WORST_CASE],
    "max_bm_factor": [1000, 4],
    "bm_test_negative_bound": [True, True, False],
    "ir_drop": [0.0, 0.0, 1.5],
    "ir_drop_g_ratio": [1 / 0.35 / 5e-6, 2000.0],
    "v_offset_std": [0.0, 0.0, 0.1],
    "v_offset_w_min": [-1.0, 0.0, 0.3],
    "r_series": [0.0, 0.0, 0.02],
    "out_nonlinearity": [0.0, 0.0, 0.5],
    "out_nonlinearity_std": [0.0, 0.2],
    "slope_calibration": [0.0, 0.5],
    "w_read_asymmetry_dtod": [0.0, 0.1],
}
NOISY = {
    "out_noise": {},
    "out_noise, no converters": {"inp_res": -1, "out_res": -1},
    "out_noise_std": {"out_noise_std": 0.5, "out_res": -1},
    "out_noise, digital sum": {"out_res": -1} | DIGITAL,
    "out_noise, read again": {"out_bound": 0.3, "out_res": -1},
    "out_noise, worst case": {"out_bound": 0.3, "out_res": -1, "bound_management": BM.ITERATIVE_WORST_CASE},
    "inp_noise": {"inp_noise": 0.1, "out_noise": 0.0, "out_res": -1},
    "inp_noise, by sign": {"inp_noise": 0.1, "out_noise": 0.0, "out_res": -1, "inp_asymmetry": 0.3} | SIGNS,
    "inp_sto_round": {"inp_sto_round": True, "inp_res": 1 / 6, "out_noise": 0.0, "out_res": -1},
    "out_sto_round": {"out_sto_round": True, "out_noise": 0.01},
    "w_noise ADDITIVE_CONSTANT": {"w_noise": 0.1, "w_noise_type": WN.ADDITIVE_CONSTANT, "out_noise": 0.0, "out_res": -1},
    "w_noise PCM_READ": {"w_noise": 0.1, "w_noise_type": WN.PCM_READ, "out_noise": 0.0, "out_res": -1},
    "w_noise PCM_READ, by sign": {"w_noise": 0.1, "w_noise_type": WN.PCM_READ, "out_noise": 0.0, "out_res": -1} | SIGNS,
}
DRAWN = {
    "out_noise_std": ("out_noise", {"out_noise_std": 0.5}),
    "out_nonlinearity_std": ("out_nonlinearity", {"out_nonlinearity": 0.5, "out_nonlinearity_std": 0.4}),
    "w_read_asymmetry_dtod": ("w_asymmetry", {"w_read_asymmetry_dtod": 0.1} | SIGNS),
}
SEED, SHAPE, COMBINATIONS = 7, (40, 30), 200
MARK = "measured by scripts/parity_reading.py"
QUICK = {"xla_backend_optimization_level": 0}  # these compile for longer than they run
forward = jax.jit(lambda tile, x: jt.forward(tile, x, key=jr.key(0)), compiler_options=QUICK)
backward = jax.jit(lambda tile, d: jt.backward(tile, d, key=jr.key(0)), compiler_options=QUICK)


def combination(number: int) -> dict:
    """A random choice of options; those without a common meaning are kept apart."""
    rng = np.random.default_rng((SEED, number))
    fields = {name: options[rng.integers(len(options))] for name, options in CHOICES.items()}
    if fields["noise_management"] == NM.AVERAGE_ABS_MAX:
        fields["nm_thres"] = 0.0  # refused: only the worst case of bound management would use it
    if not fields["bm_test_negative_bound"]:
        fields["v_offset_w_min"] = 0.0  # outputs of one sign stay so: see `vectors`
    return fields


def vectors(fields: dict, number: int, width: int, rng) -> np.ndarray:
    """Inputs of both signs and several sizes, away from the ties of the DAC.

    With `bm_test_negative_bound=False` they have one sign (as weights then do): in aihwkit, an output that is clipped at the lower
    bound there makes it forget that one before it was clipped at the upper one.
    """
    x = rng.uniform(-1, 1, (number, width))
    if not fields.get("bm_test_negative_bound", True):
        x = np.abs(x) * np.where(np.arange(number) % 2, 1, -1)[:, None]
    x[:, 0] = 0
    x[3] = 0
    return (x * rng.choice([0.3, 1.0, 1.0, 1.7], (number, 1))).astype(np.float32)


def without_noise(fields: dict, number: int, scale: float = 1.0, seed: int = SEED) -> dict[str, float]:
    """The same chip in both engines, in both directions.

    Returns:
        rest: the largest difference where it is below 1e-5 (of the largest output, if that is above 1).
        off: the part of outputs where it is not,
        steps: and how much those differ, in steps of the ADC at the vector's largest input (which noise and bound management may
            make larger).
    """
    rest, off, steps, count = 0.0, 0, 0.0, 0
    for io, tile, ours, x, expected in _reads(fields, number, scale, seed):
        difference = np.abs(np.asarray(ours(tile, jnp.asarray(x))) - expected)
        wrong = _is_off(difference, expected)
        rest, off, count = max(rest, difference[~wrong].max()), off + wrong.sum(), count + wrong.size
        if wrong.any():
            step = 2 * io.out_bound * (io.out_res if io.out_res <= 1 else 1 / io.out_res) * abs(io.out_scale)
            largest = np.abs(x).max(axis=1, keepdims=True)
            in_steps = difference / (step * np.maximum(largest, 1e-9)) if step > 0 else np.full(difference.shape, np.inf)
            steps = max(steps, in_steps[wrong].max())
    return {"rest": rest, "off": off / count, "steps": steps}


def judged(fields: dict, number: int, scale: float = 1.0, seed: int = SEED) -> dict[str, float]:
    """The part of outputs that rounding puts off, in either engine: against jaxtile's read in double precision."""
    off, count = {"aihwkit": 0, "jaxtile": 0}, 0
    for _, tile, ours, x, expected in _reads(fields, number, scale, seed):
        got = np.asarray(ours(tile, jnp.asarray(x)))
        with jax.enable_x64(True):
            exact = np.asarray(ours(jax.tree.map(_doubled, tile), jnp.asarray(x, float)))
        for name, outputs in (("aihwkit", expected), ("jaxtile", got)):
            off[name] += _is_off(np.abs(outputs - exact), exact).sum()
        count += exact.size
    return {name: number / count for name, number in off.items()}


def _reads(fields: dict, number: int, scale: float, seed: int):
    """Of one chip, in both directions: its parameters, jaxtile's tile and how it is read, the vectors, and what aihwkit reads."""
    rng = np.random.default_rng(seed)
    io = IOParameters(**({"out_noise": 0.0} | fields))
    theirs = AnalogTile(*SHAPE, SingleRPUConfig(device=IdealDevice(), forward=io, backward=io), bias=False)
    weight = rng.normal(size=SHAPE) * scale
    theirs.tile.set_weights(torch.tensor(weight if io.bm_test_negative_bound else np.abs(weight), dtype=torch.float32))
    for ours, there, width in ((forward, theirs.tile.forward, SHAPE[1]), (backward, theirs.tile.backward, SHAPE[0])):
        x = vectors(fields, number, width, rng)
        tile = from_analog_tile(theirs)  # before it reads, because one kind of noise management remembers
        yield io, tile, ours, x, there(torch.tensor(x), False).numpy()


def _is_off(difference: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    return difference > 1e-5 * max(np.abs(outputs).max(), 1)


def _doubled(leaf: jax.Array) -> jax.Array:
    return leaf.astype("float64") if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


def with_noise(fields: dict, chips: int, repeats: int) -> dict[str, float]:
    """One output of one vector, read again and again on many chips of aihwkit's (each takes its noise from a list of its own).

    Returns:
        mean, std: how much they differ, in standard errors (of aihwkit's lists, too).
        p: of a two-sample Kolmogorov-Smirnov test.
    """
    rng = np.random.default_rng(SEED)
    weight, row = rng.uniform(-0.5, 0.5, (1, 12)).astype(np.float32), rng.uniform(-1, 1, 12).astype(np.float32)
    x = np.tile(row, (repeats, 1))
    io = IOParameters(**fields)
    read = jax.jit(lambda tile, x, key: jt.forward(tile, x, key=key), compiler_options=QUICK)
    there, here = [], []
    for chip in range(chips):
        theirs = AnalogTile(1, 12, SingleRPUConfig(device=IdealDevice(), forward=io), bias=False)
        theirs.tile.set_weights(torch.tensor(weight))
        here.append(np.asarray(read(from_analog_tile(theirs), x, jr.key(chip)))[:, 0])
        there.append(theirs.tile.forward(torch.tensor(x), False).numpy()[:, 0])
    a, b = np.ravel(there).astype(float), np.ravel(here).astype(float)
    return compare(a, b, listed=chips * 32768)


def compare(a: np.ndarray, b: np.ndarray, listed: float = np.inf) -> dict[str, float]:
    """Two samples, of which the first stems from a list of so many numbers."""
    n = len(a)
    grown = 1 + n / listed  # of the variance of what is estimated
    errors = [np.sqrt((s.var() / n, ((s - s.mean()) ** 4).mean() / n - s.var() ** 2 / n)) for s in (a, b)]
    of_mean, of_var = (np.sqrt(grown * p**2 + q**2) for p, q in zip(*errors, strict=True))
    return {
        "mean": abs(a.mean() - b.mean()) / of_mean,
        "std": abs(a.var() - b.var()) / of_var,
        "p": ks_2samp(np.round(a, 5), np.round(b, 5)).pvalue,  # what is equal but for rounding must count as equal
        "n": n,
    }


def drawn(name: str, number: int) -> dict[str, float]:
    """What is drawn once for each output line or device, on as many of either engine."""
    field, fields = DRAWN[name]
    io = IOParameters(**fields)
    theirs = AnalogTile(number, 1, SingleRPUConfig(device=IdealDevice(), forward=io), bias=False)
    a = from_analog_tile(theirs).chip.forward
    b = jt.init(from_analog_tile(theirs).config, (number, 1), key=jr.key(SEED)).chip.forward
    return compare(*(np.ravel(getattr(c, field)).astype(float) for c in (a, b)), listed=32768)


def passes(found: dict[str, float]) -> bool:
    """Whether a figure is as good as it must be."""
    if "p" in found:
        return found["mean"] < 4.5 and found["std"] < 4.5 and found["p"] > 1e-5
    return found["off"] <= 1e-4


def write() -> None:
    """Measure everything, and replace the tables of the page."""
    rows = [
        "| option | largest difference | outputs off by a step, in 1e4 | steps | pass |",
        "|---|---|---|---|---|",
    ]
    for name, fields in ALONE.items():
        found = [without_noise(fields, 1000, scale) for scale in (0.3, 1.0)]
        rows.append(_row(name, {key: max(f[key] for f in found) for key in found[0]}))
    found = [without_noise(combination(n), 500, (0.3, 1.0)[n % 2], seed=n) for n in range(COMBINATIONS)]
    passed = sum(map(passes, found))
    worst = {key: max(f[key] for f in found) for key in found[0]}
    rows.append(_row(f"{COMBINATIONS} random combinations, the worst of each ({passed} pass)", worst))
    rows += ["", "| option | mean | std | p | samples | pass |", "|---|---|---|---|---|---|"]
    noisy = {name: with_noise(fields, chips=25, repeats=2000) for name, fields in NOISY.items()}
    noisy |= {f"{name}, as it is drawn": drawn(name, 50000) for name in DRAWN}
    for name, f in noisy.items():
        rows.append(f"| {name} | {f['mean']:.1f} | {f['std']:.1f} | {f['p']:.2g} | {f['n']} | {'yes' if passes(f) else 'no'} |")
    versions = ", ".join(f"{name} {version(name)}" for name in ("aihwkit", "torch", "jax"))
    note = f" with {versions}, in single precision on the CPU"
    stored.replace("explanation/reading.md", MARK, "\n".join(rows), note=note)


def small():
    """Reads without noise, of the defaults and of one combination."""
    found = {name: without_noise(fields, 50) for name, fields in (("defaults", {}), ("combination 0", combination(0)))}
    return {f"{name}, {key}": f[key] for name, f in found.items() for key in ("rest", "off")}


def _row(name: str, found: dict[str, float]) -> str:
    verdict = "yes" if passes(found) else "no"
    return f"| {name} | {found['rest']:.1e} | {found['off'] * 1e4:.2f} | {found['steps']:.1f} | {verdict} |"


if __name__ == "__main__":
    stored.run(small, write)
