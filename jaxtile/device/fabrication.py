"""Drawing the parameters that all pulsed devices share; the equations are in `AbstractPulsedDevice`."""

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._random import Source, cell_index, normal, numbers, stream, uniform
from .._types import Key, Scalar, Weight
from .cells import Cells

if TYPE_CHECKING:
    from .base import AbstractPulsedDevice

__all__ = ["fabricate", "folded_pair", "spread"]


def fabricate(device: "AbstractPulsedDevice", shape: tuple[int, int], key: Key | None) -> Cells:
    """Draw devices; without a key all are nominal."""
    lengthen = device.dw_min_dtod * spread(shape, key, Source.GAIN)
    gain = jnp.exp(lengthen) if device.dw_min_dtod_log_normal else 1 + lengthen
    imbalance = device.up_down_dtod * spread(shape, key, Source.IMBALANCE)
    fold = device.enforce_consistency
    step_up, step_down = (device.dw_min * share for share in folded_pair(gain, imbalance, device.up_down, fold=fold))
    upper = device.w_max * (1 + device.w_max_dtod * spread(shape, key, Source.UPPER_BOUND))
    lower = device.w_min * (1 + device.w_min_dtod * spread(shape, key, Source.LOWER_BOUND))
    if fold:
        # A wide spread can draw the bounds in the wrong order: swap them, then fold each onto its side of zero, as aihwkit does.
        w_min, w_max = -jnp.abs(jnp.minimum(lower, upper)), jnp.abs(jnp.maximum(lower, upper))
    else:
        middle = (lower + upper) / 2
        w_min, w_max = jnp.minimum(lower, middle), jnp.maximum(upper, middle)

    stuck = (_draw(uniform, shape, key, Source.CORRUPT) < device.corrupt_devices_prob) & (key is not None)
    low, high = jnp.maximum(w_min, -device.corrupt_devices_range), jnp.minimum(w_max, device.corrupt_devices_range)
    stuck_at = low + (high - low) * _draw(uniform, shape, key, Source.STUCK_AT)
    step_up, step_down = jnp.where(stuck, 0, step_up), jnp.where(stuck, 0, step_down)
    w_min, w_max = jnp.where(stuck, stuck_at, w_min), jnp.where(stuck, stuck_at, w_max)

    if device.perfect_bias and key is not None:
        step_up, step_down = (step.at[:, -1].set(device.dw_min) for step in (step_up, step_down))
        w_min, w_max = w_min.at[:, -1].set(100 * device.w_min), w_max.at[:, -1].set(100 * device.w_max)

    lifetime = device.lifetime * (1 + device.lifetime_dtod * spread(shape, key, Source.LIFETIME))
    decays = jnp.where(lifetime > 1, 1 - 1 / jnp.where(lifetime > 1, lifetime, 1), 0)
    diffusion = device.diffusion * (1 + device.diffusion_dtod * spread(shape, key, Source.DIFFUSION))
    return Cells(
        step_up,
        step_down,
        w_min=w_min,
        w_max=w_max,
        decay_scale=jnp.where(device.lifetime > 0, decays, 1),
        diffusion_rate=jnp.abs(diffusion),
        reset_bias=device.reset + device.reset_dtod * spread(shape, key, Source.RESET_BIAS),
    )


def folded_pair(gain: Weight, imbalance: Weight, up_down: Scalar, *, fold: bool) -> tuple[Weight, Weight]:
    """Relative sizes up and down from what they share and what tells them apart; `up_down` shrinks one side only."""
    up = jnp.minimum(up_down, 0) + gain + imbalance
    down = -jnp.maximum(up_down, 0) + gain - imbalance
    return (jnp.abs(up), jnp.abs(down)) if fold else (up, down)


def spread(shape: tuple[int, int], key: Key | None, source: Source | str) -> Float[Array, "out in"]:
    """A standard normal for every device, for a parameter that differs from one to the next.

        width = width_mean + width_dtod * spread(shape, key, "width")

    Args:
        shape: of the devices, [out, in].
        key: of the fabrication, as `init` gets it; None: zeros, for nominal devices.
        source: a name of your own for the parameter. Each name is a stream of its own, so that another parameter changes no other.
    """
    tag = zlib.crc32(source.encode()) | 1 << 31 if isinstance(source, str) else source  # apart from the numbers of `Source`
    return _draw(normal, shape, key, tag)


def _draw(
    law: Callable[[Key, Int[Array, "out in"]], Float[Array, "out in"]], shape: tuple[int, int], key: Key | None, tag: int
) -> Float[Array, "out in"]:
    if key is None:
        return jnp.zeros(shape, float)
    rows, width = shape
    drawn = law(stream(key, tag), cell_index(rows, numbers(width), width)).astype(jnp.asarray(0.0, float).dtype)
    return jax.lax.optimization_barrier(drawn)  # otherwise XLA draws anew for each use, and compiles each
