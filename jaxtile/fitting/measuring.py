"""Simulated measurements of the response to pulses: what `fit` takes."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from .._random import Draws, Source, arange, as_key, stream
from .._types import AnyArray, Key, Real, as_number, is_whole
from ..device.base import AbstractCrosspoint
from ..device.burst import Burst
from ..device.record import take_pulses

__all__ = ["measure"]


def measure(
    device: AbstractCrosspoint,
    pulses: Num[AnyArray, " pulse"],
    *,
    n_devices: int = 1,
    start: Real = 0.0,
    read_std: Real = 0.0,
    key: Key,
) -> Float[Array, "device measurement"]:
    """Fabricate devices and measure the weight of each before the first pulse and after
    every one.

    What happens between vectors (the turns of a vector cell, a refresh) does not happen
    here: such cells are refused.

    Args:
        device: the kind of device; the cells are those of `device.fabricate((1,
            n_devices), key=key)`.
        pulses: 1 (up), -1 (down) or 0 (only a read), in turn.
        n_devices: how many.
        start: the weight that all start from, or the nearest that each can hold.
        read_std: read noise, in weight units.
        key: of the cells, the cycle noise and the read noise.
    """
    if not isinstance(device, AbstractCrosspoint):
        raise TypeError(f"device={device!r} takes no pulses; pass one such as jaxtile.device.SoftBounds().")
    if device.routines:
        raise ValueError(f"device={device!r} changes from vector to vector; pulse a tile of them with `jaxtile.send` instead.")
    if not is_whole(n_devices, 1):
        raise ValueError(f"n_devices={n_devices!r} must be a whole number of at least 1.")
    pulses = take_pulses(pulses)
    if pulses.ndim != 1:
        raise ValueError(f"pulses has shape {pulses.shape}; pass one sequence for all devices, such as np.repeat([1, -1], 50).")
    start, read_std = as_number("start", start, finite=False), as_number("read_std", read_std, low=0.0)
    return _measure(device, pulses, start, read_std, as_key(key), n_devices=n_devices)


@functools.partial(jax.jit, static_argnames="n_devices")
def _measure(device, pulses, start, read_std, key, *, n_devices):
    cells = device.fabricate((1, n_devices), key=key)
    index = arange(n_devices)[None, :]
    cycle, read = (Draws(stream(key, source), index) for source in (Source.CYCLE, Source.MEASUREMENT))

    def seen(state, number):
        weight = device.weight(state)
        return weight + read_std * read.normal(weight.dtype, number)

    def send(state, step):
        number, pulse = step
        up, down = (jnp.full(index.shape, pulse == way, jnp.int32) for way in (1, -1))
        state = device.pulses(cells, state, Burst(up, down, noise=cycle.fold(number), most=1))
        return state, seen(state, number + 1)

    fresh = device.settle(cells, device.start(index.shape))
    first = device.write(cells, fresh, jnp.full(index.shape, start, pulses.dtype))
    _, measured = jax.lax.scan(send, first, (arange(pulses.size), pulses))
    return jnp.concatenate([seen(first, 0)[None], measured])[:, 0].T
