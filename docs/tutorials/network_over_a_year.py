# ---
# jupyter: {jupytext: {text_representation: {extension: .py, format_name: percent}}}
# ---
# %% [markdown]
# # Your network on many chips over a year
#
# This tutorial takes a network that was trained in digital, writes it into twenty chips of phase-change memory, and lets a year pass. You
# need `pip install ".[cli,examples]"`. All of it takes under a minute.
#
# ## 1. A trained network
#
# Any model of equinox will do; weights of torch [can be read](../explanation/converting.md#from-torch). This one is trained here:
# %%
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from sklearn.datasets import load_digits

import jaxtile as jt

x, y = load_digits(return_X_y=True)
x, y = jnp.asarray(x / 16, jnp.float32), jnp.asarray(y)
network = eqx.nn.MLP(64, 10, width_size=32, depth=1, key=jax.random.key(0))
optimizer = optax.adam(1e-2)


def loss(network):
    return optax.softmax_cross_entropy_with_integer_labels(jax.vmap(network)(x[:1300]), y[:1300]).mean()


@eqx.filter_jit
def fit(network):
    numbers, rest = eqx.partition(network, eqx.is_inexact_array)

    def step(carry, _):
        numbers, state = carry
        gradient = jax.grad(lambda numbers: loss(eqx.combine(numbers, rest)))(numbers)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(numbers, updates), state), None

    (numbers, _), _ = jax.lax.scan(step, (numbers, optimizer.init(numbers)), None, length=200)
    return eqx.combine(numbers, rest)


def accuracy(model):
    return jnp.mean(jax.vmap(model)(x[1300:]).argmax(axis=1) == y[1300:])


network = fit(network)
print(f"accuracy in digital: {accuracy(network):.3f}")
# %% [markdown]
# ## 2. Onto tiles
#
# `convert` puts every matrix on tiles. Reads are noisy, so they need a key:
# %%
chip = jt.nn.convert(network, {".*": jt.TileConfig()}, key=jax.random.key(1))
print(jt.nn.summary(chip))
# %% [markdown]
# ## 3. Written once, read for a year
#
# The noise model of phase-change memory has errors of writing, drift and read noise. Drift compensation scales the outputs of each layer by
# what its devices have lost. One function does all of it for one chip:
# %%
times = np.array([20.0, 3600.0, 24 * 3600.0, 30 * 24 * 3600.0, 365 * 24 * 3600.0])


def accuracies(key):
    write_key, *keys = jax.random.split(key, 1 + len(times))
    written = jt.nn.apply_programming_noise(chip, jt.noise.PCM(), key=write_key)
    found = []
    for seconds, key in zip(times, keys):
        old = jt.nn.drift(written, seconds, key=key)
        mended = jt.nn.compensate(old, written, key=key)
        found.append(jnp.stack([accuracy(jt.nn.with_key(model, key)) for model in (old, mended)]))
    return jnp.stack(found)


found = jax.jit(jax.vmap(accuracies))(jax.random.split(jax.random.key(2), 20))
for seconds, (drifted, mended) in zip(times, found.mean(axis=0)):
    print(f"after {seconds:12.0f} s: {drifted:.3f}, compensated {mended:.3f}")
# %% [markdown]
# `jax.vmap` over keys is twenty chips. Their spread is part of the result:
# %%
fig, ax = plt.subplots(figsize=(4.5, 3), layout="constrained")
for k, label in enumerate(("as it drifts", "compensated")):
    low, median, high = np.quantile(found[..., k], (0.1, 0.5, 0.9), axis=0)
    ax.semilogx(times, median, "o-", label=label, color=jt.plot.COLOURS[k])
    ax.fill_between(times, low, high, alpha=0.25, color=jt.plot.COLOURS[k])
ax.set(xlabel="time after programming (s)", ylabel="accuracy of twenty chips")
_ = ax.legend()
# %% [markdown]
# ## Where to go on
#
# - [My network on my chip](../explanation/converting.md): rules for layers, large matrices on many tiles, writing by pulses.
# - [Noise and drift](../explanation/noise.md): the noise models and their sources.
# - [Save and load](../how_to/saving.md): the converted network in one file.
