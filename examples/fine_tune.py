"""Hardware-aware fine-tuning: the noise that one trains with against the noise that one is tested with, as a heat map.

A classifier of digits is trained in floating point, and put on tiles. Then it is trained on, with noise on its weights in reads
and as many strengths of it as lanes of one program. Each result is tested on twenty fresh chips for each strength of noise.
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
chips, epochs = (2, 2) if SMALL else (20, 40)
strengths = jnp.array([0.0, 0.3] if SMALL else [0.0, 0.05, 0.1, 0.15, 0.2, 0.3])  # of the largest weight of a tile
key = jax.random.key(0)
images, labels = load_digits(return_X_y=True)
x, test_x, y, test_y = train_test_split((images / 16).astype(np.float32), labels, test_size=0.3, random_state=0)
optimizer = jt.nn.Optimizer(pulses=0.0, digital=optax.adam(3e-3))

# %% Put it on tiles
perfect = jt.IOParameters(is_perfect=True)
config = jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse(), forward=perfect, backward=perfect)
layers = [eqx.nn.Linear(64, 32, key=key), jax.nn.relu, eqx.nn.Linear(32, 10, key=key)]
chip = jt.nn.convert(jt.nn.Sequential(layers), {".*": config}, key=key)


def with_noise(model, strength):
    """The model whose weights are noisy in every read, drawn from the key of the read; optax trains them."""

    def noisy(layer):
        is_layer = isinstance(layer, jt.nn.Linear)
        return layer.replace(modifier=jt.modifier.AddNormal(std_dev=strength), weights="digital") if is_layer else layer

    return jax.tree.map(noisy, model, is_leaf=lambda node: isinstance(node, jt.nn.Linear))


def learn(model, strength, epochs):
    run = jt.train(
        with_noise(model, strength), jt.nn.cross_entropy, (x, y), optimizer, key=key, epochs=epochs, batch_size=20, throw=False
    )
    return run.model


def survive(model, strength, key):
    """The accuracy of one chip, whose weights are off by noise that is drawn once."""
    noisy = with_noise(model, strength)
    return jnp.mean(jnp.argmax(noisy(jnp.asarray(test_x), key=key), axis=1) == test_y)


@jax.jit
def experiment(keys):
    """Accuracies [trained with, tested with, chip]."""
    plain = learn(chip, jnp.asarray(0.0), 2 * epochs)

    def one(strength):
        tuned = learn(plain, strength, epochs)
        over_chips = jax.vmap(survive, in_axes=(None, None, 0))
        return jax.vmap(over_chips, in_axes=(None, 0, None))(tuned, strengths, keys)

    return jax.vmap(one)(strengths)


accuracies = experiment(jax.random.split(key, chips))

# %% Picture
means = np.asarray(accuracies.mean(axis=-1))
fig, ax = plt.subplots(figsize=(4, 3.2), layout="constrained")
heat = ax.pcolormesh(np.arange(len(strengths) + 1), np.arange(len(strengths) + 1), means, cmap="viridis")
for (row, column), mean in np.ndenumerate(means):
    ax.text(
        column + 0.5, row + 0.5, f"{100 * mean:.0f}", ha="center", va="center", color="white" if mean < means.mean() else "black"
    )
names = [f"{strength:g}" for strength in strengths]
ax.set_xticks(np.arange(len(strengths)) + 0.5, names)
ax.set_yticks(np.arange(len(strengths)) + 0.5, names)
ax.set_xlabel("noise of the chip, of the largest weight")
ax.set_ylabel("noise in training")
fig.colorbar(heat, label=f"test accuracy, {chips} chips")
for strength, row in zip(strengths, accuracies, strict=True):
    print(f"trained with {strength:g}: " + ", ".join(f"{mean:.3f}" for mean in row.mean(axis=-1)))

# %% Save
if not SMALL:
    fig.savefig(Path(__file__).parents[1] / "docs/figures/fine_tune.png", dpi=200)
