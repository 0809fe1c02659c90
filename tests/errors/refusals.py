"""Shared by the refused calls: a small tile and target, and the form of a case."""

import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

import jaxtile as jt

KEY = jr.key(0)
TILE = jt.init(jt.TileConfig(), (3, 4), key=KEY)
TILES = jax.vmap(lambda key: jt.init(jt.TileConfig(), (3, 4), key=key))(jr.split(KEY))
TARGET = jnp.full((3, 4), 0.1)
ratio = jt.half_select.ConstantRatio


def assert_refused(call, error, words):
    """A case: what is called, the error, and what its message must say."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    for word in words:
        assert word in message, message
