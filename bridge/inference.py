"""aihwkit's statistical noise models, and all of an inference configuration, as jaxtile's objects."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from aihwkit.inference.compensation import drift
from aihwkit.inference.converter import conductance
from aihwkit.inference.noise import custom, hermes, pcm, reram
from aihwkit.simulator.parameters.io import IOParameters, IOParametersIRDropT
from aihwkit.simulator.parameters.pre_post import InputRangeParameter

import jaxtile as jt
from jaxtile import digital, noise

from ._fields import refuse, refuse_rest
from .config import BUILDING, HARDWARE, hardware
from .periphery import from_ladder
from .weights import clip_of, modifier_of, remap_of

__all__ = ["Inference", "drift_compensation_of", "inference_of", "input_range_of", "noise_model_of"]

_COMPENSATIONS = {
    drift.GlobalDriftCompensation: lambda: digital.GlobalDriftCompensation(),
    drift.GlobalDriftCompensationWithExactReference: lambda: digital.GlobalDriftCompensation(exact_reference=True),
    drift.PerColumnDriftCompensation: lambda: digital.PerColumnDriftCompensation(),
}
_SCALES = ("prog_noise_scale", "drift_scale", "read_noise_scale")
_POWER_LAW = ("prog_coeff", "t_0", "t_read", *_SCALES)
_PCM = (*_POWER_LAW, "prog_coeff_g_max_reference")


class Inference(NamedTuple):
    """What an inference configuration of aihwkit says, part by part; None is absent.

    Attributes:
        config: the hardware: ideal devices in the periphery of the configuration.
        noise_model: for `jaxtile.apply_programming_noise`.
        drift_compensation: a factor on the outputs.
        clip, remap: of the weights, after each step of training.
        modifier: of the weights that training reads.
        map_weights: maps logical weights to those of the tile and the scales of its outputs.
        input_range: of the inputs.
    """

    config: jt.TileConfig
    noise_model: noise.AbstractNoiseModel
    drift_compensation: digital.AbstractDriftCompensation | None
    clip: digital.AbstractClip | None
    remap: digital.AbstractRemap | None
    modifier: jt.modifier.AbstractModifier | None
    map_weights: Callable[[jax.Array], tuple[jax.Array, jax.Array]] | None
    input_range: digital.InputRange | None


def inference_of(rpu_config: Any) -> Inference:
    """Translate an `InferenceRPUConfig`.

    Args:
        rpu_config: the configuration.

    Raises:
        ConfigError: it asks for something else, such as an analog bias; the message names it.
    """
    parts = {"noise_model", "drift_compensation", "clip", "remap", "modifier", "mapping", "pre_post"}
    config, name = _hardware(rpu_config), type(rpu_config).__name__
    refuse_rest(rpu_config, type(rpu_config), name, HARDWARE | BUILDING | parts)
    refuse_rest(rpu_config.pre_post, type(rpu_config.pre_post), f"{name}.pre_post", {"input_range"})
    return Inference(
        config,
        noise_model_of(rpu_config.noise_model),
        drift_compensation_of(rpu_config.drift_compensation),
        clip_of(rpu_config.clip),
        remap_of(rpu_config.remap),
        modifier_of(rpu_config.modifier),
        _map_weights(rpu_config.mapping, f"{name}.mapping"),
        input_range_of(rpu_config.pre_post.input_range),
    )


def _map_weights(mapping: Any, name: str) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]] | None:
    scaling = {"weight_scaling_omega", "weight_scaling_columnwise"}
    # How layers are divided into tiles does not concern one tile.
    refuse_rest(mapping, type(mapping), name, scaling | {"max_input_size", "max_output_size"})
    if mapping.weight_scaling_omega <= 0:
        return None
    return functools.partial(digital.map_weights, omega=mapping.weight_scaling_omega, columnwise=mapping.weight_scaling_columnwise)


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
    return digital.InputRange(parameter.init_value, output_min_percentage=managed, **values)


def _hardware(rpu_config: Any) -> jt.TileConfig:
    """Also of tiles whose IR drop is that of a circuit."""
    io = rpu_config.forward
    if not isinstance(io, IOParametersIRDropT):
        return hardware(rpu_config)
    config = hardware(dataclasses.replace(rpu_config, forward=IOParameters()))
    rows = rpu_config.mapping.max_input_size or None
    return dataclasses.replace(config, forward=from_ladder(io, "forward", _converter(rpu_config.noise_model.g_converter), rows))


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


def noise_model_of(model: Any, *, aihwkit_compatible: bool = False) -> noise.AbstractNoiseModel:
    """Translate a noise model with its converter.

    Args:
        model: one of aihwkit's.
        aihwkit_compatible: repeat what its code does where that is not what it means.

    Raises:
        ConfigError: it is not one of aihwkit's own.
    """
    if type(model) not in _MODELS:
        refuse("noise_model", model, f"known are {', '.join(kind.__name__ for kind in _MODELS)}")
    return _MODELS[type(model)](model, converter=_converter(model.g_converter), aihwkit_compatible=aihwkit_compatible)


def _converter(converter: Any) -> noise.AbstractConverter:
    kind, span = type(converter), {name: getattr(converter, name, None) for name in ("g_max", "g_min")}
    if kind is conductance.SinglePairConductanceConverter:
        return noise.NPair(**span)
    if kind in (conductance.DualPairConductanceConverter, conductance.NPairConductanceConverter):
        return noise.NPair(converter.f_lst, **span)
    if kind is conductance.CustomPairConductanceConverter:
        return noise.CustomPair(converter.f_lst, converter.g_lst, **span)
    if kind is conductance.SingleDeviceConductanceConverter:
        return noise.SingleDevice(**span)
    return refuse("noise_model.g_converter", converter, "known are those of pairs and of single devices")


def _taken(model: Any, names: tuple[str, ...]) -> dict[str, Any]:
    for name in names:
        if not hasattr(model, name):  # as given together with `prog_coeff`
            refuse(f"noise_model.{name}", None, "aihwkit has lost it; set the attribute of the model")
    return {name: getattr(model, name) for name in names}


def _of_pcm(model: pcm.PCMLikeNoiseModel, **common: Any) -> noise.PCM:
    return noise.PCM(**_taken(model, _PCM), **common)


def _of_custom_drift(model: pcm.CustomDriftPCMLikeNoiseModel, **common: Any) -> noise.CustomDriftPCM:
    return noise.CustomDriftPCM(**_taken(model, _PCM), **model.custom_drift_model, **common)


def _of_hermes(model: hermes.HermesNoiseModel, **common: Any) -> noise.AbstractPowerLaw:
    kind = noise.Hermes if model.num_devices == 2 else noise.HermesOneDevice
    return kind(**_taken(model, _PCM), **common)


def _of_state_independent(model: custom.StateIndependentNoiseModel, **common: Any) -> noise.StateIndependent:
    return noise.StateIndependent(**_taken(model, (*_POWER_LAW, "drift_nu_mean", "drift_nu_std")), **common)


def _of_wan(model: reram.ReRamWan2022NoiseModel, **common: Any) -> noise.ReRAMWan2022:
    # Where aihwkit has lost the reference of its own coefficients, it is found again by default.
    reference = getattr(model, "coeff_g_max_reference", None)
    lost = hasattr(model, "prog_coeff_g_max_reference") and reference == model.g_max
    times = sorted(model.coeff_dic)
    return noise.ReRAMWan2022(
        times=times,
        coeff=[model.coeff_dic[time] for time in times],
        coeff_g_max_reference=None if lost else reference,
        noise_scale=model.noise_scale,
        **common,
    )


def _of_cmo(model: reram.ReRamCMONoiseModel, **common: Any) -> noise.ReRAMCMO:
    return noise.ReRAMCMO(
        prog_coeff=model.coeff_dict[model.acceptance_range],
        decay_mean=model.decay_dict["mean"][0],
        decay_std=model.decay_dict["std"][::-1],
        read_k=model.read_dict["K"],
        t_read=model.read_dict["t_read"],
        **_taken(model, _SCALES),
        **common,
    )


_MODELS = {
    pcm.PCMLikeNoiseModel: _of_pcm,
    pcm.CustomDriftPCMLikeNoiseModel: _of_custom_drift,
    hermes.HermesNoiseModel: _of_hermes,
    custom.StateIndependentNoiseModel: _of_state_independent,
    reram.ReRamWan2022NoiseModel: _of_wan,
    reram.ReRamCMONoiseModel: _of_cmo,
}
