"""Half-selection studied: what each programming method reaches, at what cost, on which devices, ranks and kappa.

Each point is twenty chips; the same chips and the same draws at every kappa, so differences between kappa are sharp. The errors are
Frobenius norms of W - T over that of T, on the weights that pulses move: write noise, where a device has it, comes on top.
"""

# %% Size
import dataclasses
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import PercentFormatter

import jaxtile as jt

SMALL = bool(os.environ.get("JAXTILE_SMALL"))  # as in the tests
shape, ranks, chips = ((6, 8), (2,), 2) if SMALL else ((48, 64), (5, 20, 48), 20)
kappas = [10.0, 1e5] if SMALL else [10.0, 30.0, 100.0, 1e3, 1e4, 1e5]
near = kappas if SMALL else [7.0, 10.0, 14.0, 20.0, 30.0, 50.0, 100.0, 1e5]  # around where methods change places
DOCS = Path(__file__).parents[1] / "docs"
STORES = Path("half_select_study")

# %% What is programmed
# Largest weight 0.25, so that most cells of most devices can hold their part of it.
keys = jax.random.split(jax.random.key(1), len(ranks))
targets = [jt.targets.low_rank(shape, rank, key=key) for rank, key in zip(ranks, keys, strict=True)]
targets = jnp.stack([0.25 * target / jnp.max(jnp.abs(target)) for target in targets])

# %% Devices
SPREADS = ("dw_min_dtod", "dw_min_std", "up_down_dtod", "w_max_dtod", "w_min_dtod")
devices = {
    "symmetric": jt.device.ConstantStep(**dict.fromkeys(SPREADS, 0.0)),
    "constant step": jt.device.ConstantStep(),
    "soft bounds": jt.device.SoftBounds(),
    "EcRam": jt.presets.ecram(),
    "ReRAM": jt.presets.reram_sb(),
}
if SMALL:
    devices = {"soft bounds": devices["soft bounds"]}
half_select = jt.half_select.ConstantRatio(phases="active")
configs = {name: jt.TileConfig(device=device, half_select=half_select) for name, device in devices.items()}
perfect = jt.IOParameters(is_perfect=True)
exact = {"soft bounds": dataclasses.replace(configs["soft bounds"], forward=perfect, backward=perfect)}


# %% Methods
# Each knows the datasheet. SVD and least risk decompose exact weights; all others read outputs through the periphery.
quarter = shape[1] // 4


def least_risk(tile):
    return jt.RiskSVD(caution=2.0)


def power(tile):
    return jt.PowerSVD(reads=1 if tile.config.forward.is_perfect else 16)


def verify(tile, **how):
    reads = 1 if tile.config.forward.is_perfect else 4
    return jt.ProgramVerify(**{"digits": 6, "batch_size": quarter, "reads": reads} | how)


def finish(tile):
    return verify(tile, read_out="eye" if tile.config.forward.is_perfect else "hadamard")


pays = jt.OneHotPays()  # the gate of writing cell by cell


def then(first, gate=pays):
    """A few large corrections in parallel, then cell by cell where that pays."""
    return lambda tile: jt.chain(jt.Stage(first(tile), until=jt.After(60)), jt.Stage(finish(tile), when=gate))


methods = {
    "GDP, one-hot": (lambda tile: jt.GDP(learning_rate=0.3, batch_size=quarter), 48),
    "GDP, Hadamard": (lambda tile: jt.GDP(learning_rate=1 / 128, inputs="hadamard"), 12),
    "GDP, Gaussian": (lambda tile: jt.GDP(learning_rate=1 / 256, inputs="gaussian", batch_size=quarter), 48),
    "SVD": (lambda tile: jt.SVD(), 300),
    "SVD, once": (lambda tile: jt.SVD(refresh=False), shape[0]),
    "SVD, 4 a read": (lambda tile: jt.SVD(triplets=4), 75),
    "SVD through reads": (power, 150),
    "least risk": (least_risk, 300),
    "verify, columns": (verify, 192),
    "verify, rows": (lambda tile: verify(tile, lines="rows", batch_size=shape[0] // 4), 192),
    "verify, open loop": (lambda tile: verify(tile, closed_loop=False), 24),
    "verify, Hadamard": (lambda tile: verify(tile, read_out="hadamard"), 192),
    "least risk, then verify": (then(least_risk), 252),
    "SVD through reads, then verify": (then(power), 252),
}
drawn = ["GDP, one-hot", "SVD", "SVD through reads", "least risk", "verify, columns", "verify, Hadamard", "least risk, then verify"]
if SMALL:
    methods = {name: (methods[name][0], 4) for name in ("SVD", "least risk, then verify")}
with_exact_reads = methods | {"the same at any kappa": (then(least_risk, gate=None), 4 if SMALL else 252)}
drawn = [name for name in drawn if name in methods]
colours = dict(zip(drawn, jt.plot.COLOURS, strict=False))

RECORD = ("frobenius_error", *jt.Costs.OF_ENERGY)


def programming(make, steps):
    """Program a tile; the error that is left, what it cost, and the way there."""

    def run(tile, target, key):
        sol = jt.program(tile, target, make(tile), key=key, max_steps=steps, tolerance=0, record=RECORD, throw=False)
        norm = jnp.linalg.norm(target)
        held = sol.tile.device.held(sol.tile.state)  # without write noise
        costs = {"energy": jt.Costs().energy(sol.stats, tile), "time": jt.Costs().time(sol.stats)}
        way = {"error": sol.history["frobenius_error"] / norm, "energy": jt.Costs().energy(sol.history, tile)}
        way |= {"full_pulses": sol.history["full_pulses"], "reads": sol.history["reads"]}
        stats = {name: sol.stats[name] for name in ("full_pulses", "half_pulses", "reads")}
        return (
            {"error": jnp.linalg.norm(held - target) / norm} | stats | costs | {f"{name}_way": there for name, there in way.items()}
        )

    return run


# %% One vmapped computation for each method and device
def study(methods, configs, kappas, part):
    """Every method on every device, at every kappa. What is done stays in a store, from which an interrupted study goes on."""
    where = {"key": jax.random.key(0), "over": {"half_select.kappa": kappas}, "chips": chips, "progress": not SMALL}
    stores = {name: None if SMALL else STORES / part / f"{name}.zarr" for name in methods}
    return {name: jt.sweep(programming(*of), configs, targets, store=stores[name], **where) for name, of in methods.items()}


found = study(methods, configs, kappas, "through reads")
found_exactly = study(with_exact_reads, exact, near, "exactly")

# Two devices a weight, one after another: the second counts a tenth, and takes what the first has left.
soft, gammas = devices["soft bounds"], (1.0, 0.1)
cell = jt.device.VectorCell(devices=(soft, soft), update_policy=jt.device.SingleFixed(0), gamma_vec=gammas)
one_device = jt.ProgramVerify(digits=6, batch_size=quarter)
two = {"two devices, residual": (lambda tile: jt.residual(one_device, gammas, until=jt.After(96)), 4 if SMALL else 192)}
found_exactly |= study(two, {"soft bounds": dataclasses.replace(exact["soft bounds"], device=cell)}, near, "exactly")


def numbers(found, name, quantity, **where):
    """The chips of one method at one place."""
    place = {"half_select.kappa": where["kappa"]}
    place |= {"config": where["device"]} if "config" in found[name].dims else {}
    return found[name][quantity].sel(place).isel(target=where["rank"], seed=0, missing_dims="ignore").values


# %% Tables
def table(found, configs, kappas, rank):
    """Error of every method on every device, at one rank."""
    rows = ["| device | method | " + " | ".join(f"kappa {kappa:g}" for kappa in kappas) + " |", "|---|---|" + "---|" * len(kappas)]
    for device in configs:
        for name in found:
            at = [numbers(found, name, "error", device=device, kappa=kappa, rank=rank) for kappa in kappas]
            cells = (f"{100 * e.mean():.1f} ± {100 * e.std(ddof=1) / np.sqrt(len(e)):.1f}" for e in at)
            rows.append(f"| {device} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def costs(found, device, rank, kappa):
    """The costs of each method."""
    rows = ["| method | error, % | full pulses | half pulses | reads | time, ms | energy, uJ |", "|---|---|---|---|---|---|---|"]
    for name in found:
        quantities = ("error", "full_pulses", "half_pulses", "reads", "time", "energy")
        means = [numbers(found, name, quantity, device=device, kappa=kappa, rank=rank).mean() for quantity in quantities]
        error, full, half, reads, time, energy = means
        took = f"{full:.0f} | {half:.0f} | {reads:.0f} | {1e3 * time:.2g} | {1e6 * energy:.3g}"
        rows.append(f"| {name} | {100 * error:.1f} | {took} |")
    return "\n".join(rows)


middle = len(ranks) // 2
print(table(found, configs, kappas, middle))
print(table(found_exactly, exact, near, middle))
print(costs(found, "soft bounds", middle, kappas[min(1, len(kappas) - 1)]))

# %% Error against kappa: mean over the chips, and a band from the 10 % to the 90 % quantile
fig, axes = plt.subplots(len(ranks), len(configs), figsize=(9, 6), sharex=True, sharey=True, squeeze=False, layout="constrained")
for row, rank in enumerate(ranks):
    for ax, device in zip(axes[row], configs, strict=True):
        for name in drawn:
            at = 100 * np.stack([numbers(found, name, "error", device=device, kappa=kappa, rank=row) for kappa in kappas])
            ax.loglog(kappas, at.mean(1), color=colours[name], linewidth=1.2, label=name)
            ax.fill_between(kappas, *np.quantile(at, (0.1, 0.9), axis=1), color=colours[name], alpha=0.2, linewidth=0)
        ax.axhline(100, color="0.6", linewidth=0.8, linestyle=":", zorder=0)  # nothing programmed
        ax.yaxis.set_major_formatter(PercentFormatter(decimals=0))
        ax.set_ylim(1, 300)
        if row == 0:
            ax.set_title(device, fontsize="medium")
    axes[row, 0].set_ylabel(f"rank {rank}\nerror")
for ax in axes[-1]:
    ax.set_xlabel("kappa")
fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize="small")

# %% Error against what it costs, on soft bounds: median over the chips, and the same band
costly, panels = plt.subplots(1, 3, figsize=(9, 3.6), sharey=True, layout="constrained")
labels = {"full_pulses": "full pulses per cell", "reads": "vectors read", "energy": "energy (J)"}
for ax, (quantity, label) in zip(panels, labels.items(), strict=True):
    for name in drawn:
        where = {"device": "soft bounds", "kappa": kappas[min(1, len(kappas) - 1)], "rank": middle}
        error, cost = (numbers(found, name, f"{of}_way", **where)[:, 1:] for of in ("error", quantity))
        grid = np.geomspace(np.min(cost[cost > 0]), np.nanmax(cost), 100)
        # A run that has stopped keeps what it has reached: the rest of its history is not a number.
        lines = [np.interp(grid, its[np.isfinite(its)], of[np.isfinite(its)]) for its, of in zip(cost, error, strict=True)]
        low, middling, high = 100 * np.quantile(lines, (0.1, 0.5, 0.9), axis=0)
        ax.loglog(grid, middling, color=colours[name], linewidth=1.2, label=name)
        ax.fill_between(grid, low, high, color=colours[name], alpha=0.2, linewidth=0)
    ax.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    ax.set_xlabel(label)
panels[0].set_ylabel("error")
costly.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize="small")

# %% With exact reads, on soft bounds, around the kappa from which cell by cell pays
exactly, panels = plt.subplots(1, len(ranks), figsize=(9, 3.4), sharey=True, squeeze=False, layout="constrained")
percents = (2, 5, 10, 20, 50)
sheet = jt.Datasheet.of(configs["soft bounds"], shape)
boundaries = [float(jt.OneHotPays().boundary(target, sheet)) for target in targets]
styles = {name: {"color": colours[name]} for name in drawn if name != "verify, Hadamard"}  # the same as by columns, read exactly
styles["the same at any kappa"] = {"color": colours["least risk, then verify"], "linestyle": "--"}
for row, (ax, boundary) in enumerate(zip(panels[0], boundaries, strict=True)):
    for name, style in styles.items():
        at = 100 * np.stack([numbers(found_exactly, name, "error", device="soft bounds", kappa=kappa, rank=row) for kappa in near])
        ax.loglog(near, at.mean(1), label=name, linewidth=1.2, **style)
        ax.fill_between(near, *np.quantile(at, (0.1, 0.9), axis=1), color=style["color"], alpha=0.2, linewidth=0)
    ax.axvline(boundary, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    ax.set_xlim(7, 100)
    ax.set_xticks(near[:-1], [f"{kappa:g}" for kappa in near[:-1]])
    ax.set_yticks(percents, [f"{percent}%" for percent in percents])
    ax.minorticks_off()
    ax.set_title(f"rank {ranks[row]}", fontsize="medium")
    ax.set_xlabel("kappa")
panels[0, 0].set_ylabel("error")
exactly.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize="small")


# %% Save
def write(page, mark, parts):
    """Put what was measured between its mark and the next end."""
    head, _, rest = page.read_text().partition(f"<!-- {mark} -->")
    tail = rest.partition("<!-- end -->")[2]
    page.write_text(head + f"<!-- {mark} -->\n\n" + "\n\n".join(parts) + "\n\n<!-- end -->" + tail)


if not SMALL:
    fig.savefig(DOCS / "figures/half_select_study.png", dpi=200)
    costly.savefig(DOCS / "figures/half_select_study_costs.png", dpi=200)
    exactly.savefig(DOCS / "figures/half_select_study_exact.png", dpi=200)
    page = DOCS / "records/half_select_study.md"
    parts = [f"Rank {rank}:\n\n{table(found, configs, kappas, row)}" for row, rank in enumerate(ranks)]
    parts.append(f"On soft bounds at kappa 30 and rank {ranks[middle]}:\n\n{costs(found, 'soft bounds', middle, 30.0)}")
    write(page, "measured", parts)
    parts = [
        f"Rank {rank}, kappa* = {boundary:.1f}:\n\n{table(found_exactly, exact, near, row)}"
        for row, (rank, boundary) in enumerate(zip(ranks, boundaries, strict=True))
    ]
    parts.append(f"At kappa 30 and rank {ranks[middle]}:\n\n{costs(found_exactly, 'soft bounds', middle, 30.0)}")
    write(page, "measured with exact reads", parts)
