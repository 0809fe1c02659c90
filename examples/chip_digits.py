"""My network on my chip: a classifier of digits is converted, programmed, aged and compensated, on twenty chips.

The network is trained in floating point, and knows of no chip. Then its matrices are put on tiles of devices that drift. Each
chip is programmed from zero by program and verify, with pulses that disturb half-selected cells. Its accuracy is followed over a
year, with and without a digital factor that makes up for what all devices lose alike.
"""

# %% Size
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from on_chips import PULSED, SMALL, by_pulses, lives, picture, report
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import jaxtile as jt

epochs = 40 if SMALL else 200
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
chip = jt.nn.convert(network, {r"layers\..*": PULSED}, max_shape=(32, 32), key=key)


# %% Its life
def accuracies(old, mended, key):
    return jnp.stack([accuracy(old), accuracy(mended)])


kinds = ("as it is", "compensated")
survived, fresh, costs = lives(chip, by_pulses, accuracies)
print(f"floating point: {in_digital:.3f}")
report("by pulses", chip, kinds, survived, fresh, costs)

# %% Picture
fig = picture({"by pulses": survived}, kinds, in_digital)

# %% Save
if not SMALL:
    fig.savefig(Path(__file__).parents[1] / "docs/figures/chip_digits.png", dpi=200)
