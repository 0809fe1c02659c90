# ---
# jupyter: {jupytext: {text_representation: {extension: .py, format_name: percent}}}
# ---
# %% [markdown]
# # Train on a chip
#
# This tutorial trains a small network whose weights live on crossbars. The gradient is never formed as a matrix: each layer sends pairs of
# vectors as pulses. You need `pip install ".[cli,examples]"`. All of it takes under a minute.
#
# ## 1. The data
#
# Images of handwritten digits, 8 x 8 pixels each, from scikit-learn:
# %%
import jax
import optax
from sklearn.datasets import load_digits

import jaxtile as jt

x, y = load_digits(return_X_y=True)
train, test = (x[:1300] / 16, y[:1300]), (x[1300:] / 16, y[1300:])
print(train[0].shape, test[0].shape)


# %% [markdown]
# ## 2. The network
#
# Two layers, each a tile of its own. `order="batch"` sums the pulses of a whole batch, which is fast:
# %%
def network(device, key):
    k0, k1 = jax.random.split(key)
    config = jt.TileConfig(device=device)
    hidden = jt.nn.Linear(64, 24, config, key=k0)
    return jt.nn.Sequential([hidden, jax.nn.relu, jt.nn.Linear(24, 10, config, key=k1)])


model = network(jt.device.ConstantStep(order="batch"), jax.random.key(0))
print(jt.nn.summary(model))
# %% [markdown]
# ## 3. Training
#
# `pulses` is the learning rate of the tiles, and `digital` moves what is digital: here the biases.
# %%
optimizer = jt.nn.Optimizer(pulses=0.3, digital=optax.sgd(0.1))
options = {"epochs": 6, "batch_size": 10, "test": test, "metrics": {"accuracy": jt.nn.accuracy}}
run = jt.train(model, jt.nn.cross_entropy, train, optimizer, key=jax.random.key(1), **options)
print(run)
print("accuracy after each epoch:", [f"{value:.2f}" for value in run.history["accuracy"]])
# %% [markdown]
# The network reads through noisy converters in training and in use. `run.model` is the trained one, and `run.history` holds the loss, the
# accuracy and the pulses of each layer.
#
# ## 4. Another device
#
# With soft bounds steps shrink as a weight comes near to its bound, and steps the other way grow. Noise then pulls the weights back, and the
# network learns less:
# %%
runs = {"constant steps": run}
soft = network(jt.device.SoftBounds(order="batch"), jax.random.key(0))
runs["soft bounds"] = jt.train(soft, jt.nn.cross_entropy, train, optimizer, key=jax.random.key(1), **options)
print({name: round(float(run.history["accuracy"][-1]), 2) for name, run in runs.items()})
ax = jt.plot.training(runs, quantity="accuracy")
# %% [markdown]
# ## Where to go on
#
# - [Training on tiles](../explanation/training.md): layers, losses, schedules, checkpoints, many chips at once.
# - [Algorithms of several arrays](../explanation/algorithms.md), such as Tiki-Taka, which bear such devices better.
# - [Your network on many chips](network_over_a_year.md): trained elsewhere, written once.
