"""The draws of JAX in place of jaxtile's, to see what each costs: the same counters, under threefry and its normals."""

import sys

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.extend.random import threefry2x32_p

from jaxtile import _random

__all__ = ["use_jax_draws"]


def _threefry(*words):
    words = [jnp.asarray(word).astype(jnp.uint32) for word in words]
    nothing = 0 * sum(words)  # makes all words of one shape, and under `vmap` of one batch, which the primitive asks for
    return threefry2x32_p.bind(*(word + nothing for word in words))[0]


def bits(key, index, count=0):
    words = jr.key_data(key)
    return _threefry(words[..., 0], words[..., 1], count, index)


def following(start, stride, n):
    return _threefry(start, stride, 0, n)


def uniform(key, index, count=0):
    return _random.fraction(bits(key, index, count))


def normal(key, index, count=0):
    """As `jax.random.normal` makes them."""
    low = np.nextafter(np.float32(-1), np.float32(0))
    return np.float32(np.sqrt(2)) * jax.lax.erf_inv(jnp.maximum(low, uniform(key, index, count) * (1 - low) + low))


def use_jax_draws() -> None:
    """From here on in this process; before anything is traced."""
    for law in (bits, following, uniform, normal):
        ours = getattr(_random, law.__name__)
        for name, module in list(sys.modules.items()):
            if name.startswith("jaxtile") and getattr(module, law.__name__, None) is ours:
                setattr(module, law.__name__, law)
