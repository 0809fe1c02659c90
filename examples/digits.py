"""A real network on half-selected tiles: how much accuracy survives programming, and how long?

A small classifier of handwritten digits is trained in JAX. Its two layers are programmed into tiles, by gradient descent on unit
vectors and by singular vectors, for arrays from very good to poor (kappa), on several chips each. Then every layer is read through
the tile's noisy periphery, and the accuracy on unseen digits counted.

Then the layers are written into chips for inference, of phase-change and of resistive memory, and the accuracy is followed over ten
years: devices drift, and a digital factor makes up for what they lose alike.
"""

# %% Size
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import jaxtile as jt
from jaxtile import digital, noise

SMALL = bool(os.environ.get("JAXTILE_SMALL"))  # as in the tests
chips, epochs, max_steps = (2, 20, 5) if SMALL else (10, 300, 200)
kappas = jnp.array([jnp.inf, 1000.0, 300.0, 100.0, 30.0, 10.0])
hidden = 32

# %% Train in floating point
images, digits = load_digits(return_X_y=True)
images = images / 16
split = train_test_split(images, digits, test_size=0.3, random_state=0)
train_x, test_x, train_y, test_y = (jnp.asarray(part) for part in split)
train_x, test_x = train_x.astype(float), test_x.astype(float)


def network(weights, biases, x, layer=lambda w, x: x @ w.T):
    x = jax.nn.relu(layer(weights[0], x) + biases[0])
    return layer(weights[1], x) + biases[1]


def loss(parameters):
    weights, biases = parameters
    decay = sum(jnp.sum(w**2) for w in weights)
    return optax.softmax_cross_entropy_with_integer_labels(network(weights, biases, train_x), train_y).mean() + 1e-4 * decay


keys = jax.random.split(jax.random.key(0), 4)
weights = [0.2 * jax.random.normal(keys[0], (hidden, 64)), 0.2 * jax.random.normal(keys[1], (10, hidden))]
parameters = (weights, [jnp.zeros((1, hidden)), jnp.zeros((1, 10))])
optimiser = optax.adam(1e-2)


@jax.jit
def train(parameters):
    def step(carry, _):
        parameters, state = carry
        updates, state = optimiser.update(jax.grad(loss)(parameters), state)
        return (optax.apply_updates(parameters, updates), state), None

    return jax.lax.scan(step, (parameters, optimiser.init(parameters)), None, length=epochs)[0][0]


weights, biases = train(parameters)


def accuracy(outputs):
    return jnp.mean(jnp.argmax(outputs, axis=1) == test_y)


in_digital = float(accuracy(network(weights, biases, test_x)))

# %% Program its layers
# Weights are scaled, layer by layer, so that the largest stands at half of the nominal bound; most devices can hold that. The
# scale is restored digitally after the read.
device = jt.device.SoftBounds()
largest = 0.5 * device.w_max
scales = [jnp.max(jnp.abs(w)) / largest for w in weights]


def survives(method, kappa, key):
    """The accuracy of one chip, and the half pulses that its cells have seen."""
    config = jt.TileConfig(device=device, half_select=jt.half_select.ConstantRatio(kappa=kappa))
    tiles, half_pulses = [], []
    for number, (w, scale) in enumerate(zip(weights, scales, strict=True)):
        chip_key, run_key = jax.random.split(jax.random.fold_in(key, number))
        tile = jt.init(config, w.shape, key=chip_key)
        solution = jt.program(tile, w / scale, method, key=run_key, max_steps=max_steps, record=(), throw=False)
        tiles.append(solution.tile)
        half_pulses.append(solution.stats["half_pulses"])
    read_keys = iter(jax.random.split(jax.random.fold_in(key, 2)))
    programmed = list(zip(tiles, scales, strict=True))
    outputs = network(programmed, biases, test_x, layer=lambda layer, x: layer[1] * jt.forward(layer[0], x, key=next(read_keys)))
    return accuracy(outputs), half_pulses[0]


methods = {"SVD": jt.SVD()} if SMALL else {"GDP": jt.GDP(learning_rate=0.3), "SVD": jt.SVD()}
results = {}
for name, method in methods.items():
    over_chips = jax.vmap(lambda kappa, key, method=method: survives(method, kappa, key), in_axes=(None, 0))
    results[name] = jax.jit(jax.vmap(over_chips, in_axes=(0, None)))(kappas, jax.random.split(keys[2], chips))

# %% Picture
fig, ax = plt.subplots(figsize=(3.5, 2.8), layout="constrained")
finite = np.where(np.isinf(kappas), 3e3, kappas)  # infinity has a place of its own on the axis
for (name, (survived, _)), colour in zip(results.items(), jt.plot.COLOURS, strict=False):
    low, middle, high = np.quantile(survived, (0.1, 0.5, 0.9), axis=1)
    ax.plot(finite, middle, "o-", markersize=3, linewidth=1.2, color=colour, label=name)
    ax.fill_between(finite, low, high, color=colour, alpha=0.25, linewidth=0)
ax.axhline(in_digital, color="black", linewidth=0.8, linestyle=":", label="floating point")
ax.set_xscale("log")
ax.set_xticks(finite, [r"$\infty$" if np.isinf(kappa) else f"{kappa:g}" for kappa in kappas])
ax.minorticks_off()
ax.set_xlabel("kappa")
ax.set_ylabel("test accuracy")
ax.set_ylim(0, 1.02)
ax.legend(frameon=False, loc="lower right")

# %% Figures
print(f"floating point: {in_digital:.3f}")
for name, (survived, half) in results.items():
    for kappa, accuracies, pulses in zip(kappas, survived, half, strict=True):
        spread = f"{accuracies.mean():.3f} +- {accuracies.std():.3f}"
        print(f"{name}, kappa {kappa:g}: accuracy {spread}, {pulses.mean():.0f} half pulses a cell of the first layer")

# %% Age
# Each chip is written once; at each time it is read as it is then, with and without the factor that drift compensation finds.
technologies = {"PCM": noise.PCM(), "CMO ReRAM": noise.ReRAMCMO()}
times = {"1 s": 1.0, "1 min": 60.0, "1 h": 3600.0, "1 day": 86400.0, "1 month": 2.6e6, "1 year": 3.16e7, "10 years": 3.16e8}
if SMALL:
    technologies, times = {"PCM": noise.PCM()}, {"1 day": 86400.0, "1 year": 3.16e7}
inference = jt.TileConfig(device=jt.device.Ideal(), pulse=jt.pulse.NoPulse())
compensation = digital.GlobalDriftCompensation()


def ages(model, time, key):
    """The accuracy of one chip, without and with drift compensation."""
    layers = []
    for number, w in enumerate(weights):
        write_key, drift_key, first_key, later_key = jax.random.split(jax.random.fold_in(key, number), 4)
        scale = jnp.max(jnp.abs(w))
        tile = jt.set_weights(jt.init(inference, w.shape, key=key), w / scale)
        chip = jt.apply_programming_noise(tile, model, key=write_key)
        late = jt.drift(chip, time, key=drift_key)
        alpha = compensation(late, compensation.baseline(chip, key=first_key), key=later_key)
        layers.append((late, scale, alpha))

    def read(compensated):
        read_keys = iter(jax.random.split(jax.random.fold_in(key, 2)))

        def layer(parts, x):
            late, scale, alpha = parts
            return scale * jnp.where(compensated, alpha, 1) * jt.forward(late, x, key=next(read_keys))

        return accuracy(network(layers, biases, test_x, layer=layer))

    return jax.vmap(read)(jnp.array([False, True]))


aged = {}
for name, model in technologies.items():
    over_chips = jax.vmap(lambda time, key, model=model: ages(model, time, key), in_axes=(None, 0))
    over_times = jax.jit(jax.vmap(over_chips, in_axes=(0, None)))
    aged[name] = over_times(jnp.array(list(times.values())), jax.random.split(keys[3], chips))

# %% Picture of the ages
drift_fig, ax = plt.subplots(figsize=(4, 3), layout="constrained")
seconds = list(times.values())
for (name, both), colour in zip(aged.items(), jt.plot.COLOURS, strict=False):
    both = np.moveaxis(both, -1, 0)
    for accuracies, style, suffix in zip(both, ("--", "-"), ("", ", compensated"), strict=True):
        ax.plot(seconds, np.median(accuracies, axis=1), style, color=colour, linewidth=1.2, label=name + suffix)
    ax.fill_between(seconds, *np.quantile(both[1], (0.1, 0.9), axis=1), color=colour, alpha=0.2, linewidth=0)
ax.axhline(in_digital, color="black", linewidth=0.8, linestyle=":", label="floating point")
ax.set_xscale("log")
ax.set_xticks(seconds, list(times), rotation=45)
ax.minorticks_off()
ax.set_ylim(0.8, 1)
ax.set_xlabel("time after the write")
ax.set_ylabel("test accuracy")
ax.legend(frameon=False, loc="lower left")
for name, both in aged.items():
    for label, (without, compensated) in zip(times, both.mean(axis=1), strict=True):
        print(f"{name}, {label}: accuracy {without:.3f}, compensated {compensated:.3f}")

# %% Save
if not SMALL:
    for figure, name in ((fig, "digits"), (drift_fig, "digits_drift")):
        figure.savefig(Path(__file__).parents[1] / f"docs/figures/{name}.png", dpi=200)
