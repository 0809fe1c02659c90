"""aihwkit's statistical noise models as jaxtile's."""

from typing import Any

from aihwkit.inference.converter import conductance
from aihwkit.inference.noise import custom, hermes, pcm, reram

from jaxtile import noise

from ._fields import refuse

__all__ = ["converter_of", "noise_model_of"]

_SCALES = ("prog_noise_scale", "drift_scale", "read_noise_scale")
_POWER_LAW = ("prog_coeff", "t_0", "t_read", *_SCALES)
_PCM = (*_POWER_LAW, "prog_coeff_g_max_reference")


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
    return _MODELS[type(model)](model, converter=converter_of(model.g_converter), aihwkit_compatible=aihwkit_compatible)


def converter_of(converter: Any) -> noise.AbstractConverter:
    """Translate what maps weights to conductances."""
    kind = type(converter)
    span: dict[str, Any] = {name: getattr(converter, name, None) for name in ("g_max", "g_min")}
    if kind is conductance.SinglePairConductanceConverter:
        return noise.NPair(**span)
    if kind in (conductance.DualPairConductanceConverter, conductance.NPairConductanceConverter):
        return noise.NPair(f_lst=converter.f_lst, **span)
    if kind is conductance.CustomPairConductanceConverter:
        return noise.CustomPair(f_lst=converter.f_lst, g_lst=converter.g_lst, **span)
    if kind is conductance.SingleDeviceConductanceConverter:
        return noise.SingleDevice(**span)
    return refuse("noise_model.g_converter", converter, "known are those of pairs and of single devices")


def _taken(model: Any, names: tuple[str, ...]) -> dict[str, Any]:
    for name in names:
        if not hasattr(model, name):  # as a reference that is given is
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
    reference = _taken(model, ("coeff_g_max_reference",))["coeff_g_max_reference"]
    if reference == model.g_max and not common["aihwkit_compatible"]:
        # aihwkit keeps that of its own coefficients under a name that it does not read.
        reference = getattr(model, "prog_coeff_g_max_reference", reference)
    times = sorted(model.coeff_dic)
    return noise.ReRAMWan2022(
        times=times,
        coeff=[model.coeff_dic[time] for time in times],
        coeff_g_max_reference=reference,
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
