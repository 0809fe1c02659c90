"""A transformer on 128 x 128 tiles: it turns sequences round, on twenty phase-change chips over a year.

The task is made here: sixteen symbols, which the network returns in the opposite order. A block of attention and a perceptron learn
it in floating point. Then all of their matrices are written into tiles; the attention itself and the norms stay digital.
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

SMALL = bool(os.environ.get("JAXTILE_SMALL"))  # as in the tests
chips, steps, tested = (2, 60, 16) if SMALL else (20, 600, 128)
times = {"1 day": 8.64e4} if SMALL else {"1 s": 1.0, "1 h": 3.6e3, "1 day": 8.64e4, "1 month": 2.6e6, "1 year": 3.16e7}
symbols, length, width = 16, 12, 32 if SMALL else 64
key = jax.random.key(0)


# %% The network
class Transformer(eqx.Module):
    tokens: eqx.nn.Embedding
    places: jax.Array
    attention: eqx.nn.MultiheadAttention
    wide: eqx.nn.Linear
    narrow: eqx.nn.Linear
    last: eqx.nn.Linear
    norms: list[eqx.nn.LayerNorm]

    def __init__(self, key):
        keys = jax.random.split(key, 6)
        self.tokens = eqx.nn.Embedding(symbols, width, key=keys[0])
        self.places = jax.random.normal(keys[1], (length, width))
        self.attention = eqx.nn.MultiheadAttention(4, width, key=keys[2])
        self.wide, self.narrow = eqx.nn.Linear(width, 4 * width, key=keys[3]), eqx.nn.Linear(4 * width, width, key=keys[4])
        self.last = eqx.nn.Linear(width, symbols, key=keys[5])
        self.norms = [eqx.nn.LayerNorm(width) for _ in range(3)]

    def __call__(self, sequence):
        each = jax.vmap
        x = each(self.tokens)(sequence) + self.places
        y = each(self.norms[0])(x)
        x = x + self.attention(y, y, y)
        x = x + each(self.narrow)(jax.nn.gelu(each(self.wide)(each(self.norms[1])(x))))
        return each(self.last)(each(self.norms[2])(x))


def sequences(key, n):
    return jax.random.randint(key, (n, length), 0, symbols)


def loss(network, x):
    return optax.softmax_cross_entropy_with_integer_labels(jax.vmap(network)(x), x[:, ::-1]).mean()


@eqx.filter_jit
def train(network, key):
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, steps))
    arrays, static = eqx.partition(network, eqx.is_inexact_array)

    def step(carry, key):
        arrays, state = carry
        value, gradient = eqx.filter_value_and_grad(lambda arrays: loss(eqx.combine(arrays, static), sequences(key, 64)))(arrays)
        updates, state = optimizer.update(gradient, state)
        return (eqx.apply_updates(arrays, updates), state), value

    (arrays, _), values = jax.lax.scan(step, (arrays, optimizer.init(arrays)), jax.random.split(key, steps))
    return eqx.combine(arrays, static), values


network, values = train(Transformer(key), key)
unseen = sequences(jax.random.key(1), tested)


def accuracy(model):
    return jnp.mean(jnp.argmax(jax.vmap(model)(unseen), axis=-1) == unseen[:, ::-1])


in_digital = float(accuracy(network))
print(f"floating point: {in_digital:.3f} of the symbols")

# %% Put it on tiles
config = jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse())
chip = jt.nn.convert(network, {".*": config}, max_shape=(128, 128), key=key)
print(jt.nn.summary(chip))


def life(key):
    """Accuracies [time, as it is and compensated] of one chip."""
    written = jt.nn.apply_programming_noise(chip, jt.noise.PCM(), key=key)

    def at(time):
        old = jt.nn.drift(written, time, key=key)
        mended = jt.nn.compensate(old, written, key=key)
        return jnp.stack([accuracy(jt.nn.with_key(model, key)) for model in (old, mended)])

    return jax.lax.map(at, jnp.array(list(times.values())))


survived = jax.jit(lambda keys: jax.lax.map(life, keys))(jax.random.split(key, chips))
for label, (plain, mended) in zip(times, survived.mean(axis=0), strict=True):
    print(f"{label}: accuracy {plain:.3f}, compensated {mended:.3f}")

# %% Picture
fig, ax = plt.subplots(figsize=(4, 3), layout="constrained")
seconds = list(times.values())
for each, colour, label in zip(np.moveaxis(survived, -1, 0), jt.plot.COLOURS, ("as it is", "compensated"), strict=False):
    ax.plot(seconds, np.median(each, axis=0), "o-", color=colour, linewidth=1.2, markersize=3, label=label)
    ax.fill_between(seconds, *np.quantile(each, (0.1, 0.9), axis=0), color=colour, alpha=0.2, linewidth=0)
ax.axhline(in_digital, color="black", linewidth=0.8, linestyle=":", label="floating point")
ax.set_xscale("log")
ax.set_xticks(seconds, list(times), rotation=45)
ax.minorticks_off()
ax.set_xlabel("time after the write")
ax.set_ylabel(f"symbols that are right, {chips} chips")
ax.legend(frameon=False, loc="lower left")

# %% Save
if not SMALL:
    fig.savefig(Path(__file__).parents[1] / "docs/figures/chip_transformer.png", dpi=200)
