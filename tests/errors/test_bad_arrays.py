"""Tiles, keys and arrays that a verb cannot take are refused by an error that says what to do."""

import dataclasses

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from refusals import KEY, TARGET, TILE, TILES, assert_refused

import jaxtile as jt

SPREAD = jt.TileConfig(forward=jt.IOParameters(out_noise_std=0.1))


def lines(width, out):
    """Trains that pulse in their only slot."""
    x, d = jnp.ones((width, 1), bool), jnp.ones((out, 1), bool)
    return jt.pulse.Trains.from_bits(x, d, jnp.ones(width, int), jnp.ones(out, int))


def circuit():
    config = jt.TileConfig(forward=jt.IOParameters(ir_drop=jt.periphery.LadderIRDrop()))
    return jt.init(config, (2, 3), key=KEY)


CASES = {
    "drift of devices that stay": (lambda: jt.drift(TILE, 1.0, key=KEY), TypeError, ["ConstantStep()", "jaxtile.device.Drifting"]),
    "rows that do not divide": (
        lambda: jt.forward(circuit(), jnp.ones(3), key=KEY),
        *(ValueError, ["3 inputs on 3 rows", "ir_drop_segments=8"]),
    ),
    "lines that were not made": (
        lambda: jt.forward(dataclasses.replace(TILE, config=SPREAD), jnp.ones(4), key=KEY),
        ValueError,
        ["asks for out_noise", "jaxtile.init"],
    ),
    "empty tile": (lambda: jt.init(jt.TileConfig(), (0, 4), key=KEY), ValueError, ["shape=(0, 4)", "at least 1"]),
    "shape of one number": (lambda: jt.init(jt.TileConfig(), 5, key=KEY), ValueError, ["shape=5", "(out, in)"]),
    "config missing": (lambda: jt.init(jt.device.Ideal(), (3, 4), key=KEY), TypeError, ["config=Ideal()", "TileConfig()"]),
    "key is a seed": (lambda: jt.init(jt.TileConfig(), (3, 4), key=3), TypeError, ["key=3", "jax.random.key(seed)"]),
    "keys are many": (lambda: jt.init(jt.TileConfig(), (3, 4), key=jr.split(KEY)), TypeError, ["key=", "jax.vmap"]),
    "no tile": (lambda: jt.forward(jt.TileConfig(), jnp.ones(4), key=KEY), TypeError, ["tile=TileConfig", "init("]),
    "many tiles": (lambda: jt.forward(TILES, jnp.ones(4), key=KEY), ValueError, ["tile=Tile(2 x 3 x 4", "jax.vmap"]),
    "x nan": (
        lambda: jt.update(TILE, jnp.full(4, jnp.nan), jnp.ones(3), learning_rate=1, key=KEY),
        ValueError,
        ["x holds 4 of 4", "finite"],
    ),
    "x of three dimensions": (
        lambda: jt.update(TILE, jnp.ones((2, 2, 4)), jnp.ones((2, 3)), learning_rate=1, key=KEY),
        ValueError,
        ["x has shape (2, 2, 4)", "[k, in]"],
    ),
    "x too short": (lambda: jt.forward(TILE, jnp.ones(3), key=KEY), ValueError, ["x has shape (3,)", "4"]),
    "d too long": (lambda: jt.backward(TILE, jnp.ones((2, 4)), key=KEY), ValueError, ["d has shape (2, 4)", "3"]),
    "x and d unequal": (
        lambda: jt.update(TILE, jnp.ones((2, 4)), jnp.ones((3, 3)), learning_rate=1, key=KEY),
        ValueError,
        ["2 vectors", "(3, 3)"],
    ),
    "learning rate negative": (
        lambda: jt.update(TILE, jnp.ones(4), jnp.ones(3), learning_rate=-1, key=KEY),
        ValueError,
        ["learning_rate=-1", "at least 0"],
    ),
    "d infinite": (
        lambda: jt.update(TILE, jnp.ones(4), jnp.full(3, jnp.inf), learning_rate=1, key=KEY),
        ValueError,
        ["d holds 3 of 3", "finite"],
    ),
    "lines that are none": (lambda: jt.send(TILE, jnp.ones(4), key=KEY), TypeError, ["lines=", "Trains or Counts"]),
    "lines of another tile": (lambda: jt.send(TILE, lines(5, 3), key=KEY), ValueError, ["3 rows and 5 columns", "(3, 4)"]),
    "lines for ideal devices": (
        lambda: jt.send(jt.init(jt.TileConfig(device=jt.device.Ideal()), (3, 4), key=KEY), lines(4, 3), key=KEY),
        ValueError,
        ["takes no pulses", "Ideal()"],
    ),
    "unit vectors, twice the same": (lambda: jt.UnitVectors(jnp.array([1, 1]), 4), ValueError, ["[1 1]", "at most once"]),
    "unit vectors, beyond": (lambda: jt.UnitVectors(jnp.array([1, 4]), 4), ValueError, ["[4]", "columns 0 to 3"]),
    "unit vectors, too many": (lambda: jt.UnitVectors(jnp.arange(5), 4), ValueError, ["5 columns of 4", "at most once"]),
    "unit vectors, other width": (
        lambda: jt.update(TILE, jt.UnitVectors(jnp.arange(2), 5), jnp.ones((2, 3)), learning_rate=1, key=KEY),
        ValueError,
        ["width 5", "4 columns"],
    ),
    "weights transposed": (lambda: jt.set_weights(TILE, TARGET.T), ValueError, ["weight has shape (4, 3)", "transpose"]),
    "energy of what was not counted": (
        lambda: jt.Costs().energy({"reads": jnp.ones(2), "full_pulses": jnp.ones(2)}, TILE),
        *(ValueError, ["counts holds reads, full_pulses", "no half_pulses", "record=jaxtile.Costs.OF_ENERGY"]),
    ),
    "count the pulses of many tiles": (lambda: jt.count_pulses(TILES), ValueError, ["tile=Tile(2 x 3 x 4", "jax.vmap"]),
}


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused(name):
    assert_refused(*CASES[name])


def test_old_style_keys_are_accepted():
    old, new = jr.PRNGKey(3), jr.key(3)
    np.testing.assert_array_equal(
        jt.init(jt.TileConfig(), (3, 4), key=old).cells.w_max, jt.init(jt.TileConfig(), (3, 4), key=new).cells.w_max
    )
