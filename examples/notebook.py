"""Methods compared: a matrix of low rank, programmed by singular vectors and by gradient descent into ideal and real devices.

Each line is the median of several chips, each with a matrix of its own; the band reaches from the 10 % to the 90 % quantile.
"""

# %% Size
import functools
import os
from pathlib import Path

import jax
import matplotlib.pyplot as plt

import jaxtile as jt
from jaxtile import targets

SMALL = bool(os.environ.get("JAXTILE_SMALL"))  # as in the tests
shape, rank, chips, max_steps = ((30, 50), 5, 2, 10) if SMALL else ((300, 500), 20, 6, 100)

# %% What is compared
# Gradient descent starts from small random weights, singular vectors from zero. Ideal devices hold any number, so their matrix is
# left as it was drawn; for real ones it is scaled into their range.
devices = {
    "ideal": (jt.device.Ideal(), None),
    "constant step": (jt.device.ConstantStep(), 3.0),
}
methods = {
    "SVD": (jt.SVD(solver="exact"), 0.0),  # decomposed in full, as in the notebook
    "GDP, all unit vectors": (jt.GDP(), 0.01),
    "GDP, mini-batches of 5": (jt.GDP(batch_size=5), 0.01),
}


# %% One chip, and many
def program_one(device, spectral_norm, method, start, key):
    target_key, chip_key, start_key, run_key = jax.random.split(key, 4)
    target = targets.low_rank(shape, rank, spectral_norm=spectral_norm, key=target_key)
    tile = jt.init(jt.TileConfig(device=device), shape, key=chip_key)
    tile = jt.set_weights(tile, jax.random.uniform(start_key, shape, float, -start, start))
    record = ("spectral_error",)
    return jt.program(tile, target, method, key=run_key, max_steps=max_steps, tolerance=0, record=record, throw=False)


keys = jax.random.split(jax.random.key(0), chips)
solutions = {}
for device_name, (device, spectral_norm) in devices.items():
    solutions[device_name] = {}
    for name, (method, start) in methods.items():
        # Different methods are a Python loop, different chips are a vmap.
        run = jax.jit(jax.vmap(functools.partial(program_one, device, spectral_norm, method, start)))
        solutions[device_name][name] = run(keys)

# %% Picture
fig, axes = plt.subplots(1, len(devices), figsize=(7, 2.8), layout="constrained")
for ax, (device_name, compared) in zip(axes, solutions.items(), strict=True):
    jt.plot.convergence(compared, ax=ax).set_title(device_name, fontsize="medium")
    ax.legend(frameon=False, fontsize="small")
axes[1].get_legend().remove()  # the same as that of the first

# %% Figures
for device_name, compared in solutions.items():
    for name, solution in compared.items():
        error = solution.history["spectral_error"]
        shown = {step: error[:, step] for step in (0, 5, 10, 20, 50, max_steps) if step <= max_steps}
        print(f"{device_name}, {name}:", ", ".join(f"{e.mean():.3g} +- {e.std():.2g} at {step}" for step, e in shown.items()))

# %% Save
if not SMALL:
    fig.savefig(Path(__file__).parents[1] / "docs/figures/notebook.png", dpi=200)
