# %% [markdown]
# # The notebook, working
#
# The experiments of the notebook that this project started from: programming a 300 x 500 tile with a target of rank 20 by gradient
# descent (GDP) and by singular vectors (SVD), on aihwkit's own C++ tile and on jaxtile's, which the bridge puts inside aihwkit; the
# effect of the batch size; and a layer trained by aihwkit's optimizer.
#
# `python examples/bridge_notebook.py` takes a few minutes and draws `docs/figures/bridge_notebook.png`; with `--small` it is done
# within one.

# %%
import pathlib
import sys

import matplotlib.pyplot as plt
import numpy as np
import torch
from aihwkit.nn import AnalogLinear
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.configs.devices import ConstantStepDevice, IdealDevice
from aihwkit.simulator.tiles.analog import AnalogTile
from aihwkit.simulator.tiles.custom import CustomTile
from aihwkit.simulator.tiles.periphery import TileWithPeriphery

import jaxtile as jt
from bridge import (
    RealisticTile,
    RPUConfigWithProgram,
    from_analog_tile,
    program_weights_gdp,
    program_weights_gdp2,
    program_weights_svd,
    to_analog_tile,
)

SMALL = "--small" in sys.argv
OUT, WIDTH, RANK = (12, 20, 3) if SMALL else (300, 500, 20)
STEPS = 10 if SMALL else 100
BATCHES = (1, 5) if SMALL else (1, 5, 10, 20, 50)
COLOURS = dict(zip(("gdp", "gdp2", "svd", "own"), ("#0072B2", "#D55E00", "#009E73", "#7F7F7F"), strict=True))
torch.manual_seed(0)
torch.set_num_threads(1)


def low_rank(norm=None):
    """A Gaussian matrix [out, in] cut to its leading components; scaled to a spectral norm if one is given."""
    u, s, vh = torch.linalg.svd(torch.randn(OUT, WIDTH), full_matrices=False)
    s = s if norm is None else s / s[0] * norm
    return (u[:, :RANK] * s[:RANK]) @ vh[:RANK]


# %% [markdown]
# ## AnalogTile
#
# The methods are attached to aihwkit's own tile, as in the notebook: jaxtile's algorithm drives the C++ engine.

# %%
w = low_rank()
atile = AnalogTile(OUT, WIDTH, SingleRPUConfig(device=IdealDevice()), bias=False)
atile.program_weights = program_weights_gdp2.__get__(atile)
atile2 = AnalogTile(OUT, WIDTH, SingleRPUConfig(device=IdealDevice()), bias=False)
atile2.program_weights = program_weights_svd.__get__(atile2)

atile.tile.set_weights(w)
ideal = {"gdp2": {"aihwkit": atile.program_weights(batch_size=5, max_iter=STEPS, tolerance=1e-5).spectral_error}}
atile2.tile.set_weights(w)
ideal["svd"] = {"aihwkit": atile2.program_weights().spectral_error}

# %% [markdown]
# ## CustomTile
#
# aihwkit's Python tile, for comparison: it adds the outer product and knows neither devices nor pulses.

# %%
ctile = CustomTile(OUT, WIDTH)
ctile.set_weights(w * 0.1)
print("CustomTile, error of a realistic read:", float((ctile.get_weights(realistic=True)[0] - w * 0.1).abs().mean()))

# %% [markdown]
# ## RealisticTile
#
# The configuration names the method, and `set_weights(w, realistic=True)` runs it. `w` is [out, in]: the notebook's `w` was
# [in, out], which `set_weights` of a tile module reshapes, not transposes.

# %%
rpu_config = RPUConfigWithProgram(device=IdealDevice(), program_weights=program_weights_svd)
print(rpu_config)
rtile = RealisticTile(OUT, WIDTH, rpu_config=rpu_config)
rtile.set_weights(w, realistic=True)
print("RealisticTile, error after programming:", float((rtile.get_weights()[0] - w).abs().max()))

rtile.tile.set_weights(w)
ideal["svd"]["jaxtile"] = rtile.program_weights().spectral_error
rtile.tile.set_weights(w)
ideal["gdp2"]["jaxtile"] = program_weights_gdp2(rtile, batch_size=5, max_iter=STEPS, tolerance=1e-5).spectral_error

# %% [markdown]
# ## GDP against SVD, both engines
#
# The same chip in both: aihwkit fabricates it, and jaxtile takes over its very devices. What aihwkit's `program_weights` reaches
# after some numbers of steps is drawn as dots (on aihwkit's tile) and crosses (on jaxtile's).

# %%
device = ConstantStepDevice()
chip = from_analog_tile(AnalogTile(OUT, WIDTH, SingleRPUConfig(device=device), bias=False))
w = low_rank(norm=3.0)
own_steps = (1, 4) if SMALL else (1, 3, 10, 30)


def programmed(config, method, **arguments):
    """The spectral error, step by step, of a method on a fresh copy of the chip."""
    tile = to_analog_tile(chip, config)
    tile.tile.set_weights(w)
    return method(tile, max_iter=STEPS, tolerance=None, **arguments).spectral_error


def programmed_by_aihwkit(config, steps):
    """The spectral error that aihwkit's own method reaches."""
    tile = to_analog_tile(chip, config)
    tile.tile.set_weights(w)
    TileWithPeriphery.program_weights(tile, learning_rate=1.0, max_iter=steps, tolerance=None)
    return np.linalg.norm((tile.tile.get_weights() - w).numpy(), 2)


methods = {"gdp": program_weights_gdp, "gdp2": program_weights_gdp2, "svd": program_weights_svd}
engines = {"aihwkit": None, "jaxtile": RPUConfigWithProgram(device=device)}
pulsed = {name: {e: programmed(config, method) for e, config in engines.items()} for name, method in methods.items()}
own = {engine: [programmed_by_aihwkit(config, n) for n in own_steps] for engine, config in engines.items()}

# %% [markdown]
# ## Half-selected cells
#
# What the notebook set out to see, and aihwkit cannot show: a poor array, whose half-selected cells move by a tenth of a step.

# %%
poor = RPUConfigWithProgram(device=device, half_select=jt.half_select.ConstantRatio(kappa=10.0))
disturbed = {name: programmed(poor, methods[name]) for name in ("gdp", "svd")}

# %% [markdown]
# ## Effect of the batch size
#
# Batches go around the columns. The notebook's window (`legacy_wrap=True`) grew into the full batch instead.

# %%
by_batch = {b: {e: programmed(c, program_weights_gdp2, batch_size=b) for e, c in engines.items()} for b in BATCHES}

# %% [markdown]
# ## Training a layer
#
# A digital layer, converted to ideal devices with noisy reads, learns to put out zero.

# %%
digital = torch.nn.Linear(WIDTH, OUT, bias=False)
inputs = torch.rand(10 * STEPS, WIDTH)
losses = {}
for engine, config in {
    "aihwkit": SingleRPUConfig(device=IdealDevice()),
    "jaxtile": RPUConfigWithProgram(device=IdealDevice()),
}.items():
    layer = AnalogLinear.from_digital(digital, config)
    optimizer = AnalogSGD(layer.parameters(), lr=0.005)
    losses[engine] = []
    for x in inputs:
        loss = (layer(x) ** 2).sum()
        losses[engine].append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

# %% [markdown]
# ## The figure

# %%
LINES = {"aihwkit": {"linewidth": 3.5, "alpha": 0.35}, "jaxtile": {"linewidth": 1.0}}
figure, axes = plt.subplots(2, 2, figsize=(9.5, 7), layout="constrained")
(ax_ideal, ax_pulsed), (ax_batch, ax_loss) = axes

for name, curves in ideal.items():
    for engine, errors in curves.items():
        label = {"gdp2": "GDP, batches of 5", "svd": "SVD"}[name] if engine == "jaxtile" else None
        ax_ideal.semilogy(errors, color=COLOURS[name], label=label, **LINES[engine])
ax_ideal.set_title("Ideal devices", loc="left")

for name, curves in pulsed.items():
    for engine, errors in curves.items():
        label = {"gdp": "GDP", "gdp2": "GDP, batches of 5", "svd": "SVD"}[name] if engine == "jaxtile" else None
        ax_pulsed.semilogy(errors, color=COLOURS[name], label=label, **LINES[engine])
for name, errors in disturbed.items():
    ax_pulsed.semilogy(errors, ":", color=COLOURS[name], label=f"{name.upper()}, half-selected cells, $\\kappa$ = 10")
ax_pulsed.plot(own_steps, own["aihwkit"], "o", color=COLOURS["own"], alpha=0.5, label="aihwkit's program_weights")
ax_pulsed.plot(own_steps, own["jaxtile"], "kx", markersize=5)
ax_pulsed.set_ylim(top=400)  # room for the legend
ax_pulsed.set_title("Constant-step devices", loc="left")

for i, (batch, curves) in enumerate(by_batch.items()):
    for engine, errors in curves.items():
        colour = plt.colormaps["viridis"](i / max(len(by_batch) - 1, 1) * 0.85)
        ax_batch.plot(errors, color=colour, label=f"batches of {batch}" if engine == "jaxtile" else None, **LINES[engine])
ax_batch.set_ylim(top=3.9)
ax_batch.set_title("GDP, constant-step devices: batch size", loc="left")

for engine, loss in losses.items():
    ax_loss.plot(np.arange(STEPS) * 10 + 5, np.reshape(loss, (STEPS, 10)).mean(axis=1), color=COLOURS["gdp"], **LINES[engine])
ax_loss.set_title("AnalogLinear with AnalogSGD, ideal devices", loc="left")
ax_loss.set(xlabel="optimizer step", ylabel="loss, mean of ten steps")
ax_loss.set_ylim(bottom=0)

for ax in (ax_ideal, ax_pulsed, ax_batch):
    ax.set(xlabel="pulse step", ylabel="spectral norm of W - target")
    ax.legend(frameon=False, fontsize=8, loc="lower right" if ax is ax_ideal else "upper right")
for ax in axes.flat:
    ax.set_xlim(left=0)
    ax.spines[["top", "right"]].set_visible(False)
for engine, style in LINES.items():
    ax_loss.plot([], [], color="0.3", label=engine, **style)
ax_loss.legend(frameon=False, title="engine, in all panels")

if not SMALL:
    figures = pathlib.Path(__file__).parents[1] / "docs" / "figures"
    figures.mkdir(exist_ok=True)
    figure.savefig(figures / "bridge_notebook.png", dpi=130)
