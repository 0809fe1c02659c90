"""aihwkit's clipping, remapping and modifying of weights as jaxtile's objects."""

from typing import Any

from aihwkit.exceptions import ConfigError
from aihwkit.simulator.parameters.enums import WeightClipType, WeightModifierType, WeightRemapType
from aihwkit.simulator.parameters.inference import WeightClipParameter, WeightModifierParameter, WeightRemapParameter

import jaxtile as jt

__all__ = ["clip_of", "modifier_of", "remap_of"]

_MODIFIERS = {
    WeightModifierType.COPY: jt.modifier.DropConnect,
    WeightModifierType.DROP_CONNECT: jt.modifier.DropConnect,
    WeightModifierType.DISCRETIZE: jt.modifier.Discretize,
    WeightModifierType.MULT_NORMAL: jt.modifier.MultNormal,
    WeightModifierType.ADD_NORMAL: jt.modifier.AddNormal,
    WeightModifierType.DISCRETIZE_ADD_NORMAL: jt.modifier.DiscretizeAddNormal,
    WeightModifierType.DOREFA: jt.modifier.DoReFa,
    WeightModifierType.POLY: jt.modifier.Poly,
    WeightModifierType.PROG_NOISE: jt.modifier.ProgNoise,
    WeightModifierType.PCM_NOISE: jt.modifier.PCMNoise,
}


def clip_of(clip: WeightClipParameter) -> jt.digital.AbstractClip | None:
    """Translate; None where nothing is clipped (aihwkit's C++ tiles take a fixed value
    of 0 or less for none).
    """
    cap = clip.fixed_value if clip.fixed_value > 0 else None
    if clip.type == WeightClipType.LAYER_GAUSSIAN:
        return jt.digital.LayerGaussian(sigma=clip.sigma, fixed_value=cap)
    if clip.type == WeightClipType.AVERAGE_CHANNEL_MAX:
        return jt.digital.AverageChannelMax(fixed_value=cap)
    return jt.digital.FixedValue(fixed_value=cap) if clip.type == WeightClipType.FIXED_VALUE and cap else None


def remap_of(remap: WeightRemapParameter) -> jt.digital.AbstractRemap | None:
    """Translate; None where nothing is remapped.

    Raises:
        ConfigError: what aihwkit does not take, either.
    """
    if remap.type == WeightRemapType.NONE:
        return None
    if remap.type == WeightRemapType.LAYERWISE_SYMMETRIC:
        return jt.digital.LayerwiseSymmetric(remapped_wmax=remap.remapped_wmax)
    if remap.max_scale_range <= 0:
        return jt.digital.ChannelwiseSymmetric(remapped_wmax=remap.remapped_wmax)
    if remap.remapped_wmax != 1.0:
        raise ConfigError(f"remap.remapped_wmax={remap.remapped_wmax!r} must be 1 with max_scale_range, as in aihwkit.")
    return jt.digital.ChannelwiseSymmetric(
        remapped_wmax=1.0, max_scale_range=remap.max_scale_range, max_scale_ref=max(remap.max_scale_ref, 0)
    )


def modifier_of(modifier: WeightModifierParameter) -> jt.modifier.AbstractModifier | None:
    """Translate, with the meaning that parameters have for aihwkit's C++ tiles; None
    where nothing is modified.

    Raises:
        ConfigError: `per_batch_sample`, which those do not have.
    """
    if modifier.per_batch_sample:
        raise ConfigError("modifier.per_batch_sample=True: the tile reads all vectors of a batch through the same weights.")
    if modifier.type == WeightModifierType.NONE or (modifier.type == WeightModifierType.COPY and modifier.pdrop <= 0):
        return None
    kind = _MODIFIERS[modifier.type]
    values: dict[str, Any] = {name: getattr(modifier, name) for name in kind.__dataclass_fields__ if hasattr(modifier, name)}
    values["assumed_wmax"] = None if modifier.rel_to_actual_wmax else modifier.assumed_wmax
    values["pdrop"] = modifier.pdrop if modifier.pdrop > 0 else None
    if "res" in values:
        values["res"] = max(modifier.res, 0)
    return kind(**values)
