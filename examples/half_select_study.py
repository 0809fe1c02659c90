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
kappas = [10.0, 1e5] if SMALL else [10.0, 30.0, 100.0, 300.0, 1e3, 1e5]
near = kappas if SMALL else [7.0, 10.0, 14.0, 20.0, 30.0, 50.0, 100.0, 1e5]  # around where methods change places
DOCS = Path(__file__).parents[1] / "docs"

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
# Each knows the nominal device. Those that read outputs do so through the default periphery; the others see exact weights.
def nominal(tile):
    return getattr(tile.device, "device", tile.device)  # inside of its write noise


def least_risk(tile):
    return jt.RiskSVD(dw_min=nominal(tile).dw_min, dw_min_std=nominal(tile).dw_min_std, caution=2.0)


def verify(tile):
    reads = 1 if tile.config.forward.is_perfect else 4
    return jt.ProgramVerify(model=nominal(tile), digits=6, batch_size=shape[1] // 4, reads=reads)


def chain(tile):
    pays = jt.OneHotPays(kappa=tile.config.half_select.kappa, w_max=nominal(tile).w_max)
    return jt.chain(jt.Stage(least_risk(tile), until=jt.After(60)), jt.Stage(verify(tile), when=pays))


def regardless(tile):
    return jt.chain(jt.Stage(least_risk(tile), until=jt.After(60)), verify(tile))


methods = {
    "GDP, one-hot": (lambda tile: jt.GDP(learning_rate=0.3, batch_size=shape[1] // 4), 48),
    "SVD": (lambda tile: jt.SVD(), 300),
    "SVD through reads": (lambda tile: jt.PowerSVD(reads=16, read_noise=0.06), 150),
    "least risk": (least_risk, 300),
    "program and verify": (verify, 192),
    "least risk, then verify": (chain, 252),
}
if SMALL:
    methods = {"least risk, then verify": (chain, 4)}
with_exact_reads = {name: method for name, method in methods.items() if name != "SVD through reads"}
with_exact_reads["the same at any kappa"] = (regardless, 4 if SMALL else 252)
colours = dict(zip(methods | with_exact_reads, jt.plot.COLOURS, strict=False))

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
def study(methods, configs, kappas):
    """Every method on every device, at every kappa."""
    where = {"key": jax.random.key(0), "over": {"half_select.kappa": kappas}, "chips": chips, "progress": not SMALL}
    return {name: jt.sweep(programming(*method), configs, targets, **where) for name, method in methods.items()}


found = study(methods, configs, kappas)
found_exactly = study(with_exact_reads, exact, near)


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
    """What each method took."""
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
        for name in methods:
            at = 100 * np.stack([numbers(found, name, "error", device=device, kappa=kappa, rank=row) for kappa in kappas])
            ax.loglog(kappas, at.mean(1), color=colours[name], linewidth=1.2, label=name)
            ax.fill_between(kappas, *np.quantile(at, (0.1, 0.9), axis=1), color=colours[name], alpha=0.2, linewidth=0)
        ax.axhline(100, color="0.6", linewidth=0.8, linestyle=":", zorder=0)  # nothing programmed
        ax.yaxis.set_major_formatter(PercentFormatter(decimals=0))
        ax.set_ylim(1, 2000)
        if row == 0:
            ax.set_title(device, fontsize="medium")
    axes[row, 0].set_ylabel(f"rank {rank}\nerror")
for ax in axes[-1]:
    ax.set_xlabel("kappa")
fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize="small")

# %% Error against what it costs, on soft bounds
costly, panels = plt.subplots(1, 3, figsize=(9, 3.2), sharey=True, layout="constrained")
labels = {"full_pulses": "full pulses per cell", "reads": "vectors read", "energy": "energy (J)"}
for ax, (quantity, label) in zip(panels, labels.items(), strict=True):
    for name in methods:
        where = {"device": "soft bounds", "kappa": kappas[min(1, len(kappas) - 1)], "rank": middle}
        error, cost = (np.nanmedian(numbers(found, name, f"{of}_way", **where), axis=0) for of in ("error", quantity))
        ax.loglog(cost[1:], 100 * error[1:], color=colours[name], linewidth=1.2, label=name)
    ax.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    ax.set_xlabel(label)
panels[0].set_ylabel("error")
costly.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize="small")

# %% With exact reads, on soft bounds, around the kappa from which cell by cell pays
exactly, panels = plt.subplots(1, len(ranks), figsize=(9, 3.4), sharey=True, squeeze=False, layout="constrained")
percents = (2, 5, 10, 20, 50)
boundaries = 2 * shape[1] * jnp.sqrt(jnp.mean(targets**2, axis=(1, 2))) / jt.device.SoftBounds().w_max
for row, (ax, boundary) in enumerate(zip(panels[0], boundaries, strict=True)):
    for name in with_exact_reads:
        at = 100 * np.stack([numbers(found_exactly, name, "error", device="soft bounds", kappa=kappa, rank=row) for kappa in near])
        style = {"color": colours[name], "linewidth": 1.2, "linestyle": "--" if name.startswith("the same") else "-"}
        ax.loglog(near, at.mean(1), label=name, **style)
        ax.fill_between(near, *np.quantile(at, (0.1, 0.9), axis=1), color=colours[name], alpha=0.2, linewidth=0)
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
    page = DOCS / "half_select_study.md"
    parts = [f"Rank {rank}:\n\n{table(found, configs, kappas, row)}" for row, rank in enumerate(ranks)]
    parts.append(f"On soft bounds at kappa 30 and rank {ranks[middle]}:\n\n{costs(found, 'soft bounds', middle, 30.0)}")
    write(page, "measured", parts)
    parts = [
        f"Rank {rank}, kappa* = {boundary:.1f}:\n\n{table(found_exactly, exact, near, row)}"
        for row, (rank, boundary) in enumerate(zip(ranks, boundaries, strict=True))
    ]
    parts.append(f"At kappa 30 and rank {ranks[middle]}:\n\n{costs(found_exactly, 'soft bounds', middle, 30.0)}")
    write(page, "measured with exact reads", parts)
