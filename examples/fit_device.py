"""A device of one's own: a measured ReRAM device and a thousand simulated ones, fitted, and a tile made of them.

The measurement is in `data/`: 1000 pulses up, then 1000 down (Gong et al., Nat. Commun. 9:2102, 2018).
"""

# %% Size
import dataclasses
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxtile as jt

SMALL = bool(os.environ.get("JAXTILE_SMALL"))  # as in the tests
every, devices, sweeps, n_states = (10, 20, 2, 4) if SMALL else (1, 1000, 3, 8)
folder = Path(__file__).parent

# %% A measured device
# Of the small size, only the beginning of each sweep.
up, down = np.loadtxt(folder / "data/gong_et_al.csv", delimiter=",").T
up, down = up[: up.size // every], down[: down.size // every]
pulses = np.concatenate([np.ones(up.size - 1), -np.ones(down.size)])  # the first measurement is where we start
kind = jt.device.LinearStep(dw_min=2e-3, w_max=1.0, w_min=-1.0, gamma_up=0.5, gamma_down=0.5, allow_increasing=True)
measured = jt.device.fit(kind, np.concatenate([up, down])[None], pulses)
for name, value in measured.estimates.items():
    print(f"{name}: {value[0]:.4g} +- {measured.standard_errors[name][0]:.2g}")


# %% A thousand devices, measured with read noise
truth = jt.device.SoftBounds(
    **{"dw_min": 0.02, "dw_min_dtod": 0.2, "up_down": 0.1, "up_down_dtod": 0.05},
    **{"w_max": 0.8, "w_max_dtod": 0.1, "w_min": -0.7, "w_min_dtod": 0.1},
)
train = jnp.tile(jnp.repeat(jnp.array([1.0, -1.0]), 100), sweeps)
weights = jt.device.measure(truth, train, n_devices=devices, read_std=0.003, key=jax.random.key(0))
simulated = jt.device.fit(jt.device.SoftBounds(), weights, train)
print("true:  ", truth)
print("fitted:", simulated.device)

# %% A tile of fitted devices
tile = jt.init(jt.TileConfig(device=simulated.device), (20, 30), key=jax.random.key(1))
target = jt.targets.low_rank((20, 30), 3, spectral_norm=1.0, key=jax.random.key(2))
print(jt.program(tile, target, jt.SVD(), key=jax.random.key(3), max_steps=50))

# %% Or the steps as they are: a table
table = jt.device.Table.from_pulses(weights, train, n_states=n_states)
table = dataclasses.replace(table, dw_min_dtod=simulated.device.dw_min_dtod)

# %% Picture
fig, axes = plt.subplots(2, 2, figsize=(7, 4.8), layout="constrained")
for row, (title, result, shown) in enumerate(
    (("a measured ReRAM device", measured, (0,)), (f"{devices} simulated devices, soft bounds", simulated, (0, 1, 2)))
):
    jt.plot.fit(result, devices=shown, ax=axes[row, 0]).set_title(title, fontsize="medium")
    jt.plot.residuals(result, ax=axes[row, 1])

# %% Save
if not SMALL:
    fig.savefig(folder.parent / "docs/figures/fit_device.png", dpi=200)
