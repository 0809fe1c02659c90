# ---
# jupyter: {jupytext: {text_representation: {extension: .py, format_name: percent}}}
# ---
# %% [markdown]
# # Your device from a CSV
#
# This tutorial reads measured pulse responses in microsiemens, finds the device that describes them, and programs a matrix into an array of
# such devices. It takes under a minute.
#
# ## 1. The file
#
# One line for each measurement, one column for each device. `pulse` says what was sent before: 1 up, -1 down; it is empty where a curve
# starts. Here a file is made of simulated devices, so that you see whether the truth is found. Use yours instead.
# %%
from pathlib import Path

import jax
import numpy as np

import jaxtile as jt

pulses = np.tile(np.repeat([1, -1], 60), 2)
truth = jt.device.SoftBounds(dw_min=0.04, dw_min_dtod=0.2, w_max=0.8, w_min=-0.8, w_max_dtod=0.1, w_min_dtod=0.1)
line = jt.device.Conductance(10.0, 110.0)  # the range of the circuit, in uS
measured = line.conductance(jt.device.measure(truth, pulses, n_devices=20, read_std=0.01, key=jax.random.key(0)))
measured = np.round(np.asarray(measured, float), 2)
rows = [["pulse", *(f"device {n}" for n in range(20))]]
rows += [[pulse, *values] for pulse, values in zip(["", *pulses], measured.T.tolist())]
Path("curves.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))
print("\n".join(Path("curves.csv").read_text().splitlines()[k][:70] for k in range(3)))
# %% [markdown]
# ## 2. From microsiemens to weights
#
# A weight has no unit. `Conductance` maps the range of your circuit to weights from -1 to 1, and back:
# %%
curves = jt.device.Curves.from_csv(Path("curves.csv"))
weights = line.weight(curves.weights)
print(f"{len(curves.names)} devices, {weights.shape[1]} measurements")
print(f"weights from {np.nanmin(weights):.2f} to {np.nanmax(weights):.2f}")  # NaN where nothing was measured
# %% [markdown]
# ## 3. The fit
#
# Choose a kind of device. `fit` finds its numbers for every device, and the population that they come from. It tells cycle noise from read
# noise.
# %%
found = jt.device.fit(jt.device.SoftBounds(), weights, curves.pulses)
print(found.device)
for name in ("dw_min", "w_max", "w_min"):
    print(f"{name:7} found {float(getattr(found.device, name)):7.4f}, true {float(getattr(truth, name)):7.4f}")
# %% [markdown]
# The curves against the fit show whether the kind is right. A lower AIC is a better kind:
# %%
other = jt.device.fit(jt.device.ConstantStep(w_max=1.5, w_min=-1.5), weights, curves.pulses)
print(f"AIC: soft bounds {found.aic.sum():.0f}, constant steps {other.aic.sum():.0f}")
ax = jt.plot.residuals(found)
# %% [markdown]
# ## 4. A matrix in an array of your devices
# %%
target = np.random.default_rng(0).uniform(-0.4, 0.4, (16, 24))
half_select = jt.half_select.ConstantRatio(kappa=100.0)
tile = jt.init(jt.TileConfig(device=found.device, half_select=half_select), target.shape, key=jax.random.key(1))
sol = jt.program(tile, target, jt.ProgramVerify(reads=4), key=jax.random.key(2), max_steps=40)
print(sol.summary())
ax = jt.plot.convergence(sol)
# %% [markdown]
# ## Where to go on
#
# - `jaxtile fit curves.csv --g-min 10 --g-max 110` compares kinds of devices, and prints the best for other commands.
# - [Write a device](../how_to/own_device.md): tables of steps, laws of your own, and the fit in detail.
# - [Choose a method](../how_to/choose_a_method.md).
