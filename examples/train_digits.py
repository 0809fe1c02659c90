"""A first network on tiles: handwritten digits, learned by pulses, on ten chips at once."""

# %% Data
import os
from pathlib import Path

import jax
import optax
from sklearn.datasets import load_digits

import jaxtile as jt

SMALL = bool(os.environ.get("JAXTILE_SMALL"))  # as in the tests
chips, epochs = (2, 2) if SMALL else (10, 20)
x, y = load_digits(return_X_y=True)
train, test = (x[:1300] / 16, y[:1300]), (x[1300:] / 16, y[1300:])

# %% Train
config = jt.TileConfig(device=jt.device.ConstantStep())
optimizer = jt.nn.Optimizer(pulses=0.3, digital=optax.sgd(0.1))


def learn(key):
    """One chip: its devices, its first weights and its run come from its key."""
    k0, k1, key = jax.random.split(key, 3)
    model = jt.nn.Sequential([jt.nn.Linear(64, 32, config, key=k0), jax.nn.sigmoid, jt.nn.Linear(32, 10, config, key=k1)])
    options = {"key": key, "epochs": epochs, "batch_size": 10, "test": test, "metrics": {"accuracy": jt.nn.accuracy}}
    return jt.train(model, jt.nn.cross_entropy, train, optimizer, **options)


runs = jax.jit(jax.vmap(learn))(jax.random.split(jax.random.key(0), chips))

# %% Picture
ax = jt.plot.training(runs, quantity="accuracy")
print(f"accuracy {runs.stats['accuracy'].mean():.3f}, over chips +- {runs.stats['accuracy'].std():.3f}")
if not SMALL:
    ax.figure.savefig(Path(__file__).parents[1] / "docs/figures/train_digits.png", dpi=200)
