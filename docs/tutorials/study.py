# ---
# jupyter: {jupytext: {text_representation: {extension: .py, format_name: percent}}}
# ---
# %% [markdown]
# # A study of two thousand tiles
#
# This tutorial asks which array is good enough: 10 values of kappa, 10 sizes of a step, 10 chips each and two methods are 2000 runs. They
# go into a store, from which an interrupted study goes on. It takes under a minute.
#
# ## 1. The plan
# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

import jaxtile as jt

config = jt.TileConfig(device=jt.device.SoftBounds(), half_select=jt.half_select.ConstantRatio())
target = jt.targets.low_rank((12, 16), rank=3, spectral_norm=0.8, key=jax.random.key(1))
runs = {
    "SVD": jt.Programming(jt.SVD(), max_steps=40),
    "PowerSVD": jt.Programming(jt.PowerSVD(), max_steps=40),
}
over = {
    "half_select.kappa": np.geomspace(10, 1000, 10).round(1),
    "device.dw_min": np.geomspace(0.0005, 0.05, 10).round(5),
}
# %% [markdown]
# Numbers are named by the path that leads to them. All values of one method run in one compiled program.
#
# ## 2. The run
# %%
data = jt.sweep(runs, config, target, key=jax.random.key(0), over=over, chips=10, store="study.zarr")
print(dict(data.sizes))
# %% [markdown]
# A call that was interrupted goes on when it is repeated. The store is a group of zarr, and `jt.sweep.load("study.zarr")` reads it.
#
# ## 3. The result
#
# The data set is one of xarray, with named dimensions and units:
# %%
error = data.relative_error.median("chip").squeeze()
print(error.sel(run="PowerSVD").to_pandas().iloc[::3, ::3].round(2))
# %%
fig, axes = plt.subplots(1, 2, figsize=(7.5, 3), layout="constrained", sharey=True)
for ax, name in zip(axes, runs):
    picture = ax.pcolormesh(over["device.dw_min"], over["half_select.kappa"], error.sel(run=name), vmin=0, vmax=1, cmap="viridis")
    ax.set(xscale="log", yscale="log", xlabel="dw_min", title=name)
axes[0].set_ylabel("kappa")
_ = fig.colorbar(picture, label="median relative error of ten chips")
# %% [markdown]
# Fine steps need many of them, and coarse ones are noisy: there is a best size in between. It depends on kappa.
#
# ## 4. From the command line
#
# The same study is a text file for `jaxtile sweep`: `examples/study.toml` has one.
#
# ```bash
# jaxtile sweep examples/study.toml --store study.zarr && jaxtile plot study.zarr
# ```
#
# ## Where to go on
#
# - [Sweep](../how_to/sweep.md): targets, seeds, functions of your own, stores.
# - [Sweep on a cluster](../how_to/scaling.md): many devices and processes.
