# ---
# jupyter: {jupytext: {text_representation: {extension: .py, format_name: percent}}}
# ---
# %% [markdown]
# # Program a matrix
#
# This page programs one matrix into one chip, looks at the result, adds half-selected cells, and ends with twenty chips. Each block
# continues the one before. All of them together take about a minute.
#
# ## 1. The matrix
#
# jaxtile takes any array of real numbers as a target: NumPy, JAX, nested lists, a pandas table, a torch tensor.
# %%
import jax
import numpy as np
import jaxtile as jt

target = np.random.default_rng(0).normal(0.0, 0.1, (24, 32))  # or np.load("weights.npy")
# %% [markdown]
# Rows are outputs, columns are inputs: reading with `x` gives `target @ x`. Weights have no unit. The devices of this page hold about
# -0.6 to 0.6, so scale your matrix into that range and keep the factor. From microsiemens that is
# `0.5 * matrix / np.abs(matrix).max()`.
#
# ## 2. The chip
#
# A device is a law for one step. With soft bounds, a step shrinks as the weight comes nearer to its bound:
# %%
device = jt.device.SoftBounds(dw_min=1e-3)  # one pulse at weight zero moves the weight by 0.001
ax = jt.plot.pulse_response(device, key=jax.random.key(0))
# %% [markdown]
# The thick line is the nominal device, and the others are devices that were fabricated. They differ because `dw_min_dtod`, `w_max_dtod`
# and `w_min_dtod` are 0.3 by default. The steps are noisy because `dw_min_std` is 0.3.
#
# Fabricate a chip of such devices:
# %%
config = jt.TileConfig(device=device)
tile = jt.init(config, target.shape, key=jax.random.key(1))
# %% [markdown]
# ## 3. A run
#
# `jt.SVD()` reads the tile, takes the largest singular component of what is still wrong, and sends pulses that correct it.
# %%
sol = jt.program(tile, target, jt.SVD(), key=jax.random.key(2), max_steps=60)
print(sol.summary())
# %% [markdown]
# The run stops when what the method *reads* differs from the target by less than `tolerance`, or after `max_steps`. Here it takes all
# steps, which is usual: noise of the devices and of the reading keeps the error above the tolerance.
#
# - `sol.stats` holds numbers of the whole run: errors, pulses, reads, steps.
# - `sol.history` holds the same after every step.
# - `sol.tile` is the programmed tile. Read it with `jt.forward(sol.tile, x, key=key)`.
#
# ## 4. Two methods
#
# `jt.GDP()` is gradient descent: it reads the outputs for known inputs and lets the tile correct them. A read is noisy, so each input is
# read eight times here.
# %%
solutions = {"SVD": sol}
solutions["GDP"] = jt.program(tile, target, jt.GDP(reads=8), key=jax.random.key(2), max_steps=60)

ax = jt.plot.convergence(solutions)
ax = jt.plot.convergence(solutions, against="time", costs=jt.Costs(pulse_period=2e-7))
ax.set(xscale="log", xlim=(1e-4, None))


# %% [markdown]
# By the number of steps GDP looks faster. A step of GDP sends a vector of pulses for every column, though. Against time, which
# [`jt.Costs`](../explanation/accounting.md) computes from pulses and reads, the order is another one. The numbers of `Costs` are assumptions. Set them
# to those of your circuit.
#
# ## 5. Half-selected cells
#
# So far a cell moved only if its row and its column both pulsed. In an array without selectors a cell with one pulsing line moves too, by
# 1/kappa of a step:
# %%
def error_at(kappa, key):
    array = jt.TileConfig(device=device, half_select=jt.half_select.ConstantRatio(kappa=kappa))
    chip_key, run_key = jax.random.split(key)
    chip = jt.init(array, target.shape, key=chip_key)
    return jt.program(chip, target, jt.SVD(), key=run_key, max_steps=60).stats["relative_error"]


kappas = np.array([10.0, 30.0, 100.0, 1000.0])
keys = jax.random.split(jax.random.key(3), 20)
over_chips = jax.vmap(error_at, in_axes=(None, 0))
errors = jax.jit(jax.vmap(over_chips, in_axes=(0, None)))(kappas, keys)  # [kappa, chip]

for kappa, chips in zip(kappas, errors):
    print(f"kappa {kappa:6.0f}: median relative error {np.median(chips):.2f}")
# %% [markdown]
# Kappa is a number, and so are the keys of twenty chips. That is why 80 runs are one compiled call. At kappa 10 the error is much larger,
# and at 1000 hardly at all. [Half-selection](../explanation/half_selection.md) explains why, and
# [compensation](../records/compensation.md) what can be done.
#
# ## 6. Keep the result
#
# The weights are an array, and so is everything in `stats` and `history`:
# %%
np.savez("run.npz", weight=sol.weight, **sol.history)
# %% [markdown]
# A whole solution, tile and all, is [one file](../how_to/saving.md), which comes back bit for bit:
# %%
jt.save("run.safetensors", sol)
again = jt.load("run.safetensors")
assert (again.weight == sol.weight).all()
# %% [markdown]
# ## Where to go on
#
# - Your device: [its step, a table, or a fit to measured pulses](../how_to/own_device.md).
# - Other methods, and what each of them needs: [programming methods](../explanation/methods.md).
# - Thousands of runs into a store that survives an interruption: [sweeps](../how_to/sweep.md).
# - A whole network, and other scripts that run as they are: [examples](examples.md).
