"""Numbers that fabrication draws for each line of a periphery, and what its noise
management remembers.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._random import Source, arange, normal, stream
from .._types import Key, Scalar, Weight
from .io import IOParameters
from .noise_management import AverageAbsMax

__all__ = ["Channels", "fabricate", "has_own_numbers", "remember", "start"]


class Channels(eqx.Module):
    """The realised periphery of one direction of reading; what the configuration does
    not ask for is None.

    Attributes:
        out_noise: standard deviation of the noise of each output, |out_noise (1 +
            out_noise_std xi)|.
        v_offset: voltage offset of each line, max(v_offset_std xi, 0).
        out_nonlinearity: saturation of each line, |out_nonlinearity / out_bound (1 +
            out_nonlinearity_std xi)|.
        w_asymmetry: what a weight is multiplied by for negative inputs, 1 +
            w_read_asymmetry_dtod xi, in the orientation that is read (of backward
            reads: [in, out]).
    """

    out_noise: Float[Array, " out"] | None = None
    v_offset: Float[Array, " out"] | None = None
    out_nonlinearity: Float[Array, " out"] | None = None
    w_asymmetry: Weight | None = None

    def drawn(self, name: str) -> Float[Array, "..."]:
        """A number that fabrication draws.

        Raises:
            ValueError: the tile was made without it.
        """
        value = getattr(self, name)
        if value is None:
            raise ValueError(
                f"the periphery asks for {name}, which is drawn once for each tile, and this one was made without it: make a tile "
                "with jaxtile.init from this configuration."
            )
        return value


def fabricate(io: IOParameters, shape: tuple[int, int], key: Key) -> Channels:
    """Draw what is drawn once, for an array of `shape` as it is read."""
    if io.is_perfect:
        return Channels()
    lines, dtype = (shape[0],), jnp.result_type(float)

    def xi(source: Source, shape: tuple[int, ...]) -> Float[Array, "..."]:
        return normal(stream(key, source), arange(math.prod(shape)).reshape(shape)).astype(dtype)

    channels = {}
    if io.out_noise is not None and io.out_noise_std is not None:
        channels["out_noise"] = jnp.abs(io.out_noise * (1 + io.out_noise_std * xi(Source.OUTPUT_NOISE_SPREAD, lines)))
    if io.v_offset is not None:
        channels["v_offset"] = jnp.maximum(io.v_offset.v_offset_std * xi(Source.VOLTAGE_OFFSET, lines), 0)
    if io.out_nonlinearity is not None:
        spread = 1 + io.out_nonlinearity.out_nonlinearity_std * xi(Source.OUTPUT_NONLINEARITY, lines)
        bound = jnp.where(jnp.isinf(io.out_bound), 1, io.out_bound)
        channels["out_nonlinearity"] = jnp.abs(io.out_nonlinearity.out_nonlinearity / bound * spread)
    if io.mv_type.w_read_asymmetry_dtod is not None:
        channels["w_asymmetry"] = 1 + io.mv_type.w_read_asymmetry_dtod * xi(Source.READ_ASYMMETRY, shape)
    return Channels(**channels)


def has_own_numbers(io: IOParameters) -> bool:
    """True if reads need numbers that are drawn once for each array."""
    return bool(jax.tree.leaves(jax.eval_shape(lambda: fabricate(io, (1, 1), jax.random.key(0)))))


def start(io: IOParameters) -> Scalar | None:
    """The running average of `AverageAbsMax` before the first vector, negative; None:
    nothing is remembered.
    """
    return jnp.asarray(-1.0, float) if isinstance(io.noise_management, AverageAbsMax) else None


def remember(io: IOParameters, average: Scalar | None, x: Float[Array, "k line"]) -> Scalar | None:
    """The running average after more vectors."""
    if not isinstance(io.noise_management, AverageAbsMax) or x.shape[0] == 0:
        return average
    nothing = jnp.asarray(0.0, x.dtype)
    return io.noise_management.alpha(x, inp_step=nothing, out_bound=nothing, average=average)[-1, 0]
