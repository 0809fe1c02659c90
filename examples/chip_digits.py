"""My network on my chip: a classifier of digits is converted, programmed, aged and compensated, on twenty chips.

The network is trained in floating point, and knows of no chip. Then its matrices are put on tiles of devices that drift. Each
chip is programmed from zero by program and verify, with pulses that disturb half-selected cells. Its accuracy is followed over a
year, with and without a digital factor that makes up for what all devices lose alike.
"""

# %% Size
import os
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import jaxtile as jt

SMALL = bool(os.environ.get("JAXTILE_SMALL"))  # as in the tests
chips, epochs = (2, 40) if SMALL else (20, 200)
times = {"1 s": 1.0, "1 h": 3.6e3, "1 day": 8.64e4, "1 month": 2.6e6, "1 year": 3.16e7}
key = jax.random.key(0)

# %% Train in floating point
images, labels = load_digits(return_X_y=True)
x, test_x, y, test_y = map(jnp.asarray, train_test_split((images / 16).astype(np.float32), labels, test_size=0.3, random_state=0))
network = eqx.nn.MLP(64, 10, width_size=32, depth=1, key=key)
optimizer = optax.adamw(1e-2, weight_decay=1e-2)


def loss(network):
    return optax.softmax_cross_entropy_with_integer_labels(jax.vmap(network)(x), y).mean()


@eqx.filter_jit
def step(network, state):
    updates, state = optimizer.update(eqx.filter_grad(loss)(network), state, eqx.filter(network, eqx.is_array))
    return eqx.apply_updates(network, updates), state


state = optimizer.init(eqx.filter(network, eqx.is_array))
for _ in range(epochs):
    network, state = step(network, state)


def accuracy(model):
    return jnp.mean(jnp.argmax(jax.vmap(model)(test_x), axis=1) == test_y)


in_digital = float(accuracy(network))

# %% Put it on tiles
device = jt.device.Drifting(
    jt.device.SoftBounds(dw_min=0.005, w_max_dtod=0.1, w_min_dtod=0.1), nu=0.03, nu_dtod=0.2
)  # t_0 is one second
config = jt.TileConfig(device, half_select=jt.half_select.ConstantRatio(kappa=3000.0))
chip = jt.nn.convert(network, {r"layers\..*": jt.nn.Rule(config, mapping=jt.nn.Mapping(omega=0.3))}, max_shape=(32, 32), key=key)
print(jt.nn.summary(chip))

# %% Its life
costs = jt.Costs()


def life(key):
    """Accuracies [time, without and with compensation], and the pulses, energy and errors of programming."""
    program_key, drift_key, read_key = jax.random.split(key, 3)
    written, record = jt.nn.program(
        chip, jt.ProgramVerify(), key=program_key, max_steps=20, tolerance=0.02, with_record=True, record=(), throw=False
    )

    def read(model):
        return accuracy(jt.nn.with_key(model, read_key))

    def at(time):
        old = jt.nn.drift(written, time, key=drift_key)
        return jnp.stack([read(old), read(jt.nn.compensate(old, written, key=read_key))])

    pulses = jnp.stack([jnp.mean(solution.stats["full_pulses"]) for solution in record.values()])
    joules = sum(jnp.sum(costs.energy(solution.stats, solution.tile)) for solution in record.values())
    return jax.lax.map(at, jnp.array(list(times.values()))), pulses, joules, read(written)


survived, pulses, joules, fresh = jax.jit(jax.vmap(life))(jax.random.split(key, chips))

# %% Figures
print(f"floating point {in_digital:.3f}, on a chip that was just programmed {fresh.mean():.3f} +- {fresh.std():.3f}")
print(f"{pulses.mean():.0f} pulses for each cell, {joules.mean():.2g} J for the network")
for label, (plain, mended) in zip(times, survived.mean(axis=0), strict=True):
    print(f"{label}: accuracy {plain:.3f}, compensated {mended:.3f}")

# %% Picture
fig, ax = plt.subplots(figsize=(4, 3), layout="constrained")
seconds = list(times.values())
for both, style, colour, label in zip(
    np.moveaxis(survived, -1, 0), ("--", "-"), jt.plot.COLOURS, ("as it is", "compensated"), strict=False
):
    ax.plot(seconds, np.median(both, axis=0), style, color=colour, linewidth=1.2, marker="o", markersize=3, label=label)
    ax.fill_between(seconds, *np.quantile(both, (0.1, 0.9), axis=0), color=colour, alpha=0.2, linewidth=0)
ax.axhline(in_digital, color="black", linewidth=0.8, linestyle=":", label="floating point")
ax.set_xscale("log")
ax.set_xticks(seconds, list(times), rotation=45)
ax.minorticks_off()
ax.set_xlabel("time after programming")
ax.set_ylabel(f"test accuracy of {chips} chips")
ax.legend(frameon=False, loc="lower left")

# %% Save
if not SMALL:
    fig.savefig(Path(__file__).parents[1] / "docs/figures/chip_digits.png", dpi=200)
