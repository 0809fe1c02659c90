"""Measure how well every device and preset agrees with aihwkit's, and write the table of `docs/records/parity.md`.

    python docs/scripts/parity.py

Each function measures one thing for one device of aihwkit; the tests call them with smaller samples.
"""

import dataclasses
from functools import partial
from importlib.metadata import version

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import stored
import torch
from aihwkit.simulator.configs import SingleRPUConfig, UnitCellRPUConfig
from aihwkit.simulator.configs import compounds as cells
from aihwkit.simulator.configs import devices as kinds
from aihwkit.simulator.parameters.enums import PulseType
from aihwkit.simulator.parameters.enums import VectorUnitCellUpdatePolicy as Policy
from aihwkit.simulator.parameters.inference import DriftParameter
from aihwkit.simulator.parameters.training import UpdateParameters
from aihwkit.simulator.presets import compounds as preset_cells
from aihwkit.simulator.presets import devices as presets
from aihwkit.simulator.tiles.analog import AnalogTile
from scipy.stats import ks_2samp

import jaxtile as jt
from bridge import from_analog_tile, tile_config
from bridge.hidden import hidden_names, to_hidden

SPREAD = {"corrupt_devices_prob": 0.02, "up_down": 0.1, "up_down_dtod": 0.05, "reset": 0.02, "reset_dtod": 0.01}
CONSTANT, SOFT = kinds.ConstantStepDevice(**SPREAD), kinds.SoftBoundsDevice(**SPREAD)
DEVICES = {
    "Ideal": kinds.IdealDevice(),
    "ConstantStep": CONSTANT,
    "LinearStep": kinds.LinearStepDevice(gamma_up=0.5, gamma_down=0.3, **SPREAD),
    "SoftBounds": SOFT,
    "SoftBounds, reversed": kinds.SoftBoundsDevice(reverse_up=True, reverse_down=True, reverse_offset=0.1, **SPREAD),
    "SoftBoundsPmax": kinds.SoftBoundsPmaxDevice(p_max=500, alpha=0.002, **{k: v for k, v in SPREAD.items() if k != "up_down"}),
    "SoftBoundsReference": kinds.SoftBoundsReferenceDevice(
        **{"slope_up_dtod": 0.1, "slope_down_dtod": 0.1, "reference_std": 0.05, "subtract_symmetry_point": True}, **SPREAD
    ),
    "ExpStep": kinds.ExpStepDevice(dw_min_std_add=0.001, dw_min_std_slope=0.01, **SPREAD),
    "PowStep": kinds.PowStepDevice(pow_gamma=1.5, pow_up_down=0.1, pow_up_down_dtod=0.05, **SPREAD),
    "PowStepReference": kinds.PowStepReferenceDevice(
        **{"pow_gamma": 1.2, "reference_std": 0.05, "subtract_symmetry_point": True},
        **SPREAD | {"corrupt_devices_prob": 0.0},  # stuck ones read their conductance there, without the reference
    ),
    "PiecewiseStep": kinds.PiecewiseStepDevice(piecewise_up=[1.5, 1.0, 0.7, 0.2], piecewise_down=[0.3, 1.0, 0.8, 1.2], **SPREAD),
    "VectorCell, `All`": cells.VectorUnitCell([CONSTANT, SOFT], gamma_vec=[1.0, 0.5]),
    "VectorCell, `SingleFixed`": cells.VectorUnitCell([CONSTANT, SOFT], update_policy=Policy.SINGLE_FIXED, first_update_idx=1),
    "VectorCell, `SingleSequential`": cells.VectorUnitCell([CONSTANT, SOFT, CONSTANT], update_policy=Policy.SINGLE_SEQUENTIAL),
    "ReferenceCell": cells.ReferenceUnitCell([SOFT, CONSTANT]),
    "OneSided": cells.OneSidedUnitCell([SOFT]),
    "OneSided, refreshed": cells.OneSidedUnitCell(
        [kinds.ConstantStepDevice(dw_min=0.005, **SPREAD)], refresh_every=1, refresh_update=UpdateParameters(desired_bl=100)
    ),
}
PRESETS = {
    **{"idealized": presets.IdealizedPresetDevice(), "gokmen_vlasov": presets.GokmenVlasovPresetDevice()},
    **{
        "capacitor": presets.CapacitorPresetDevice(),
        "ecram": presets.EcRamPresetDevice(),
        "ecram_mo": presets.EcRamMOPresetDevice(),
    },
    **{"pcm": presets.PCMPresetDevice(), "pcm_unit_cell": preset_cells.PCMPresetUnitCell()},
    **{"reram_es": presets.ReRamESPresetDevice(), "reram_sb": presets.ReRamSBPresetDevice()},
    **{"reram_array_om": presets.ReRamArrayOMPresetDevice(), "reram_array_hfo2": presets.ReRamArrayHfO2PresetDevice()},
}
UNREFERRED = {"reference_mean": 0.0, "reference_std": 0.0, "subtract_symmetry_point": False}
TRAIN, LENGTH, TIMES = 10, 1000, 4  # pulses of one update, pulses in each direction, looks at the weights on the way
SEED = 7


def fabricated(device, shape: tuple[int, int], seed: int = SEED, **numbers) -> AnalogTile:
    """A chip of aihwkit's that takes deterministic pulses; of `numbers`, those that the device has."""
    update = UpdateParameters(pulse_type=PulseType.DETERMINISTIC_IMPLICIT, desired_bl=TRAIN)
    config = UnitCellRPUConfig if isinstance(device, cells.UnitCell) else SingleRPUConfig
    device = changed(device, construction_seed=seed, **numbers)
    return AnalogTile(*shape, config(device=device, update=update), bias=False)


def changed(device, **numbers):
    """The device with other numbers; of a unit cell also its devices."""
    own = {field.name for field in dataclasses.fields(device)}
    if isinstance(device, cells.UnitCell):
        numbers["unit_cell_devices"] = [changed(part, **numbers) for part in device.unit_cell_devices]
    return dataclasses.replace(device, **{name: value for name, value in numbers.items() if name in own})


def fabrication(device, shape: tuple[int, int]) -> dict[str, float]:
    """Two fabrications of as many devices, parameter by parameter.

    Returns:
        mean, std: the largest difference of a mean and of a standard deviation, in standard errors.
        p: the smallest p-value of a two-sample Kolmogorov-Smirnov test.
    """
    theirs = fabricated(device, shape)
    ours = jt.init(tile_config(theirs.rpu_config), shape, key=jr.key(SEED))
    pairs = zip(theirs.tile.get_hidden_parameters().numpy(), np.asarray(to_hidden(ours)), strict=True)
    found = [(1.0, 0.0, 0.0)]
    for name, (a, b) in zip(hidden_names(ours), pairs, strict=True):
        a, b = a.ravel().astype(float), b.ravel().astype(float)
        if "weights" in name:  # not fabricated
            continue
        if a.std() < 1e-6 * abs(a.mean()):  # not drawn
            np.testing.assert_allclose(b, a.mean(), rtol=1e-5, err_msg=name)
        elif a.any() or b.any():
            (m, s, em, es), (n, t, en, et) = moments(a), moments(b)
            found.append((ks_2samp(a, b).pvalue, abs(m - n) / np.hypot(em, en), abs(s - t) / np.hypot(es, et)))
    p, mean, std = np.array(found).T
    return {"p": p.min(), "mean": mean.max(), "std": std.max()}


def moments(sample) -> tuple[float, float, float, float]:
    """Mean and standard deviation of a sample, and their standard errors."""
    centred = sample - sample.mean()
    std = sample.std()
    of_variance = np.sqrt(max(np.mean(centred**4) - std**4, 0) / sample.size)
    return sample.mean(), std, std / np.sqrt(sample.size), of_variance / (2 * std) if std else 0.0


def response(device, shape: tuple[int, int], chips: int, order: str = "aggregate") -> dict[str, float]:
    """The same chips in both engines, from weight zero: 1000 noisy pulses up, then 1000 down, in trains of 10.

    Several chips, because each of aihwkit's draws its noise from a list of its own, whose mean is not zero. For the same reason the
    spread is that within a chip.

    Returns:
        mean: the largest difference of the mean weight on the way, relative to the range.
        spread: the largest difference of its standard deviation over the cells, relative.
        error: the standard error of that.
    """
    ways, every = np.repeat([-1.0, 1.0], LENGTH // TRAIN), LENGTH // TRAIN // TIMES
    there, here = [], []
    for seed in range(chips):
        theirs = fabricated(device, shape, SEED + seed)
        ours = from_analog_tile(theirs)
        there.append(sent_there(theirs, ours, ways)[every - 1 :: every])
        here.append(sent_here(in_order(ours, order), ways, jr.key(seed))[every - 1 :: every])
    low, high = map(float, ours.device.bounds())
    looks = np.array([there, here])  # [engine, chip, look, cell]
    mean, std = looks.mean(axis=(1, 3)), np.sqrt(looks.var(axis=3).mean(axis=1))
    off = np.abs(std[1] / std[0] - 1)
    fourth = np.mean((looks - looks.mean(axis=3, keepdims=True)) ** 4, axis=(1, 3))
    errors = np.sqrt(np.sum(fourth / std**4 - 1, axis=0) / (4 * chips * looks.shape[3]))
    return {"mean": np.abs(mean[0] - mean[1]).max() / (high - low), "spread": off.max(), "error": errors[off.argmax()]}


def in_order(tile: jt.Tile, order: str) -> jt.Tile:
    """The same chip, its pulses executed in another way."""

    def single(node):
        return isinstance(node, jt.device.AbstractPulsedDevice)

    def ordered(node):
        return dataclasses.replace(node, order=order) if single(node) else node

    device = jax.tree.map(ordered, tile.device, is_leaf=single)
    return dataclasses.replace(tile, config=dataclasses.replace(tile.config, device=device))


def step(device: jt.device.AbstractDevice):
    """The size of step that pulses are planned with; ideal devices have none."""
    return device.granularity() if device.takes_pulses else 1e-3


def sent_there(theirs: AnalogTile, ours: jt.Tile, ways) -> np.ndarray:
    """The weights of aihwkit's tile after each train of one direction, from zero, [train, cell]."""
    out, width = ours.shape
    theirs.tile.set_weights(torch.zeros(out, width))
    theirs.tile.set_learning_rate(TRAIN * float(step(ours.device)))
    ends = []
    for way in ways:
        theirs.tile.update(torch.ones(1, width), way * torch.ones(1, out), False)
        ends.append(theirs.tile.get_weights().numpy().ravel())
    return np.stack(ends)


@eqx.filter_jit
def sent_here(ours: jt.Tile, ways, key) -> jax.Array:
    """Likewise, of jaxtile's."""
    out, width = ours.shape
    rate = TRAIN * step(ours.device)

    def send(tile, numbered):
        n, way = numbered
        tile = jt.update(tile, jnp.ones(width), way * jnp.ones(out), learning_rate=rate, key=jr.fold_in(key, n))
        return tile, tile.weight.ravel()

    ways = jnp.asarray(ways, ours.weight.dtype)
    return jax.lax.scan(send, jt.set_weights(ours, jnp.zeros(ours.shape)), (jnp.arange(ways.size), ways))[1]


def pulses(device, shape: tuple[int, int]) -> dict[str, float]:
    """The same chip without cycle noise, 1000 deterministic pulses up and then down; pairs are not refreshed.

    Cells that one pulse can take past the fixed point of its step are left out: there every pulse magnifies what was rounded.

    Returns:
        aggregate, slot: the largest difference of a weight on the way, in either order.
        left_out: the share of cells left out.
    """
    theirs = fabricated(device, shape, dw_min_std=0.0, write_noise_std=0.0, refresh_every=0)
    chip = from_analog_tile(theirs)
    ways = np.repeat([-1.0, 1.0], LENGTH // TRAIN)
    steady = np.ravel(is_steady(chip.device, chip.cells, shape))
    ends, off = sent_there(theirs, chip, ways), {"left_out": 1 - steady.mean()}
    for order in ("aggregate", "slot"):
        off[order] = float(np.abs(ends - sent_here(in_order(chip, order), ways, jr.key(SEED)))[:, steady].max())
    return off


def is_steady(device, cells, shape: tuple[int, int]):
    """Of every cell, whether no step of its devices is longer than the distance to where it would end."""
    if not device.takes_pulses:
        return np.ones(shape, bool)
    if isinstance(device, jt.device.AbstractUnitCell):
        return np.all([is_steady(*one, shape) for one in zip(device.parts, cells.devices, strict=True)], axis=0)
    zero = jnp.zeros(shape)
    up, down = (jax.jvp(partial(device.step, cells, up=way), (zero,), (zero + 1,))[1][0] for way in (True, False))
    return np.asarray((up > -1) & (down < 1))


def upkeep(device, shape: tuple[int, int]) -> dict[str, float]:
    """The same chip between updates, without references.

    Returns:
        decay: the largest difference of a weight after three decays.
        moments: the largest difference of a mean or a standard deviation after a diffusion, and after a reset of all devices, in
            standard errors.
    """
    numbers = {"lifetime": 20.0, "lifetime_dtod": 0.2, "diffusion": 0.02, "diffusion_dtod": 0.2, "reset": 0.05, "reset_std": 0.03}
    theirs = fabricated(device, shape, **numbers, **UNREFERRED, write_noise_std=0.0)
    ours = from_analog_tile(theirs)
    key, every = jr.key(SEED), jnp.arange(shape[1])
    changed = ours
    for _ in range(3):
        theirs.decay_weights(1.0)
        changed = jt.decay(changed)
    decay = float(np.abs(theirs.tile.get_weights().numpy() - changed.weight).max())

    start = theirs.tile.get_weights().numpy()
    theirs.diffuse_weights()
    diffused = theirs.tile.get_weights().numpy() - start, jt.diffuse(changed, key=key).weight - changed.weight
    theirs.reset_columns(0, -1, 1.0)
    reset = theirs.tile.get_weights().numpy(), jt.reset(ours, every, key=key).weight
    return {"decay": decay, "moments": max(apart(*diffused), apart(*reset))}


def drift(device, shape: tuple[int, int]) -> float:
    """Two fabrications, without references, of which the same weights drift three times.

    Returns:
        the largest difference of a mean or a standard deviation, in standard errors.
    """
    law = DriftParameter(nu=0.1, nu_dtod=0.3, nu_std=0.2, wg_ratio=0.5, g_offset=2.5, nu_k=0.02, log_g0=0.5, w_noise_std=0.01)
    theirs = fabricated(device, shape, **UNREFERRED, drift=law)
    ours = jt.init(tile_config(theirs.rpu_config), shape, key=jr.key(SEED))
    weight = np.random.default_rng(SEED).uniform(-0.3, 0.3, shape).astype(np.float32)
    theirs.tile.set_weights(torch.from_numpy(weight))
    ours, off = jt.set_weights(ours, weight), []
    for n, time in enumerate((1.0, 30.0, 1000.0)):
        theirs.tile.drift_weights(time)
        ours = jt.drift(ours, time, key=jr.key(n))
        off.append(apart(theirs.tile.get_weights().numpy(), ours.weight))
    return max(off)


def apart(a, b) -> float:
    """The difference of two means or standard deviations, in standard errors, with those of aihwkit's list of 32768 normals."""
    (m, s, em, es), (n, t, en, et) = moments(np.asarray(a, float)), moments(np.asarray(b, float))
    return max(abs(m - n) / np.sqrt(em**2 + en**2 + s**2 / 32768), abs(s - t) / np.sqrt(es**2 + et**2 + s**2 / 65536))


def responds(found: dict[str, float]) -> bool:
    return found["mean"] < 0.01 and found["spread"] < max(0.03, 4.5 * found["error"])


def row(name: str, device) -> str:
    """One line of the table."""
    exact = pulses(device, (30, 30))
    passed = max(exact["aggregate"], exact["slot"]) < LENGTH * 2**-24
    sent = [f"{exact['aggregate']:.1e}", f"{exact['slot']:.1e}", f"{exact['left_out']:.1%}"]
    if isinstance(device, kinds.IdealDevice):
        return f"| {name} | {' | '.join(['–'] * 5 + sent + ['–'] * 3)} | {'yes' if passed else '**no**'} |"
    made, acted = fabrication(device, (400, 400)), response(device, (40, 50), chips=10)
    passed &= made["mean"] < 4.5 and made["std"] < 4.5 and made["p"] > 1e-5
    responses, order = [acted], ""
    if not responds(acted):
        responses.append(response(device, (40, 50), chips=10, order="slot"))
        passed, order = passed and responds(responses[1]), ", slot by slot"
    kept, drifted = upkeep(device, (200, 200)), drift(device, (200, 200))
    passed &= kept["decay"] < 1e-6 and kept["moments"] < 4.5 and drifted < 4.5
    columns = [
        f"{made['mean']:.1f}",
        f"{made['std']:.1f}",
        f"{made['p']:.2g}",
        "; ".join(f"{one['mean']:.2%}" for one in responses),
        "; ".join(f"{one['spread']:.1%} ± {one['error']:.1%}" for one in responses),
        *sent,
        f"{kept['decay']:.1e}",
        f"{kept['moments']:.1f}",
        f"{drifted:.1f}",
    ]
    return f"| {name} | {' | '.join(columns)} | {f'yes{order}' if passed else '**no**'} |"


COLUMNS = [
    *("", "fabrication: mean", "std", "p", "response: mean", "spread", "pulses: aggregate", "slot", "left out"),
    *("decay", "diffusion, reset", "drift", "pass"),
]


def main() -> None:
    rows = []
    for name, device in {**DEVICES, **{f"`{name}`": device for name, device in PRESETS.items()}}.items():
        rows.append(row(name, device))
        print(rows[-1], flush=True)
    versions = ", ".join(f"{name} {version(name)}" for name in ("aihwkit", "torch", "jax"))
    head = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"
    stored.replace("records/parity.md", "measured", "\n".join([head, *rows]), note=f" with {versions}")


def small():
    """One device: fabrication, which both engines seed, and pulses and decay, which draw nothing."""
    made = fabrication(SOFT, (40, 40))
    return {
        "fabrication, mean": made["mean"],
        "fabrication, std": made["std"],
        "pulses, aggregate": pulses(SOFT, (6, 6))["aggregate"],
        "decay": upkeep(SOFT, (20, 20))["decay"],
    }


if __name__ == "__main__":
    stored.run(small, main)
