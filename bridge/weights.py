"""Operations on a whole weight matrix that aihwkit does once per optimizer step: clip, remap, modify.

They are digital tricks of hardware-aware training, not physics of the array, and jaxtile does not have them yet. They take
aihwkit's parameter objects and follow its C++ code, and will move to jaxtile when it gets them.
"""

import jax.numpy as jnp
import jax.random as jr
from aihwkit.exceptions import ConfigError
from aihwkit.simulator.parameters.enums import WeightClipType, WeightModifierType, WeightRemapType
from aihwkit.simulator.parameters.inference import WeightClipParameter, WeightModifierParameter, WeightRemapParameter
from jaxtyping import Array, Float, PRNGKeyArray

__all__ = ["clipped", "modified", "remapped"]

Matrix = Float[Array, "out in"]


def clipped(weight: Matrix, clip: WeightClipParameter) -> Matrix:
    """Clip to a symmetric range that is fixed or follows the weights."""
    limit = jnp.asarray(clip.fixed_value, weight.dtype)
    if clip.type == WeightClipType.LAYER_GAUSSIAN:
        limit = _capped(clip.sigma * jnp.std(weight, ddof=1), limit)
    elif clip.type == WeightClipType.AVERAGE_CHANNEL_MAX:
        limit = _capped(jnp.mean(jnp.max(jnp.abs(weight), axis=1)), limit)
    elif clip.type == WeightClipType.NONE:
        return weight
    return jnp.where(limit > 0, jnp.clip(weight, -limit, limit), weight)


def _capped(limit, cap):
    return jnp.where(cap > 0, jnp.minimum(limit, cap), limit)


def remapped(weight: Matrix, scales: Float[Array, " out"], remap: WeightRemapParameter) -> tuple[Matrix, Float[Array, " out"]]:
    """Stretch the weights to the range of the array, and take it back in the digital scales of the outputs."""
    if remap.type == WeightRemapType.NONE:
        return weight, scales
    per_row = jnp.max(jnp.abs(weight), axis=1)
    if remap.type == WeightRemapType.LAYERWISE_SYMMETRIC:
        per_row = jnp.full_like(per_row, jnp.max(per_row))
    elif remap.max_scale_range > 0:
        return _within_range(weight, scales, per_row, remap)
    stretch = per_row / remap.remapped_wmax
    stretch = jnp.where(stretch > 0, stretch, 1)
    return weight / stretch[:, None], scales * stretch


def _within_range(weight, scales, per_row, remap: WeightRemapParameter):
    """As far as no scale exceeds the smallest one by more than a factor."""
    if remap.remapped_wmax != 1.0:
        raise ConfigError(f"remap.remapped_wmax={remap.remapped_wmax!r} must be 1 with max_scale_range, as in aihwkit.")
    smallest = jnp.maximum(jnp.min(scales), 0)
    smallest = jnp.where(smallest > 0, jnp.maximum(smallest, remap.max_scale_ref), 0)
    wanted = jnp.where(per_row > 0, per_row * scales, scales)
    new = jnp.where(smallest > 0, jnp.minimum(wanted, smallest * remap.max_scale_range), wanted)
    return weight * (scales / new)[:, None], new


def modified(weight: Matrix, modifier: WeightModifierParameter, key: PRNGKeyArray) -> Matrix:
    """A copy of the weights for the next training reads: noisy, coarse, or with connections dropped.

    Raises:
        ConfigError: a type or an option that exists on CUDA only, or not in aihwkit's C++ tiles.
    """
    types = WeightModifierType
    if modifier.per_batch_sample or modifier.type == types.PCM_NOISE:
        raise ConfigError(f"modifier.type={modifier.type}, per_batch_sample={modifier.per_batch_sample} has no meaning on a CPU.")
    noise_key, drop_key, round_key = jr.split(key, 3)
    judged = jnp.abs(weight[:, :-1] if modifier.copy_last_column else weight)
    largest = jnp.max(judged, initial=0.0) if modifier.rel_to_actual_wmax else jnp.asarray(modifier.assumed_wmax, weight.dtype)
    largest = jnp.where(largest > 0, largest, 1)
    xi = jr.normal(noise_key, weight.shape, weight.dtype)
    shift = jr.uniform(round_key, weight.shape, weight.dtype) - 0.5 if modifier.sto_round else 0.0
    new = weight
    if modifier.type in (types.DISCRETIZE, types.DISCRETIZE_ADD_NORMAL):
        new = largest * _rounded(weight / largest, modifier.res, shift)
    if modifier.type in (types.ADD_NORMAL, types.DISCRETIZE_ADD_NORMAL):
        new = new + modifier.std_dev * largest * xi
    elif modifier.type == types.MULT_NORMAL:
        new = weight * (1 + modifier.std_dev * largest * xi)
    elif modifier.type == types.DOREFA and modifier.res > 0:
        new = _rounded(jnp.tanh(weight) * jnp.abs(modifier.dorefa_clip / jnp.tanh(largest)), modifier.res, shift)
    elif modifier.type == types.POLY:
        new = weight + _polynomial(weight, largest, modifier.coeffs) * modifier.std_dev * xi
    elif modifier.type == types.PROG_NOISE:
        noisy = weight + _polynomial(weight, largest, modifier.coeffs) * (modifier.std_dev / modifier.g_max) * xi
        new = jnp.where(weight < 0, -1, 1) * jnp.abs(noisy)  # a conductance pair does not change its sign
    new = jnp.where(jr.uniform(drop_key, weight.shape, weight.dtype) < modifier.pdrop, 0, new)
    return new.at[:, -1].set(weight[:, -1]) if modifier.copy_last_column else new


def _polynomial(weight, largest, coefficients):
    """The noise that programming leaves, as a polynomial of the conductance."""
    return largest * jnp.polyval(jnp.asarray(coefficients[::-1], weight.dtype), jnp.abs(weight) / largest)


def _rounded(value, step, shift):
    """To multiples of `step`, half away from zero."""
    if step <= 0:
        return value
    scaled = value / step + shift
    return jnp.sign(scaled) * jnp.floor(jnp.abs(scaled) + 0.5) * step
