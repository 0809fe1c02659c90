"""The effect of the batch size on gradient-descent programming, against steps and against work.

A step of a larger batch pulses more vectors, so error against *steps* flatters large batches. All runs here use the same number of
input vectors. Against the pulses that a cell has received, nothing is left of the difference: unit vectors of different columns do
not see one another's corrections.
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
shape, rank, chips, passes = ((30, 50), 5, 2, 1) if SMALL else ((300, 500), 20, 4, 3)
batch_sizes = (5, 50) if SMALL else (1, 5, 10, 20, 50)


# %% One chip, and many
def program_one(batch_size, key):
    target_key, chip_key, start_key, run_key = jax.random.split(key, 4)
    target = targets.low_rank(shape, rank, key=target_key)
    tile = jt.init(jt.TileConfig(), shape, key=chip_key)
    tile = jt.set_weights(tile, jax.random.uniform(start_key, shape, float, -0.01, 0.01))
    steps = passes * shape[1] // batch_size
    options = {"max_steps": steps, "tolerance": 0, "record": ("spectral_error", "full_pulses"), "throw": False}
    return jt.program(tile, target, jt.GDP(batch_size=batch_size), key=run_key, **options)


keys = jax.random.split(jax.random.key(0), chips)
solutions = {
    f"batch of {size}": jax.jit(jax.vmap(functools.partial(program_one, size)))(keys)  # a batch size is a shape: a Python loop
    for size in batch_sizes
}

# %% Picture
fig, (by_steps, by_work) = plt.subplots(1, 2, figsize=(7, 2.8), layout="constrained", sharey=True)
jt.plot.convergence(solutions, ax=by_steps)
by_steps.set_xlim(0, 100)
by_steps.get_legend().remove()  # the same as that of the other
jt.plot.convergence(solutions, against="full_pulses", ax=by_work)
by_work.legend(frameon=False, fontsize="small")
by_work.set_ylabel("")

# %% Figures
for name, solution in solutions.items():
    error, full = solution.stats["spectral_error"], solution.stats["full_pulses"]
    print(f"{name}: error {error.mean():.3f} +- {error.std():.3f} after {full.mean():.0f} full pulses a cell")

# %% Save
if not SMALL:
    fig.savefig(Path(__file__).parents[1] / "docs/figures/batch_size.png", dpi=200)
