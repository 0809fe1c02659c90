"""The analog matrix-vector product: DAC, array, output lines, ADC."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._linalg import product
from .._loop import iterate
from .._numerics import divisor
from .._random import Source, arange, normal, stream, uniform
from .._types import Key, Scalar, Weight, real_array, real_matrix
from .._vectors import UnitVectors
from .bound_management import AbstractBoundManagement
from .channels import Channels
from .converter import Grid, clip, exceeds, quantise, step_of
from .io import IOParameters
from .noise_management import AbsMaxNPSum

__all__ = ["read"]

Inputs = Float[Array, "k in"]
Outputs = Float[Array, "k out"]
Scales = Float[Array, "k 1"]


def read(
    io: IOParameters,
    weight: Weight,
    x: Inputs | UnitVectors,
    key: Key,
    channels: Channels | None = None,
    average: Scalar | None = None,
) -> Outputs:
    """Read the array through its periphery, each vector for itself.

        u = DAC(x / (alpha r))                    alpha from noise management, r from bound management
        y = W u, less IR drop, offsets, series resistance; plus noise of the weights
        y = ADC(y, saturated, plus noise of the outputs) * alpha r * out_scale

    Noise is drawn anew at every reduction r. With noise management a vector of scale
    zero reads as exactly zero (unless there is noise on the inputs); without, as the
    noise that it is.

    Args:
        io: the periphery.
        weight: W.
        x: the vectors; of unit vectors each takes one column of W, and no product is
            made.
        key: of the noise.
        channels: what was drawn once; None where `io` asks for nothing of that kind.
        average: what the noise management remembers; None where it remembers nothing.
    """
    weight = real_matrix(weight, "weight")
    array, x = _Array(weight, None), x if isinstance(x, UnitVectors) else real_array(x, weight.dtype, "x")
    if isinstance(x, UnitVectors):
        # What is zero reaches the array as zero, unless it is noisy.
        alone = io.is_perfect or (io.inp_noise is None and not io.inp_sto_round)
        array, x = _Array(weight, x.columns if alone else None), x.dense(weight.dtype)
    y = array.product(weight, x) if io.is_perfect else _managed(io, array, x, key, channels or Channels(), average)
    return y if io.out_scale is None else y * io.out_scale


class _Array(NamedTuple):
    """The array, and which column each vector is alone on (None: on none)."""

    weight: Weight
    columns: Int[Array, " k"] | None

    def product(self, weight: Weight, u: Inputs) -> Outputs:
        """The product of the weights, as they are in this pass, and inputs."""
        if self.columns is None:
            return product(u, weight.T)
        return jnp.take_along_axis(u, self.columns[:, None], axis=1) * weight.T[self.columns]


def _managed(io: IOParameters, array: _Array, x: Inputs, key: Key, channels: Channels, average: Scalar | None) -> Outputs:
    """Within the ranges of the converters."""
    ranges = {"inp_step": step_of(io.inp_res, io.inp_bound), "out_bound": io.out_bound, "average": average}
    alpha = jnp.ones((x.shape[0], 1), x.dtype) if io.noise_management is None else io.noise_management.alpha(x, **ranges)
    silent = alpha <= 0

    def worst_case(max_bm_res: Scalar) -> Scales:
        alpha = AbsMaxNPSum(nm_thres=getattr(io.noise_management, "nm_thres", None), max_bm_res=max_bm_res).alpha(x, **ranges)
        return 1 / divisor(alpha)

    def one_pass(passes, shrink: Scales) -> tuple[Outputs, Bool[Array, "k 1"]]:
        y, clipped = _one_pass(io, array, x * shrink, _Draws(key, passes), channels)
        return y / shrink, clipped

    helps = io.noise_management is not None and not isinstance(io.noise_management, AbsMaxNPSum)
    y = _until_unclipped(io.bound_management, one_pass, 1 / divisor(alpha), ranges["inp_step"], worst_case if helps else None)
    return jnp.where(silent if io.inp_noise is None else silent & (io.inp_noise <= 0), 0, y)


def _until_unclipped(
    management: AbstractBoundManagement | None,
    one_pass: Callable[..., tuple[Outputs, Bool[Array, "k 1"]]],
    scale: Scales,
    inp_step: Scalar,
    worst_case: Callable[[Scalar], Scales] | None,
) -> Outputs:
    reduction = jnp.ones_like(scale)
    y, clipped = one_pass(0, scale)
    if management is None:
        return y

    def again(state):
        passes, scale, reduction, y, redo = state
        smaller = management.retry(passes, scale, reduction, worst_case)
        scale, reduction = (jnp.where(redo, new, old) for new, old in zip(smaller, (scale, reduction), strict=True))
        fresh, clipped = one_pass(passes, scale / reduction)
        y = jnp.where(redo, fresh, y)
        return passes + 1, scale, reduction, y, redo & clipped & ~management.gives_up(reduction, inp_step)

    state = (jnp.asarray(1), scale, reduction, y, clipped & ~management.gives_up(reduction, inp_step))
    # 32 halvings exhaust any reduction that can be asked for, and one pass more sets
    # out from the worst case.
    return iterate(lambda s: jnp.any(s[4]), again, state, max_steps=33)[3]


class _Draws(eqx.Module):
    """The noise of one pass of a read."""

    key: Key
    passes: Int[Array, ""] | int

    def normal(self, source: Source, like: Float[Array, "k line"], part: int = 0) -> Float[Array, "k line"]:
        """A standard normal for each line of each vector; `part` tells the two signs of
        input from each other.
        """
        return self._draw(normal, source, like, part)

    def shift(self, source: Source, like: Float[Array, "k line"], part: int = 0) -> Float[Array, "k line"]:
        """A uniform number within half of zero for each line of each vector."""
        return self._draw(uniform, source, like, part) - 0.5

    def _draw(self, law: Callable[..., Array], source: Source, like: Float[Array, "k line"], part: int) -> Float[Array, "k line"]:
        tags = (source, self.passes, part) if part else (source, self.passes)
        drawn = law(stream(self.key, *tags), arange(like.size).reshape(like.shape)).astype(like.dtype)
        return jax.lax.optimization_barrier(drawn)  # otherwise XLA draws anew for each use, and compiles each


def _one_pass(io: IOParameters, array: _Array, x: Inputs, draws: _Draws, channels: Channels) -> tuple[Outputs, Bool[Array, "k 1"]]:
    """Scaled inputs to converted outputs, and which vectors were clipped."""
    step = step_of(io.inp_res, io.inp_bound)
    grid = Grid(step, jnp.floor(io.inp_bound / step + 1.001))

    def multiply(weight: Weight, u: Inputs, part: int, slots: Scalar | None = None) -> Outputs:
        y = array.product(weight, u)
        if io.ir_drop is not None:
            y = io.ir_drop(y, weight, u, grid if slots is None else Grid(step, slots))
        if io.v_offset is not None:
            y = io.v_offset(y, u, channels.drawn("v_offset"))
        if io.w_noise is not None:
            y = y + io.w_noise.std(weight, u) * draws.normal(Source.WEIGHT_NOISE, y, part)
        return y

    def convert(y: Outputs, part: int) -> tuple[Outputs, Bool[Array, "k 1"]]:
        y = _saturated(io, y, channels)
        if io.out_asymmetry is not None:
            y = jnp.where(y < 0, y * (1 - io.out_asymmetry), y)
        if io.out_noise is not None:
            std = io.out_noise if io.out_noise_std is None else channels.drawn("out_noise")[None, :]
            y = y + std * draws.normal(Source.OUTPUT_NOISE, y, part)
        shift = draws.shift(Source.OUTPUT_ROUND, y, part) if io.out_sto_round else None
        y = quantise(y, step_of(io.out_res, io.out_bound), shift)
        negative = io.bound_management is None or io.bound_management.bm_test_negative_bound
        return clip(y, io.out_bound), jnp.any(exceeds(y, io.out_bound, negative=negative), axis=-1, keepdims=True)

    asymmetry = None if io.mv_type.w_read_asymmetry_dtod is None else channels.drawn("w_asymmetry")
    return io.mv_type.read(array.weight, asymmetry, _prepared(io, x, draws), multiply, convert, grid)


def _prepared(io: IOParameters, x: Inputs, draws: _Draws) -> Inputs:
    """The DAC, and what it does wrong."""
    shift = draws.shift(Source.INPUT_ROUND, x) if io.inp_sto_round else None
    u = clip(quantise(x, step_of(io.inp_res, io.inp_bound), shift), io.inp_bound)
    if io.inp_noise is not None:
        u = u + io.inp_noise * draws.normal(Source.INPUT_NOISE, u)
    if io.inp_asymmetry is not None:
        u = jnp.where(u < 0, u * (1 - io.inp_asymmetry), u)
    return u


def _saturated(io: IOParameters, y: Outputs, channels: Channels) -> Outputs:
    """Saturation of the output lines, and the gain that makes up for it and for their
    resistance.
    """
    strength = jnp.zeros((), y.dtype)
    if io.out_nonlinearity is not None:
        strength = channels.drawn("out_nonlinearity")
        y = io.out_nonlinearity(y, strength)
    if io.slope_calibration is not None:
        resistance = 0 if io.v_offset is None else io.v_offset.r_series
        bound = jnp.where(jnp.isinf(io.out_bound), 1, io.out_bound)
        y = y * (1 + (jnp.mean(strength) + resistance) * io.slope_calibration * bound) ** 2
    return y
