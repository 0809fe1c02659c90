"""A transformer on 128 x 128 tiles: it turns sequences round, on twenty chips over a year.

The task is made here: sixteen symbols, which the network returns in the opposite order. A block of attention and a perceptron learn
it in floating point. Then all of their matrices are written into tiles, in one go or by pulses; the attention itself and the norms
stay digital.
"""

# %% Size
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from on_chips import PCM, PULSED, SMALL, by_pulses, in_one_go, lives, picture, report

import jaxtile as jt

steps, tested = (60, 16) if SMALL else (600, 128)
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
ways = {"phase-change devices": (PCM, in_one_go), "by pulses": (PULSED, by_pulses)}
networks = {name: jt.nn.convert(network, {".*": rule}, max_shape=(128, 128), key=key) for name, (rule, _) in ways.items()}


# %% Their lives
def accuracies(old, mended, key):
    return jnp.stack([accuracy(old), accuracy(mended)])


kinds, survived = ("as it is", "compensated"), {}
for name, (_, write) in ways.items():
    survived[name], fresh, costs = lives(networks[name], write, accuracies)
    report(name, networks[name], kinds, survived[name], fresh, costs)

# %% Picture
fig = picture(survived, kinds, in_digital)

# %% Save
if not SMALL:
    fig.savefig(Path(__file__).parents[1] / "docs/figures/chip_transformer.png", dpi=200)
