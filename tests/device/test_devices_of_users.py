"""Devices of a user's own: cells and states that hold several numbers a cell, and one for all of a tile."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from filaments import Filaments
from helpers import mostly_slow, update, vectors
from reference.test_against_simulator import check_counts, simulate

import jaxtile as jt
from jaxtile.device import Drifting, OneSided, VectorCell, WriteNoise

SHAPE = (5, 7)
KEY = jr.key(2)


class ShareCells(jt.device.Cells):
    """Each device is a bundle of three filaments of unequal shares; `rate` is one number for the whole tile."""

    share: jax.Array  # [out, in, filament]
    rate: jax.Array


class Bundle(jt.device.AbstractPulsedDevice):
    """The filaments saturate one after the other."""

    def fabricate(self, shape, *, key):
        share = jr.dirichlet(jr.key(0) if key is None else key, jnp.ones(3), shape)
        return ShareCells(**vars(super().fabricate(shape, key=key)), share=share, rate=jnp.asarray(2.0))

    def step(self, cells, weight, *, up):
        left = jnp.exp(-cells.rate * jnp.abs(weight)[..., None] * jnp.arange(3.0)[None, None])
        size = (cells.step_up if up else cells.step_down) * jnp.sum(cells.share * left, axis=-1)
        return size, self.dw_min_std * size


QUIET = jt.device.ConstantStep(dw_min_std=0.0, w_max_dtod=0.0, w_min_dtod=0.0)
DEVICES = {
    "cells": Bundle(),
    "cells, with write noise": WriteNoise(Bundle(), write_noise_std=0.5),
    "cells, drifting": Drifting(Bundle(), nu=0.05),
    "cells, in a vector cell": VectorCell(devices=(Bundle(), jt.device.SoftBounds())),
    "cells, one-sided": OneSided(WriteNoise(Bundle(), write_noise_std=0.5)),
    "states": Filaments(),
    "states, with write noise": WriteNoise(Filaments(), write_noise_std=0.5),
    "states, drifting": Drifting(Filaments(), nu=0.05),
    "states, drifting, with write noise": Drifting(WriteNoise(Filaments(), write_noise_std=0.5), nu=0.05),
    "states, in a vector cell": VectorCell(devices=(Filaments(), QUIET)),
    "states, one-sided": OneSided(Filaments()),
}


def tile_of(device, **config):
    return jt.init(jt.TileConfig(device=device, **config), SHAPE, key=jr.key(1))


@pytest.mark.parametrize("name", mostly_slow(DEVICES, "cells, one-sided"))
def test_unit_vectors_are_the_scan(name):
    """In two programs, which agree to rounding."""
    tile = tile_of(DEVICES[name])
    columns = jnp.asarray([4, 0, 6, 1])
    _, d = vectors("signed", seed=3)
    x = jt.UnitVectors(columns, SHAPE[1])
    at_once, in_turn = update(tile, x, d, 0.2, KEY), update(tile, x.dense(jnp.float32), d, 0.2, KEY)
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-6, rtol=0), at_once.state, in_turn.state)
    assert not np.array_equal(at_once.weight, tile.weight)


@pytest.mark.parametrize("name", mostly_slow(["states", "states, in a vector cell", "states, one-sided"], "states, one-sided"))
def test_unit_vectors_with_half_selection(name):
    """Exact where steps are constant, without noise and away from bounds."""
    tile = tile_of(DEVICES[name], half_select=jt.half_select.ConstantRatio(kappa=5.0))
    _, d = vectors("zeros", seed=3)
    x = jt.UnitVectors(jnp.asarray([4, 0, 6, 1]), SHAPE[1])
    at_once, in_turn = update(tile, x, d, 0.05, KEY), update(tile, x.dense(jnp.float32), d, 0.05, KEY)
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-6, rtol=0), at_once.state, in_turn.state)


@pytest.mark.parametrize("name", mostly_slow(DEVICES, "cells, in a vector cell"))
def test_every_verb_takes_them(name):
    """Weights are put in, added to, decayed and (where devices drift) drifted, whatever holds them."""
    device, target = DEVICES[name], 0.1 * jr.normal(KEY, SHAPE)
    tile = jt.set_weights(tile_of(device), target)
    np.testing.assert_allclose(jt.get_weights(tile), target, atol=0.05)
    moved = jt.decay(jt.diffuse(tile, key=KEY), key=KEY)
    if device.drifts:
        moved = jt.drift(moved, 10.0, key=KEY)
    assert jax.tree.structure(moved) == jax.tree.structure(tile)
    np.testing.assert_allclose(moved.weight, target, atol=0.1)
    added = jt.update(tile_of(device, pulse=jt.pulse.NoneWithDevice()), jnp.ones(7), jnp.ones(5), learning_rate=0.01, key=KEY)
    assert np.all(np.asarray(added.weight) < 0)


class Halve(jt.device.AbstractRoutine):
    """Every vector is sent at half of its rate."""

    def before(self, device, cells, state, vector, *, key):
        return state, jt.device.Vector(vector.x, vector.d, vector.learning_rate / 2, vector.batch)


class Halved(jt.device.ConstantStep):
    """A device with a routine."""

    @property
    def routines(self):
        return (Halve(),)


class Gain(jt.device.AbstractWrapper):
    """A wrapper without cells or state of its own: what is read is a multiple of the weight of the device inside."""

    device: jt.device.AbstractCrosspoint
    gain: float = 3.0

    def inner(self, state):
        return state

    def weight(self, state):
        return self.gain * self.device.weight(state)


@pytest.mark.parametrize("around", mostly_slow([Gain, Drifting, WriteNoise], Drifting), ids=lambda kind: kind.__name__)
def test_a_wrapper_is_the_device_but_for_what_it_says(around):
    """Its routines, its state and its pulses are those of the device inside."""
    x, d = vectors("signed")
    wrapped = update(tile_of(around(Halved())), x, d, 0.2, KEY)
    alone = update(tile_of(jt.device.ConstantStep()), x, d, 0.1, KEY)
    gain = 3.0 if around is Gain else 1.0
    np.testing.assert_allclose(wrapped.weight, gain * alone.weight, rtol=1e-6)
    assert wrapped.device.granularity() == alone.device.granularity()


def test_a_cell_refuses_devices_with_routines():
    with pytest.raises(ValueError, match="Halved.*which has routines of its own"):
        VectorCell(devices=(Halved(), Halved()))


def test_the_simulator_sends_it_pulse_by_pulse():
    """All but the law of its step, which it is asked for: trains, phases, half pulses, cycle noise and clips."""
    device = Bundle(dw_min=0.05, dw_min_std=0.3, order="slot")
    tile = jt.set_weights(tile_of(device, half_select=jt.half_select.ConstantRatio(kappa=3.0)), jr.normal(KEY, SHAPE))
    x, d = vectors("zeros", seed=2)
    after = update(tile, x, d, 0.3, KEY)
    crossbar, sent = simulate(tile, x, d, 0.3, KEY)
    assert crossbar.clips > 0
    np.testing.assert_allclose(after.weight, crossbar.weight, atol=1e-6, rtol=0)
    check_counts(tile, after, crossbar, sent)
