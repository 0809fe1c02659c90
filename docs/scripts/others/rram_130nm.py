"""Measured RRAM devices of 130 nm: curves fitted in their own units, and a chip drawn from 25 devices.

    python docs/scripts/others/rram_130nm.py --data FOLDER

`FOLDER` is `Data_csv` of github.com/AI-Neuromorphic-Device-Lab/Offset-Corrected-Tiki-Taka-RRAM-Implementation. That repository has
no licence, so neither its data nor a picture of them is here.
"""

import base
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
import stored

import jaxtile as jt

SWEEP = 200  # pulses of one direction
CURVES = {"4D": ("Fig.4D.csv", 1, 0), "3D, W11": ("Fig.3D.csv", 1, 2 * SWEEP), "3D, W12": ("Fig.3D.csv", 3, 0)}
PULSES = np.concatenate([np.ones(SWEEP - 1), -np.ones(SWEEP)])
SIMULATED = 20


def read(file):
    folder = base.folder("RRAM_130NM")
    if not folder:
        raise FileNotFoundError(f"pass the folder of the measurements: {__doc__.splitlines()[2].strip()}")
    return np.genfromtxt(folder / file, delimiter=",", skip_header=1, encoding="utf-8-sig")


def curve(name):
    """Conductances in uS before each pulse of a sweep up and one down."""
    file, column, first = CURVES[name]
    return 1e6 * read(file)[first : first + 2 * SWEEP, column]


def symmetry_points(found):
    """Weights at which the fitted steps up and down are equal."""
    points = []
    for values in zip(*found.estimates.values(), strict=True):
        at = {key: float(v) for key, v in zip(found.estimates, values, strict=True)}
        still = {key: 0.0 for key in ("dw_min_dtod", "up_down_dtod", "w_max_dtod", "w_min_dtod")}
        cells = jt.device.SoftBounds(**{key: at[key] for key in ("dw_min", "up_down", "w_max", "w_min")}, **still)
        cells = jt.init(jt.TileConfig(cells), (1, 1), key=jr.key(0)).cells
        up, down = float(cells.step_up[0, 0]), float(cells.step_down[0, 0])
        points.append((up - down) / (up / at["w_max"] - down / at["w_min"]))
    return np.array(points)


def fitted(name):
    """One device: its numbers in uS, and the symmetry point with the spread of devices that are simulated and fitted alike."""
    g = curve(name)
    middle = (g.max() + g.min()) / 2
    found = jt.device.fit(jt.device.SoftBounds(), (g - middle)[None], PULSES)
    numbers = {key: [float(v[0]), float(found.standard_errors[key][0])] for key, v in found.estimates.items()}
    start = {"read_std": numbers["read_std"][0], "key": jr.key(0)}
    weights = jt.device.measure(found.device, jnp.asarray(np.concatenate([[1.0], PULSES])), n_devices=SIMULATED, **start)
    again = jt.device.fit(jt.device.SoftBounds(), np.asarray(weights), np.concatenate([[1.0], PULSES]))
    spread = np.nanstd(symmetry_points(again)[np.asarray(again.converged)], ddof=1)
    return {"middle": middle, "numbers": numbers, "symmetry point": [middle + symmetry_points(found)[0], spread]}


def alternating():
    """Of 400 alternating pulses: the mean conductance in the second half, and the mean size of a step."""
    g = 1e6 * read("Fig.4D.csv")[2 * SWEEP : 4 * SWEEP, 1]
    steps = np.diff(g) * np.where(np.arange(g.size - 1) % 2 == 0, 1, -1)
    return {
        "symmetry point": stored.mean(g[SWEEP:].reshape(10, -1).mean(-1)),
        "step": stored.mean(steps[:380].reshape(10, -1).mean(-1)),
    }


def population():
    """Skews and numbers of states of the 25 devices, and those of a chip with their means and spreads."""
    skew, states = read("Fig.4E.csv")[:, :2].T
    size, imbalance = 2 / states, 2 * skew / states  # half the sum, and half the difference, of the steps up and down at zero
    step = size.mean() + imbalance.mean()  # up_down shrinks one side only
    device = jt.device.SoftBounds(
        **{"dw_min": step, "dw_min_dtod": size.std(ddof=1) / step},
        **{"up_down": 2 * imbalance.mean() / step, "up_down_dtod": imbalance.std(ddof=1) / step},
        **{"w_max": 1.0, "w_min": -1.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0},
    )
    cells = jt.init(jt.TileConfig(device), (100, 100), key=jr.key(0)).cells
    up, down = (np.asarray(step) for step in (cells.step_up, cells.step_down))
    drawn = (up - down) / (up + down), 4 / (up + down)
    spread = {"skew": (skew, drawn[0]), "states": (states, drawn[1])}
    return {key: [[v.mean(), v.std(ddof=1), *np.percentile(v, [10, 50, 90])] for v in both] for key, both in spread.items()}


def draw(found):
    """Devices of the fitted numbers: ten drawn, and one without noise. The measured curves are not ours to show."""
    fig, axes = plt.subplots(1, len(found), figsize=(9, 2.8), layout="constrained")
    pulses = jnp.asarray(np.concatenate([[1.0], PULSES]))
    for ax, (name, line) in zip(axes, found.items(), strict=True):
        at = {key: estimate for key, (estimate, _) in line["numbers"].items()}
        numbers = {key: at[key] for key in ("dw_min", "up_down", "w_max", "w_min")} | {
            key: 0.0 for key in ("dw_min_dtod", "up_down_dtod", "w_max_dtod", "w_min_dtod")
        }
        for noise, devices, read_std, style in (
            (at["dw_min_std"], 10, at["read_std"], {"color": "C0", "linewidth": 0.4, "alpha": 0.5}),
            (0.0, 1, 0.0, {"color": "black", "linewidth": 1.2}),
        ):
            device = jt.device.SoftBounds(**numbers, dw_min_std=noise)
            weights = jt.device.measure(device, pulses, n_devices=devices, read_std=read_std, key=jr.key(0))
            ax.plot(line["middle"] + np.asarray(weights).T, **style)
        ax.axhline(line["symmetry point"][0], color="C1", linewidth=0.8, linestyle=":")
        ax.set(title=name, xlabel="pulse")
    axes[0].set_ylabel("conductance / uS")
    fig.savefig(base.FIGURES / "rram_130nm.png", dpi=120)
    plt.close(fig)


def small():
    return base.Main(alternating()["symmetry point"][0], *fitted("4D")["symmetry point"])


def section():
    def runs(case, run):
        return base.measure("rram_130nm", {"case": case}, run)

    found = {name: runs(name, lambda name=name: fitted(name)) for name in CURVES}
    turns = runs("alternating", alternating)
    there = turns["symmetry point"]
    people = runs("population", population)
    draw(found)
    rows = []
    for name, line in found.items():
        numbers = {key: base.show(*v, 2) for key, v in line["numbers"].items()}
        shown = [numbers[key] for key in ("dw_min", "up_down", "w_max", "w_min", "dw_min_std", "read_std")]
        (step, top, bottom, noise) = (line["numbers"][key][0] for key in ("dw_min", "w_max", "w_min", "dw_min_std"))
        size = f"{(top - bottom) / step:.0f}", f"{(top - bottom) / (step * noise):.0f}"
        rows.append([name, f"{line['middle']:.1f}", *shown, *size, base.show(*line["symmetry point"], 1)])
    names = ["dw_min", "up_down", "w_max", "w_min", "dw_min_std", "read noise"]
    text = base.table(["device", "zero", *names, "range / step", "range / cycle noise", "symmetry point"], rows)
    rows = [
        [key, who, *(f"{n:.2f}" for n in v)]
        for key in ("skew", "states")
        for who, v in zip(("25 devices", "chip"), people[key], strict=True)
    ]
    text += f"\n\nBy alternating pulses, the symmetry point of device 4D was measured at {base.show(*there, 1)} uS. Each of them"
    text += f" changes the conductance by {base.show(*turns['step'], 1)} uS in the mean.\n\n"
    text += base.table(["", "of", "mean", "spread", "10 %", "median", "90 %"], rows)
    return {
        "result": "[130 nm RRAM](#rram): symmetry point of a measured device from its curve, in uS",
        "source": "AI-Neuromorphic-Device-Lab 2026, Fig. 4D",
        "published": base.show(*there, 1),
        "ours": base.show(*found["4D"]["symmetry point"], 1),
        "aihwkit": "–",
        "verdict": "agrees within its standard error, which is wide",
    }, text


if __name__ == "__main__":
    base.run(small, section)
