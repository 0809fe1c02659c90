"""Zero-shifting: pulses in turn, up and down, lead each device to its symmetry point."""

import base
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
import stored

import jaxtile as jt

STEPS = (0.01, 0.005, 0.002, 0.001)  # 200 to 2000 states between -1 and 1
PAIRS = 4  # measured until exp(-2 step pairs) is exp(-2 PAIRS)
NOISE, IMBALANCE = 0.3, 0.3
LAW = 2.0


def device(step, noise=0.0, spread=0.0):
    """Soft bounds of -1 and 1 whose symmetry points lie apart; `spread` is of the size of steps."""
    steps = {"dw_min": step, "dw_min_dtod": spread, "dw_min_std": noise, "up_down_dtod": IMBALANCE}
    return jt.device.SoftBoundsReference(**steps, w_max=1.0, w_min=-1.0, w_max_dtod=0.0, w_min_dtod=0.0)


def distances(tile, pulses, parts):
    """Distances from the symmetry points: at first, and after each part of the pulses."""
    cells = tile.cells
    up, down = cells.step_up, cells.step_down
    symmetry = (up - down) / (up / (cells.w_max + cells.reference) - down / (cells.w_min + cells.reference))
    found = [symmetry]
    for n in range(parts):
        tile = jt.learning.zero_shift(tile, pulses, key=jr.fold_in(jr.key(1), n))
        found.append(symmetry - tile.cells.reference)
    return np.asarray(jnp.stack(found), np.float64)


def rms(found):
    return np.sqrt(np.mean(found**2, axis=tuple(range(1, found.ndim))))


def rate(first, last, steps_of_pairs):
    """The fall of the error for each step and pair, of the rows of an array."""
    fall = np.log(np.sqrt(np.mean(first**2, -1)) / np.sqrt(np.mean(last**2, -1)))
    return stored.mean(fall / steps_of_pairs)


def measured(step, noise, spread, size, parts=8):
    """The error after each part, the rate while it is large, and the floor."""
    tile = jt.init(jt.TileConfig(device(step, noise, spread)), (size, size), key=jr.key(0))
    pulses = 2 * round(PAIRS / parts / step)
    found = distances(tile, pulses, parts)
    return {"pulses": pulses, "error": rms(found), "rate": rate(found[0], found[2], step * pulses)}


def aihwkit(step, noise, size, parts=8):
    """The same pulses on a tile of aihwkit, and on its devices here."""
    import torch
    from aihwkit.simulator.configs import SingleRPUConfig
    from aihwkit.simulator.configs.devices import SoftBoundsReferenceDevice
    from aihwkit.simulator.parameters.training import UpdateParameters
    from aihwkit.simulator.tiles.analog import AnalogTile

    import bridge

    own = {"dw_min": step, "dw_min_dtod": 0.0, "dw_min_std": noise, "up_down_dtod": IMBALANCE, "w_max_dtod": 0.0, "w_min_dtod": 0.0}
    one_pulse = UpdateParameters(desired_bl=1, update_bl_management=False, update_management=False)
    devices = SoftBoundsReferenceDevice(**own, w_max=1.0, w_min=-1.0, construction_seed=7, mult_noise=False)
    theirs = AnalogTile(size, size, SingleRPUConfig(device=devices, update=one_pulse))
    ours = bridge.from_analog_tile(theirs)
    pulses = 2 * round(PAIRS / parts / step)
    found = distances(jt.set_weights(ours, jnp.zeros((size, size))), pulses, parts)
    symmetry = found[0]
    theirs.tile.set_weights(torch.zeros(size, size))
    theirs.tile.set_learning_rate(step)
    ones, ends = torch.ones(size), [symmetry]
    for _ in range(parts):
        for n in range(pulses):
            theirs.tile.update(ones, ones * (-1 if n % 2 == 0 else 1), False)
        ends.append(symmetry - np.asarray(theirs.tile.get_weights(), np.float64))
    ends = np.stack(ends)
    return {
        "ours": rms(found),
        "theirs": rms(ends),
        "rate": rate(ends[0], ends[2], step * pulses),
        "apart": np.abs(ends - found).max(),
    }


def floor(step, noise):
    """The spread s that cycle noise keeps up: (1 - (1 - step)^2) s^2 = (step noise)^2, for steps up and down."""
    return noise * np.sqrt(step * (1 + IMBALANCE**2) / (2 - step))


def small():
    return base.Main(LAW, *measured(0.005, 0.0, 0.0, size=32)["rate"])


def section():
    def runs(step, noise, spread=0.0):
        size = 512 if step == STEPS[-1] and noise else 256
        case = {"step": step, "noise": noise, "spread": spread, "size": size}
        return base.measure("zero_shifting", case, lambda: measured(**case))

    rows, quiet = [], {step: runs(step, 0.0) for step in STEPS}
    for step in STEPS:
        exact, noisy = quiet[step], runs(step, NOISE)
        at = np.interp(-np.log(0.1), -np.log(np.divide(exact["error"], exact["error"][0])), np.arange(9) * exact["pulses"])
        shown = [f"{step:g}", base.show(*exact["rate"], 4), f"{at:.0f}", f"{at * step:.3f}"]
        rows.append([*shown, f"{noisy['error'][-1]:.4f}", f"{floor(step, NOISE):.4f}"])
    text = base.table(
        ["dw_min", "rate", "pulses to a tenth", "times dw_min", "floor of noise 0.3", "closed form"],
        rows,
    )
    spread = runs(STEPS[-1], 0.0, 0.3)
    theirs = {
        noise: base.measure("zero_shifting", {"aihwkit": 0.005, "noise": noise}, lambda noise=noise: aihwkit(0.005, noise, 64))
        for noise in (0.0, NOISE)
    }
    still, noisy = theirs.values()
    text += (
        f"\n\nSteps that spread by 0.3 over the devices give a rate of {base.show(*spread['rate'], 3)} at dw_min 0.001: the slow"
        f" devices are last.\n\naihwkit, dw_min 0.005, 64 x 64 devices: a rate of {base.show(*still['rate'], 4)}. The same devices"
        f" get the same pulses here: without cycle noise no weight is more than {still['apart']:.1g} apart. With it the floor is"
        f" {noisy['theirs'][-1]:.4f} there, {noisy['ours'][-1]:.4f} here, and {floor(0.005, NOISE):.4f} by the closed form."
    )
    draw({step: (quiet[step], runs(step, NOISE)) for step in STEPS})
    ours = quiet[STEPS[-1]]["rate"]
    return {
        "result": "[Zero-shifting](#zero-shifting): the error falls by exp(-c dw n) in n pairs of pulses",
        "source": "Rasch 2024, Eq. 7; Xiao 2026",
        "published": "c = 2",
        "ours": base.show(*ours, 4),
        "aihwkit": base.show(*still["rate"], 4) + " (dw_min 0.005)",
        "verdict": "agrees, to first order in the step",
    }, text


def draw(runs):
    fig, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
    for ax, at, title in zip(axes, (0, 1), ("without cycle noise", f"cycle noise {NOISE:g}"), strict=True):
        for step, both in runs.items():
            run, pulses = both[at], np.linspace(0.5 / step, 2 * PAIRS / step, 200)
            (line,) = ax.semilogy(np.arange(1, 9) * run["pulses"], run["error"][1:], ".", label=f"{step:g}")
            law = np.hypot(run["error"][0] * np.exp(-LAW * step * pulses / 2), floor(step, NOISE * at))
            ax.semilogy(pulses, law, color=line.get_color(), lw=0.8)
        ax.set(title=title, xlabel="pulses", xscale="log")
    axes[0].set_ylabel("distance from the symmetry point")
    axes[1].legend(title="dw_min")
    fig.savefig(base.FIGURES / "zero_shifting.png", dpi=120)


if __name__ == "__main__":
    base.run(small, section)
