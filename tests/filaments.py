"""A device of a user's own whose cells and state hold several numbers a cell, and one for all of a tile."""

import jax
import jax.numpy as jnp
import jax.random as jr

import jaxtile as jt


class FilamentCells(jt.device.Cells):
    """Each device is a bundle of three filaments; the whole tile has one temperature."""

    share: jax.Array  # [out, in, filament]
    temperature: jax.Array


class Filaments(jt.device.AbstractPulsedDevice):
    """Each filament holds a part of the weight, and moves by its share of a constant step."""

    def fabricate(self, shape, *, key):
        share = jr.dirichlet(jr.key(0) if key is None else key, jnp.ones(3), shape)
        return FilamentCells(**vars(super().fabricate(shape, key=key)), share=share, temperature=jnp.asarray(300.0))

    def start(self, shape):
        return jnp.zeros((*shape, 3), float)

    def weight(self, state):
        return jnp.sum(state, axis=-1)

    def write(self, cells, state, weight, *, noise=None):
        return self.clip(cells, weight)[..., None] * cells.share

    def step(self, cells, weight, *, up):
        size = cells.step_up if up else cells.step_down
        return size, 0 * size

    def pulses(self, cells, state, *bursts):
        weight = self.weight(state)
        for burst in bursts:
            up, down = burst.up.astype(state.dtype), burst.down.astype(state.dtype)
            weight = weight + burst.size_up * up * cells.step_up - burst.size_down * down * cells.step_down
        return state + (self.clip(cells, weight) - self.weight(state))[..., None] * cells.share
