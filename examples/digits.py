"""A real network on half-selected tiles: how much accuracy survives programming?

A small classifier of handwritten digits is trained in JAX. Its two layers are programmed into tiles, by gradient descent on unit
vectors and by singular vectors, for arrays from very good to poor (kappa), on several chips each. Then every layer is read through
the tile's noisy periphery, and the accuracy on unseen digits counted.
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


digital = float(accuracy(network(weights, biases, test_x)))

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
ax.axhline(digital, color="black", linewidth=0.8, linestyle=":", label="floating point")
ax.set_xscale("log")
ax.set_xticks(finite, [r"$\infty$" if np.isinf(kappa) else f"{kappa:g}" for kappa in kappas])
ax.minorticks_off()
ax.set_xlabel("kappa")
ax.set_ylabel("test accuracy")
ax.set_ylim(0, 1.02)
ax.legend(frameon=False, loc="lower right")

# %% Figures
print(f"floating point: {digital:.3f}")
for name, (survived, half) in results.items():
    for kappa, accuracies, pulses in zip(kappas, survived, half, strict=True):
        spread = f"{accuracies.mean():.3f} +- {accuracies.std():.3f}"
        print(f"{name}, kappa {kappa:g}: accuracy {spread}, {pulses.mean():.0f} half pulses a cell of the first layer")

# %% Save
if not SMALL:
    fig.savefig(Path(__file__).parents[1] / "docs/figures/digits.png", dpi=200)
