"""All of an inference configuration of aihwkit as jaxtile's objects."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from aihwkit.inference.compensation import drift
from aihwkit.simulator.parameters.io import IOParameters, IOParametersIRDropT
from aihwkit.simulator.parameters.pre_post import InputRangeParameter

import jaxtile as jt
from jaxtile import digital, noise

from ._fields import refuse, refuse_rest
from .config import BUILDING, HARDWARE, hardware
from .noise import converter_of, noise_model_of
from .periphery import from_ladder
from .weights import clip_of, modifier_of, remap_of

__all__ = ["Inference", "drift_compensation_of", "inference_of", "input_range_of"]

_COMPENSATIONS = {
    drift.GlobalDriftCompensation: lambda: digital.GlobalDriftCompensation(),
    drift.GlobalDriftCompensationWithExactReference: lambda: digital.GlobalDriftCompensation(exact_reference=True),
    drift.PerColumnDriftCompensation: lambda: digital.PerColumnDriftCompensation(),
}


class Inference(NamedTuple):
    """The parts of an inference configuration of aihwkit; None is absent.

    Attributes:
        config: the hardware that is trained: ideal devices in the periphery of the
            configuration.
        noise_model: for `jaxtile.apply_programming_noise`.
        drift_compensation: a factor on the outputs.
        clip, remap: of the weights, after each step of training.
        modifier: of the weights that training reads.
        map_weights: maps logical weights to those of the tile and the scales of its
            outputs.
        out_scales: makes the scales that are learned, ones, for so many outputs: one
            for each, or one for all.
        input_range: of the inputs.
    """

    config: jt.TileConfig
    noise_model: noise.AbstractNoiseModel
    drift_compensation: digital.AbstractDriftCompensation | None
    clip: digital.AbstractClip | None
    remap: digital.AbstractRemap | None
    modifier: jt.modifier.AbstractModifier | None
    map_weights: Callable[[jax.Array], tuple[jax.Array, jax.Array]] | None
    out_scales: Callable[[int], jax.Array] | None
    input_range: digital.InputRange | None


def inference_of(rpu_config: Any) -> Inference:
    """Translate an `InferenceRPUConfig`.

    Args:
        rpu_config: the configuration.

    Raises:
        ConfigError: it asks for something else, such as an analog bias; the message
            names it.
    """
    parts = {"noise_model", "drift_compensation", "clip", "remap", "modifier", "mapping", "pre_post"}
    config, name = _hardware(rpu_config), type(rpu_config).__name__
    refuse_rest(rpu_config, type(rpu_config), name, HARDWARE | BUILDING | parts)
    refuse_rest(rpu_config.pre_post, type(rpu_config.pre_post), f"{name}.pre_post", {"input_range"})
    if rpu_config.modifier.enable_during_test:
        refuse(f"{name}.modifier.enable_during_test", True, "read the modified weights in evaluation, too, by jaxtile.read_as")
    return Inference(
        config,
        noise_model_of(rpu_config.noise_model),
        drift_compensation_of(rpu_config.drift_compensation),
        clip_of(rpu_config.clip),
        remap_of(rpu_config.remap),
        modifier_of(rpu_config.modifier),
        _map_weights(rpu_config.mapping, f"{name}.mapping"),
        _out_scales(rpu_config.mapping),
        input_range_of(rpu_config.pre_post.input_range),
    )


def _map_weights(mapping: Any, name: str) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]] | None:
    scaling = {"weight_scaling_omega", "weight_scaling_columnwise", "learn_out_scaling", "out_scaling_columnwise"}
    # How layers are divided into tiles does not concern one tile.
    refuse_rest(mapping, type(mapping), name, scaling | {"max_input_size", "max_output_size"})
    if mapping.weight_scaling_omega <= 0:
        return None
    return functools.partial(digital.map_weights, omega=mapping.weight_scaling_omega, columnwise=mapping.weight_scaling_columnwise)


def _out_scales(mapping: Any) -> Callable[[int], jax.Array] | None:
    return (lambda out: jnp.ones(out if mapping.out_scaling_columnwise else 1)) if mapping.learn_out_scaling else None


def input_range_of(parameter: InputRangeParameter) -> digital.InputRange | None:
    """Translate; None where inputs are not clipped to a range.

    Raises:
        ConfigError: the range is fixed, which is for the optimiser to do.
    """
    if not parameter.enable:
        return None
    if not parameter.learn_input_range:
        refuse("pre_post.input_range.learn_input_range", False, "leave the range out of what the optimiser steps")
    shared = ("init_from_data", "init_std_alpha", "decay", "input_min_percentage", "gradient_scale", "gradient_relative")
    managed = parameter.output_min_percentage if parameter.manage_output_clipping else None
    values = {field: getattr(parameter, field) for field in shared}
    return digital.InputRange(input_range=parameter.init_value, output_min_percentage=managed, **values)


def _hardware(rpu_config: Any) -> jt.TileConfig:
    """Also of tiles whose IR drop is that of a circuit."""
    io = rpu_config.forward
    if not isinstance(io, IOParametersIRDropT):
        return hardware(rpu_config)
    config = hardware(dataclasses.replace(rpu_config, forward=IOParameters()))
    rows = rpu_config.mapping.max_input_size or None
    return dataclasses.replace(config, forward=from_ladder(io, "forward", converter_of(rpu_config.noise_model.g_converter), rows))


def drift_compensation_of(compensation: drift.BaseDriftCompensation | None) -> digital.AbstractDriftCompensation | None:
    """Translate; None where nothing is compensated.

    Raises:
        ConfigError: it is not one of aihwkit's own.
    """
    if compensation is None:
        return None
    if type(compensation) not in _COMPENSATIONS:
        refuse("drift_compensation", compensation, f"known are {', '.join(kind.__name__ for kind in _COMPENSATIONS)}")
    return _COMPENSATIONS[type(compensation)]()
