"""The counter generator: its law, and the independence of its streams. docs/scripts/random_numbers.py tests much larger samples."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_covariance, assert_mean, assert_std
from scipy.special import ndtri

from jaxtile._random import Draws, Source, as_key, bits, cell_index, normal, stream, uniform

N = 20_000
draw_bits, draw_uniform, draw_normal = jax.jit(bits), jax.jit(uniform), jax.jit(normal)


def reference_bits(key, index):
    """The hash of the docstring, in NumPy and 64-bit integers."""

    def mix(word):
        word = ((word ^ (word >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
        word = ((word ^ (word >> 15)) * 0x846CA68B) & 0xFFFFFFFF
        return word ^ (word >> 16)

    k0, k1 = np.asarray(jr.key_data(key)).astype(np.uint64)
    return mix(mix((index.astype(np.uint64) + k0) & 0xFFFFFFFF) ^ k1)


def test_words_are_those_of_the_formula():
    for seed in (0, 1, 2**31 + 5):
        key, index = stream(jr.key(seed), 3, 11), np.arange(N)
        assert np.array_equal(draw_bits(key, index), reference_bits(key, index))


def test_normals_are_the_inverse_of_the_distribution_function():
    key, index = jr.key(2), jnp.arange(N)
    share = ((np.asarray(draw_bits(key, index)).astype(np.int32) >> 8) + 0.5 + 2**23) / 2**24
    exact = ndtri(share)
    usual = np.abs(exact) < 3
    np.testing.assert_allclose(np.asarray(draw_normal(key, index))[usual], exact[usual], atol=2e-4)
    np.testing.assert_allclose(draw_normal(key, index), exact, atol=2e-3)


def test_a_draw_does_not_depend_on_what_is_drawn_with_it():
    key = jr.key(4)
    whole = np.asarray(draw_normal(key, cell_index(6, jnp.arange(9), 9)))
    columns = jnp.array([7, 2])
    same = partial(np.testing.assert_allclose, rtol=1e-6)  # programs for other shapes
    same(draw_normal(key, cell_index(6, columns, 9)), whole[:, [7, 2]])
    same(draw_normal(key, jnp.array([13])), whole[1, 4:5])
    keys = jax.vmap(lambda tag: stream(key, tag))(jnp.arange(9))  # a stream for each column
    same(draw_normal(keys[None, :], cell_index(6, jnp.arange(9), 9))[:, 5], draw_normal(keys[5], jnp.arange(6) * 9 + 5))


def test_law_of_normals():
    sample = np.asarray(draw_normal(jr.key(5), jnp.arange(400_000)), np.float64)
    for power, moment in enumerate((0, 1, 0, 3, 0, 15), start=1):
        assert_mean(sample**power, moment)
    assert np.isfinite(sample).all()
    assert 4.2 < np.abs(sample).max() < 6


def test_streams_are_independent():
    """Sources, pulses of a burst, steps and vectors draw from streams of their own."""
    key, index = jr.key(6), jnp.arange(N)
    draws = Draws(stream(key, Source.HALF), index)
    streams = {f"source {source.name}": draw_normal(stream(key, source), index) for source in Source}
    streams |= {f"count {n}": draw_normal(key, index, n) for n in range(4)}
    streams |= {f"fold {n}": draws.fold(n).normal(jnp.float32) for n in (0, 1, 40)}
    streams |= {f"vector {v}": draw_normal(stream(stream(key, v), Source.CYCLE), index) for v in range(3)}
    streams["neighbour"] = np.roll(np.asarray(draw_normal(key, index)), 1)
    values = np.stack([np.asarray(s, np.float64) for s in streams.values()])
    assert len(np.unique(values[:, 0])) == len(streams)
    for a in range(len(values)):
        assert_mean(values[a], 0)
        assert_std(values[a], 1)
        for b in range(a):
            assert_covariance(values[a], values[b], 0)


def test_sources_are_distinct():
    assert len({int(source) for source in Source}) == len(list(Source))


def test_double_precision_sees_the_same_randomness():
    draws = Draws(jr.key(8), jnp.arange(100))
    draw = jax.jit(Draws.normal, static_argnums=1)
    single = np.asarray(draw(draws, jnp.float32))
    with jax.enable_x64(True):
        np.testing.assert_allclose(draw(draws, jnp.float64), single.astype(np.float64), rtol=1e-6)


@pytest.mark.usefixtures("unhooked")
def test_keys_of_either_style():
    assert jr.key_data(as_key(jr.PRNGKey(3))).tolist() == jr.key_data(as_key(jr.key(3))).tolist()
    for wrong in (3, jnp.zeros(3, jnp.uint32), jr.split(jr.key(0), 2)):
        with pytest.raises(TypeError, match=r"jax\.random\.key"):
            as_key(wrong)


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_streams_are_those_of_fold_in(impl):
    """JAX's own generator is written out; others are JAX's."""
    keys = jr.split(jr.key(3, impl=impl), 4)
    for tag in (0, 7, 2**32 - 1):
        exact = jnp.stack([jr.fold_in(jr.fold_in(key, tag), 5) for key in keys])
        assert np.array_equal(jr.key_data(stream(keys, tag, 5)), jr.key_data(exact))
        assert np.array_equal(jr.key_data(stream(keys[1], jnp.uint32(tag), 5)), jr.key_data(exact[1]))
